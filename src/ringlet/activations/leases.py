"""A handler id names a lease: the activation that was bought and those that followed it on its number.

Asking for another message makes a new activation of ours (decision 10), but this protocol keeps the id. What follows
within a lease ends when the lease ends; a number that is leased again after its lease has an end, and an id, of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from msgspec import Struct

from ringlet.activations import store
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import COLUMNS, Activation, Message
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound


class Lease(Struct, frozen=True):
    """Its activations and their messages, oldest first."""

    rows: Sequence[Activation]
    messages: Sequence[Message]
    #: how many of the messages came for the newest activation
    fresh: int = 0

    @property
    def first(self) -> Activation:
        """The one that was bought: its id and its price are the lease's."""
        return self.rows[0]

    @property
    def newest(self) -> Activation:
        """The one that waits for the next message, or was the last to."""
        return self.rows[-1]

    @property
    def code(self) -> str | None:
        """The last code that came."""
        return next((row.code for row in reversed(self.rows) if row.code is not None), None)

    @property
    def message(self) -> Message | None:
        """The last message with a code, or else the last one."""
        coded = [each for each in self.messages if each.code is not None]
        return next(iter((coded or list(self.messages))[-1:]), None)

    @property
    def news(self) -> Message | None:
        """The last message, unless the lease waits for another one."""
        if not self.is_waiting:
            return self.message
        return self.messages[-1] if self.fresh else None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a code: the first, or another one."""
        return self.newest.state in {State.WAITING, State.ORDERING}

    @property
    def is_open(self) -> bool:
        """Whether the number is still leased."""
        return self.is_waiting or self.newest.state == State.RECEIVED

    @property
    def is_refunded(self) -> bool:
        """Whether it ended without any code."""
        return self.code is None and self.newest.state in REFUNDED


async def find(desk: Desk, wallet_id: int, public_id: int | None) -> Lease:
    """The lease to which this activation belongs. Refuses: NotFound, ServiceUnavailable."""
    if public_id is None:
        raise NotFound("No such activation")
    async with desk.db.connection() as tx:
        return await of(tx, wallet_id, public_id)


async def of(tx: Tx, wallet_id: int, public_id: int) -> Lease:
    """The lease to which this activation of the wallet belongs. Refuses: NotFound."""
    found = await _read(tx, _OF_ID, {"wallet": wallet_id, "id": public_id})
    if not found:
        raise NotFound("No such activation")
    return found[0]


async def active(desk: Desk, wallet_id: int, start: int, limit: int) -> list[Lease]:
    """Leases that have their number and go on, newest first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _read(tx, _ACTIVE, {"wallet": wallet_id, "start": start, "limit": limit})


async def recent(tx: Tx, wallet_id: int, over_s: float, limit: int) -> list[Lease]:
    """Leases that go on or have ended within so many seconds, newest first, of the wallet's last thousand activations."""
    return await _read(tx, _RECENT, {"wallet": wallet_id, "over_s": over_s, "limit": limit})


async def history(
    desk: Desk, wallet_id: int, since: datetime | None, until: datetime | None, start: int, limit: int
) -> list[Lease]:
    """Leases that began in this time, newest first. Refuses: ServiceUnavailable."""
    values = {"wallet": wallet_id, "since": since, "until": until, "start": start, "limit": limit}
    async with desk.db.connection() as tx:
        return await _read(tx, _HISTORY, values)


async def _read(tx: Tx, statement: LiteralString, values: Mapping[str, Any]) -> list[Lease]:
    """The rows of several leases, each with the id of the one that names it first: newest lease first."""
    rows = await (await tx.execute(statement, values)).fetchall()
    leases: dict[int, list[Activation]] = {}
    for lease, *columns in rows:
        leases.setdefault(lease, []).append(Activation(*columns))
    messages = await store.messages_of(tx, [row.id for members in leases.values() for row in members])
    return [
        Lease(
            members,
            [message for row in members for message in messages[row.id]],
            len(messages[members[-1].id]),
        )
        for members in leases.values()
    ]


