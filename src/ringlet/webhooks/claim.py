"""Deliveries that are due: claimed for this worker in a fair share of each endpoint, with all that is to be sent.

A claim is committed, to disk, before anything is sent: what was committed before it, such as the sale that a webhook
tells of, is then on disk as well. It ends by itself, so that a worker that died keeps nothing back.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import LiteralString

import msgspec
import structlog
from psycopg.rows import args_row

from ringlet import sealed
from ringlet.activations import store
from ringlet.activations.browse import Seen
from ringlet.activations.store import COLUMNS as ACTIVATION_COLUMNS
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import StartupError
from ringlet.webhooks import endpoints, payload
from ringlet.webhooks.endpoints import COLUMNS as ENDPOINT_COLUMNS
from ringlet.webhooks.endpoints import PURPOSE, Endpoint
from ringlet.webhooks.payload import Event

CLAIMED_S = 30.0

log = structlog.get_logger("ringlet.webhooks")


class Claimed(msgspec.Struct, frozen=True):
    """A delivery that is ours for now."""

    id: int
    event_id: int
    endpoint_id: int
    attempts: int


class Task(msgspec.Struct, frozen=True):
    """One attempt to make: where to, what, and what it is signed with."""

    claimed: Claimed
    endpoint: Endpoint
    event: Event
    seen: Seen | None
    secrets: Sequence[str]

    @property
    def webhook_id(self) -> str:
        """The same for every attempt; receivers know repetitions by it."""
        return f"evt_{self.event.id}_{self.endpoint.public_id}"


async def claim(
    desk: Desk, *, slots: int, window: int, running: Mapping[int, int], failing: bool
) -> list[Task]:
    """Take at most `slots` due deliveries and of no endpoint more than `window` with those that `running` counts.

    Endpoints that fail at present are asked for apart: they wait on each other, and on nobody else.
    Refuses: ServiceUnavailable.
    """
    values = {"slots": slots, "window": window, "busy": list(running), "counts": list(running.values()),
              "failing": failing, "claimed_s": CLAIMED_S}  # fmt: skip
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Claimed))
        claimed = await (await cursor.execute(_CLAIM, values)).fetchall()
        return await _load(tx, desk, claimed) if claimed else []


_CLAIM: LiteralString = """
with recursive waiting as (
    (select endpoint_id from delivery where due_at is not null order by endpoint_id limit 1)
    union all
    select (select endpoint_id from delivery
        where due_at is not null and endpoint_id > waiting.endpoint_id order by endpoint_id limit 1)
    from waiting where waiting.endpoint_id is not null
), busy as (
    select * from unnest(%(busy)s::bigint[], %(counts)s::int[]) as busy (id, n)
), picked as (
    select d.id from waiting
    left join webhook_endpoint e on e.id = waiting.endpoint_id
    left join busy on busy.id = waiting.endpoint_id
    cross join lateral (
        select delivery.id, delivery.due_at from delivery
        where delivery.endpoint_id = waiting.endpoint_id and delivery.due_at <= now()
            and (delivery.claimed_until is null or delivery.claimed_until <= now())
        order by delivery.due_at
        limit greatest(0, case when %(failing)s then 1 else %(window)s end - coalesce(busy.n, 0))
        for update skip locked
    ) d
    where waiting.endpoint_id is not null and (e.failing_since is not null) = %(failing)s
    order by d.due_at limit %(slots)s
)
update delivery set claimed_until = now() + make_interval(secs => %(claimed_s)s)
from picked where delivery.id = picked.id
returning delivery.id, delivery.event_id, delivery.endpoint_id, delivery.attempts
"""


async def _load(tx: Tx, desk: Desk, claimed: Sequence[Claimed]) -> list[Task]:
    """What is to be sent; deliveries of endpoints or events that are gone are over."""
    found = await _endpoints(tx, {each.endpoint_id for each in claimed})
    for endpoint_id in {each.endpoint_id for each in claimed} - found.keys():
        await endpoints.end_deliveries(tx, endpoint_id)
    keys: dict[int, list[str]] = {}
    for endpoint_id, stored in await endpoints.secrets_of(tx, list(found)):
        keys.setdefault(endpoint_id, []).extend(_unsealed(desk, endpoint_id, stored))
    events = await load_events(tx, {each.event_id for each in claimed})
    for each in claimed:
        if each.event_id not in events:
            await tx.execute(_END, [each.id])
    return [
        Task(each, found[each.endpoint_id], *events[each.event_id], keys.get(each.endpoint_id, []))
        for each in claimed
        if each.endpoint_id in found and each.event_id in events
    ]


def _unsealed(desk: Desk, endpoint_id: int, stored: bytes) -> list[str]:
    """A secret that cannot be read stops this endpoint only."""
    try:
        return [sealed.unseal(desk.settings.secret, PURPOSE, stored)]
    except (StartupError, ValueError) as error:
        log.error("webhook_secret_unreadable", endpoint=endpoint_id, error=str(error))  # noqa: TRY400
        return []


_END: LiteralString = """
update delivery set due_at = null, claimed_until = null, failed_at = now() where id = %s and due_at is not null
"""


async def _endpoints(tx: Tx, ids: AbstractSet[int]) -> dict[int, Endpoint]:
    cursor = tx.cursor(row_factory=args_row(Endpoint))
    await cursor.execute(_ENDPOINTS, [list(ids)])
    return {each.id: each for each in await cursor.fetchall()}


_ENDPOINTS: LiteralString = f"""
select {ENDPOINT_COLUMNS} from webhook_endpoint where id = any(%s) and disabled_at is null
"""


async def load_events(tx: Tx, ids: AbstractSet[int]) -> dict[int, tuple[Event, Seen | None]]:
    """The events that are still kept, each with its activation as it was then."""
    cursor = tx.cursor(row_factory=args_row(Event))
    events = await (await cursor.execute(_EVENTS, [list(ids)])).fetchall()
    about = [each.activation_id for each in events if each.activation_id is not None]
    rows = tx.cursor(row_factory=args_row(Activation))
    await rows.execute(_ACTIVATIONS, [about])
    activations = {(each.id, each.wallet_id): each for each in await rows.fetchall()}
    messages = await store.messages_of(tx, about)
    told: dict[int, tuple[Event, Seen | None]] = {}
    for each in events:
        activation = activations.get((each.activation_id or 0, each.wallet_id))
        if activation is not None:
            told[each.id] = (each, payload.then(each, activation, messages[activation.id]))
        elif each.activation_id is None:
            told[each.id] = (each, None)
    return told


_EVENTS: LiteralString = """
select id, wallet_id, type, activation_id, message_id, state::text, code, data, created_at from event
where id = any(%s)
"""
_ACTIVATIONS: LiteralString = f"select {ACTIVATION_COLUMNS} from activation where id = any(%s)"
