"""Webhooks as a person looks at them: one delivery with the request as it is sent, and those about one activation."""

from collections.abc import Sequence
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.webhooks import claim, endpoints, log, payload
from ringlet.webhooks.endpoints import Endpoint
from ringlet.webhooks.log import Delivery, Logged

ABOUT_MAX = 100


class Shown(msgspec.Struct, frozen=True):
    """A delivery of this endpoint. No `body`: its event is forgotten."""

    endpoint: Endpoint
    logged: Logged
    body: str | None

    @property
    def webhook_id(self) -> str:
        """The header by which receivers know repetitions."""
        return f"evt_{self.logged.delivery.event_id}_{self.endpoint.public_id}"


async def delivery(desk: Desk, wallet_id: int, public_id: str, delivery_id: int) -> Shown:
    """One delivery of the wallet's own endpoint. Refuses: NotFound, ServiceUnavailable."""
    page = await log.deliveries(desk, wallet_id, public_id, delivery_id + 1)
    logged = next((each for each in page if each.delivery.id == delivery_id), None)
    if logged is None:
        raise NotFound("No such delivery")
    async with desk.db.connection() as tx:
        endpoint = await endpoints.by_public_id(tx, wallet_id, public_id)
        told = (await claim.load_events(tx, {logged.delivery.event_id})).get(logged.delivery.event_id)
    body = None if told is None else payload.body(endpoint.form, *told).decode()
    return Shown(endpoint, logged, body)


class About(msgspec.Struct, frozen=True):
    """A delivery that tells of an activation, and where it goes."""

    delivery: Delivery
    endpoint_id: str
    url: str
    status: int | None


async def about(desk: Desk, wallet_id: int, public_id: int) -> Sequence[About]:
    """What was told about one activation, oldest first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _about(tx, wallet_id, public_id)


async def _about(tx: Tx, wallet_id: int, public_id: int) -> list[About]:
    values = {"wallet": wallet_id, "public_id": public_id, "most": ABOUT_MAX}
    cursor = tx.cursor(row_factory=args_row(_spell))
    return await (await cursor.execute(_ABOUT, values)).fetchall()


def _spell(*row: object) -> About:
    return About(Delivery(*row[:9]), *row[9:])  # type: ignore[arg-type]


_ABOUT: LiteralString = """
select d.id, d.event_id, e.type, a.public_id, d.attempts, d.due_at, d.delivered_at, d.failed_at, d.created_at,
    w.public_id, w.url,
    (select t.status from delivery_attempt t where t.delivery_id = d.id order by t.id desc limit 1)
from activation a
join event e on e.activation_id = a.id
join delivery d on d.event_id = e.id
join webhook_endpoint w on w.id = d.endpoint_id and w.wallet_id = %(wallet)s
where a.public_id = %(public_id)s and a.wallet_id = %(wallet)s
order by d.id limit %(most)s
"""