#: two ends of one lease: handed on from row to row as seconds, so that the last digits may differ
_SAME_END: LiteralString = (
    "abs(extract(epoch from before.expires_at - after.expires_at)) < 0.001 and before.wallet_id = %(wallet)s"
)

_OF_ID: LiteralString = f"""
with recursive back as (
    select id, public_id, resent_from, expires_at from activation
    where public_id = %(id)s and wallet_id = %(wallet)s
    union all
    select before.id, before.public_id, before.resent_from, before.expires_at
    from back after join activation before on before.public_id = after.resent_from and {_SAME_END}
), first as (
    select public_id, expires_at from back order by id limit 1
), members as (
    select public_id, expires_at, %(wallet)s::bigint as wallet_id from first
    union all
    select after.public_id, after.expires_at, after.wallet_id
    from members before join activation after
        on after.wallet_id = %(wallet)s and after.resent_from = before.public_id and {_SAME_END}
)
select 0, {COLUMNS} from activation where public_id in (select public_id from members) order by id
"""

_ACTIVE: LiteralString = f"""
with recursive open as materialized (
    select id, public_id, resent_from, expires_at from activation
    where wallet_id = %(wallet)s and due_at is not null and state in ('waiting', 'received')
    order by id desc offset %(start)s limit %(limit)s
), members as (
    select id as newest, public_id, resent_from, expires_at from open
    union all
    select after.newest, before.public_id, before.resent_from, before.expires_at
    from members after join activation before on before.public_id = after.resent_from and {_SAME_END}
), named as (
    select newest, public_id as member from members
)
select newest, {COLUMNS} from named join activation on public_id = member order by newest desc, id
"""

# Plans are made without knowing the values, and must be good for a wallet of any age: both ends name the wallet, so
# that no other index will do; the limit is a number; and what `offset 0` fences off is looked up row by row.
_RECENT: LiteralString = f"""
with recursive newest as materialized (
    select id, public_id, resent_from, expires_at, wallet_id, due_at, closed_at from activation
    where (wallet_id, id) >= (%(wallet)s, 0) and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
    order by wallet_id desc, id desc limit 1000
), shown as materialized (
    select id, public_id, resent_from, expires_at from newest before
    where (due_at is not null or closed_at > now() - make_interval(secs => %(over_s)s))
        and not exists (select from activation after
            where after.wallet_id = %(wallet)s and after.resent_from = before.public_id and {_SAME_END})
    order by id desc limit %(limit)s
), members as (
    select id as newest, public_id, resent_from, expires_at from shown
    union all
    select after.newest, before.public_id, before.resent_from, before.expires_at
    from members after cross join lateral (
        select * from activation before where before.public_id = after.resent_from and {_SAME_END} offset 0
    ) before
), named as (
    select newest, public_id as member from members
)
select newest, found.* from named cross join lateral (
    select {COLUMNS} from activation where public_id = member offset 0
) found order by newest desc, id
"""

_HISTORY: LiteralString = f"""
with recursive bought as materialized (
    select id, public_id, expires_at, wallet_id from activation after
    where wallet_id = %(wallet)s
        and (%(since)s::timestamptz is null or created_at >= %(since)s)
        and (%(until)s::timestamptz is null or created_at < %(until)s)
        and (resent_from is null or not exists (
            select from activation before where before.public_id = after.resent_from and {_SAME_END}))
    order by id desc offset %(start)s limit %(limit)s
), members as (
    select id as first, public_id, expires_at, wallet_id from bought
    union all
    select before.first, after.public_id, after.expires_at, after.wallet_id
    from members before join activation after
        on after.wallet_id = %(wallet)s and after.resent_from = before.public_id and {_SAME_END}
), named as (
    select first, public_id as member from members
)
select first, {COLUMNS} from named join activation on public_id = member order by first desc, id
"""
