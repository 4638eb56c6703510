"""Lists of activations: getActiveActivations, getHistory."""

from typing import Any

from ringlet import canon
from ringlet.activations import leases
from ringlet.activations.leases import Lease
from ringlet.activations.states import State
from ringlet.web.handler import spell
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.words import No

ACTIVE_MAX = 1_000
PAGE_MAX = 100
PAGE = 50
START_MAX = 1_000_000

RECEIVED, WAITING_AGAIN, WAITING, DONE, CANCELLED, REFUNDED = "2", "3", "4", "6", "8", "10"


async def get_active_activations(ask: Ask) -> Answer:
    """What is open, newest first. An order without its number yet is not in it."""
    given = ask.given
    start = given.whole("start", default=0, most=START_MAX)
    limit = given.whole("limit", default=ACTIVE_MAX, most=PAGE_MAX)
    found = await leases.active(ask.office.desk, ask.wallet.id, start, limit)
    rows = [_active(lease, ask) for lease in found]
    return Answer({"status": "success", "activeActivations": rows, "data": rows})


async def get_history(ask: Ask) -> Answer:
    """What was bought, newest first."""
    given = ask.given
    since, until = given.moment("start"), given.moment("end")
    if since is not None and until is not None and until < since:
        raise No("WRONG_DATE")
    offset = given.whole("offset", default=0, most=START_MAX)
    limit = given.whole("limit", "size", default=PAGE, most=PAGE_MAX)
    found = await leases.history(ask.office.desk, ask.wallet.id, since, until, offset, limit)
    return Answer([_bought(lease, ask) for lease in found])


def _active(lease: Lease, ask: Ask) -> dict[str, Any]:
    row, message = lease.first, lease.message
    return {
        "activationId": str(row.public_id),
        "serviceCode": row.service,
        "phoneNumber": lease.newest.phone,
        "activationCost": spell.paid(row.amount_micros),
        "activationStatus": status(lease),
        "smsCode": lease.code,
        "smsText": None if message is None else message.text,
        "activationTime": spell.moment(row.created_at),
        "discount": "0.00",
        "repeated": "0" if row.resent_from is None else "1",
        "countryCode": str(row.country),
        "countryName": canon.countries()[row.country].name,
        "canGetAnotherSms": "1",
        "currency": spell.currency(ask.wallet.currency),
        "activationOperator": lease.newest.operator,
    }


def _bought(lease: Lease, ask: Ask) -> dict[str, Any]:
    row, message = lease.first, lease.message
    return {
        "id": str(row.public_id),
        "date": spell.moment(row.created_at),
        "phone": lease.newest.phone or "",
        "sms": "" if message is None else message.text,
        "cost": spell.paid(0 if lease.is_refunded else row.amount_micros),
        "status": status(lease),
        "currency": spell.currency(ask.wallet.currency),
        "service": row.service,
        "operator": lease.newest.operator,
        "country": row.country,
    }


def status(lease: Lease) -> str:
    """The number by which lists tell where it stands."""
    if lease.is_waiting:
        return WAITING if lease.code is None else WAITING_AGAIN
    if lease.is_refunded:
        return REFUNDED if lease.newest.state == State.EXPIRED else CANCELLED
    return RECEIVED if lease.is_open else DONE
