"""Has the code come? getStatus, getStatusV2, getFullSms, getAllSms."""

from typing import Any

from ringlet.activations.leases import Lease
from ringlet.activations.store import FORGOTTEN, Message
from ringlet.web.handler import spell
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.change import find

SMS = 0  # the kind of verification: by message, not by call


async def get_status(ask: Ask) -> Answer:
    """In one word, with the last code behind it."""
    lease = await find(ask)
    if lease.is_refunded:
        return Answer("STATUS_CANCEL")
    if lease.code is None:
        return Answer("STATUS_WAIT_CODE")
    return Answer(f"{'STATUS_WAIT_RETRY' if lease.is_waiting else 'STATUS_OK'}:{lease.code or FORGOTTEN}")


async def get_status_v2(ask: Ask) -> Answer:
    """With the message. While it waits for another one there is none; `data` is the later dialect's name for it."""
    lease = await find(ask)
    if lease.is_refunded:
        return Answer("STATUS_CANCEL")
    message = lease.news
    body: dict[str, Any] = {
        "verificationType": SMS,
        "sms": None if message is None else _sms(message),
        "call": None,
    }
    if ask.is_later:
        body["data"] = None if message is None else _item(message, lease)
    return Answer(body)


async def get_full_sms(ask: Ask) -> Answer:
    """The text of the last message."""
    lease = await find(ask)
    if lease.is_refunded:
        return Answer("STATUS_CANCEL")
    message = lease.news
    return Answer("STATUS_WAIT_CODE" if message is None else f"FULL_SMS:{message.text}")


async def get_all_sms(ask: Ask) -> Answer:
    """Every message of the lease, oldest first."""
    lease = await find(ask)
    size = ask.given.whole("size", default=100, most=100)
    page = max(ask.given.whole("page", default=1, most=1_000), 1)
    part = lease.messages[(page - 1) * size : page * size]
    return Answer({"status": "success", "data": [_item(message, lease) for message in part]})


def _sms(message: Message) -> dict[str, str]:
    return {
        "dateTime": spell.moment(message.received_at),
        "code": message.code or "",
        "text": message.text,
    }


def _item(message: Message, lease: Lease) -> dict[str, str]:
    return {
        "id": str(message.id),
        "phoneFrom": message.sender,
        "code": message.code or "",
        "text": message.text,
        "service": lease.first.service,
        "date": spell.moment(message.received_at),
        "type": "sms",
    }
