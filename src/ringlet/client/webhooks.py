"""Webhooks: where the installation tells what happens."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType

from ringlet.client.patience import insist, new_key
from ringlet.client.talk import Ask, Talk, encode, get, post, read
from ringlet.client.values import Delivery, NewWebhook, Webhook

T = TypeVar("T")


class _Changes(Struct):
    url: str | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class _One(Struct):
    webhook: Webhook


class _All(Struct):
    data: list[Webhook]


class _Queued(Struct):
    delivery: str


class _Recovered(Struct):
    recovered: int


class DeliveryPage(Struct):
    """`next_cursor` leads to the next page; None on the last."""

    data: list[Delivery]
    next_cursor: str | None


def create(url: str, types: Sequence[str], description: str, form: str, total_s: float) -> Talk[NewWebhook]:
    """A new webhook with its secret. Raises WebhookRejected when there is one to that address."""
    asked = post("/webhooks", new_key(), url=url, types=list(types), description=description, form=form)
    return _ask(asked, NewWebhook, total_s)


def every(total_s: float) -> Talk[list[Webhook]]:
    """All of them."""
    return (yield from _ask(get("/webhooks"), _All, total_s)).data


def look(webhook_id: str, total_s: float) -> Talk[Webhook]:
    """One of them."""
    return (yield from _ask(get(_path(webhook_id)), _One, total_s)).webhook


def change(
    webhook_id: str,
    url: str | None,
    types: Sequence[str] | None,
    description: str | None,
    enabled: bool | None,
    total_s: float,
) -> Talk[Webhook]:
    """What is None stays."""
    changes = _Changes(
        url=UNSET if url is None else url,
        types=UNSET if types is None else list(types),
        description=UNSET if description is None else description,
        enabled=UNSET if enabled is None else enabled,
    )
    asked = Ask("PATCH", _path(webhook_id), body=encode(changes))
    return (yield from _ask(asked, _One, total_s)).webhook


def delete(webhook_id: str, total_s: float) -> Talk[None]:
    """No webhook is sent there any more."""
    yield from insist(Ask("DELETE", _path(webhook_id)), total_s)


def rotate(webhook_id: str, total_s: float) -> Talk[NewWebhook]:
    """A new secret; the old ones stay good for 24 hours."""
    return _ask(post(_path(webhook_id, "rotate"), new_key()), NewWebhook, total_s)


def test(webhook_id: str, total_s: float) -> Talk[str]:
    """A test event is sent; the id of its delivery."""
    return (yield from _ask(post(_path(webhook_id, "test"), new_key()), _Queued, total_s)).delivery


def deliveries(webhook_id: str, cursor: str | None, total_s: float) -> Talk[DeliveryPage]:
    """What was sent: the page behind `cursor`, newest first."""
    return _ask(get(_path(webhook_id, "deliveries"), cursor=cursor), DeliveryPage, total_s)


def replay(webhook_id: str, delivery_id: str, total_s: float) -> Talk[str]:
    """One delivery is sent again."""
    asked = post(_path(webhook_id, "deliveries", delivery_id, "replay"), new_key())
    return (yield from _ask(asked, _Queued, total_s)).delivery


def recover(webhook_id: str, since: datetime, total_s: float) -> Talk[int]:
    """All that failed since then is sent again; how many. Raises ValueError for a time without its zone."""
    if since.tzinfo is None:
        raise ValueError("a time needs its zone, such as datetime.now(UTC)")
    asked = post(_path(webhook_id, "recover"), new_key(), since=since)
    return (yield from _ask(asked, _Recovered, total_s)).recovered


def _path(*parts: str) -> str:
    return "/webhooks/" + "/".join(quote(part, safe="") for part in parts)


def _ask(asked: Ask, kind: type[T], total_s: float) -> Talk[T]:
    return read((yield from insist(asked, total_s)), kind)
