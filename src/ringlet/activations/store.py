"""Activations in the database: rows in, rows out, one compare-and-set for every change of state."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import events, success
from ringlet.activations.states import TRANSITIONS, State
from ringlet.db import Tx
from ringlet.errors import NotFound
from ringlet.feed import announce

PUBLIC_ID_MAX = 10**18
#: what stands in the place of a text and of a code that were forgotten; no code that comes is empty
FORGOTTEN = "(forgotten)"
FORGOTTEN_CODE = ""
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Activation(msgspec.Struct, frozen=True):
    """One row. `id` counts up, `public_id` is what customers call activation_id; money in micro-units."""

    id: int
    public_id: int
    wallet_id: int
    source_id: int
    offer_id: int | None
    number_id: int | None
    country: int
    service: str
    operator: str
    phone: str | None
    state: State
    amount_micros: int
    base_price: Decimal
    code: str | None
    reference: str | None
    resent_from: int | None
    number_used: bool
    created_at: datetime
    expires_at: datetime

    @property
    def is_forgotten(self) -> bool:
        """Whether it had a code that is not kept any more (`backoffice/retention.py`)."""
        return self.code == FORGOTTEN_CODE

    @property
    def is_masked(self) -> bool:
        """Whether only the country and the end of its number are still known."""
        return "*" in (self.phone or "")

    @property
    def is_rented(self) -> bool:
        """Whether its number comes from a supplier, so that the end of it is the supplier's to confirm."""
        return self.offer_id is not None and self.number_id is None


class NewActivation(msgspec.Struct, frozen=True):
    """What a new row is made of; the ids and the times are added by `add`."""

    wallet_id: int
    source_id: int
    offer_id: int | None
    number_id: int | None
    country: int
    service: str
    operator: str
    phone: str | None
    state: State
    amount_micros: int
    base_price: Decimal
    reference: str | None = None
    resent_from: int | None = None
    number_used: bool = False


class Message(msgspec.Struct, frozen=True):
    """One message of an activation; `late` came after the refund and was not charged."""

    id: int
    sender: str
    text: str
    code: str | None
    late: bool
    received_at: datetime
    is_forgotten: bool = False


COLUMNS: LiteralString = (
    "id, public_id, wallet_id, source_id, offer_id, number_id, country, service, operator, phone, state,"
    " amount_micros, base_price, code, reference, resent_from, number_used, created_at, expires_at"
)


def new_public_id() -> int:
    """An id that cannot be guessed: hours since 2026, then ten random digits; below 2^53 for JavaScript.

    The hours keep new ids side by side in the index, so that a buy touches the same few pages however many
    millions lie behind; a rare collision is refused by the unique index and tried again.
    """
    hours = int((datetime.now(UTC) - _EPOCH).total_seconds() // 3600)
    return hours * 10**10 + secrets.randbits(64) % 10**10


async def add(tx: Tx, new: NewActivation, *, lease_s: float, due_s: float | None = None) -> Activation:
    """Write a new activation whose lease ends in `lease_s`; it is due then, or already in `due_s`."""
    values = msgspec.to_builtins(new, builtin_types=(Decimal,))
    values |= {"public_id": new_public_id(), "lease_s": lease_s, "due_s": lease_s if due_s is None else due_s}
    cursor = tx.cursor(row_factory=args_row(Activation))
    row = await (await cursor.execute(_ADD, values)).fetchone()
    assert row is not None
    if row.state == State.WAITING:
        await events.note(tx, row.id, events.CREATED)
    return row


_ADD: LiteralString = f"""
insert into activation (public_id, wallet_id, source_id, offer_id, number_id, country, service, operator, phone,
    state, amount_micros, base_price, reference, resent_from, number_used, expires_at, due_at)
values (%(public_id)s, %(wallet_id)s, %(source_id)s, %(offer_id)s, %(number_id)s, %(country)s, %(service)s,
    %(operator)s, %(phone)s, %(state)s, %(amount_micros)s, %(base_price)s, %(reference)s, %(resent_from)s,
    %(number_used)s,
    now() + make_interval(secs => %(lease_s)s), now() + make_interval(secs => %(due_s)s))
returning {COLUMNS}
"""


async def by_public_id(tx: Tx, wallet_id: int, public_id: int) -> Activation:
    """The wallet's own activation. Refuses: NotFound, also for somebody else's."""
    return await _one(tx, _BY_PUBLIC_ID, [public_id, wallet_id])


_BY_PUBLIC_ID: LiteralString = f"select {COLUMNS} from activation where public_id = %s and wallet_id = %s"


async def by_id(tx: Tx, wallet_id: int, row_id: int) -> Activation:
    """The wallet's own activation by its row id. Refuses: NotFound."""
    return await _one(tx, _BY_ID, [row_id, wallet_id])


_BY_ID: LiteralString = f"select {COLUMNS} from activation where id = %s and wallet_id = %s"


async def chain_of(tx: Tx, wallet_id: int, public_id: int) -> list[Activation]:
    """The wallet's own activation and those that followed it on the same number, oldest first. Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Activation))
    await cursor.execute(_CHAIN_OF, {"wallet": wallet_id, "public_id": public_id})
    found = await cursor.fetchall()
    if not found:
        raise NotFound("No such activation")
    return found


_CHAIN_OF: LiteralString = f"""
with recursive chain as (
    select public_id from activation where public_id = %(public_id)s and wallet_id = %(wallet)s
    union
    select a.public_id from chain join activation a
        on a.wallet_id = %(wallet)s and a.resent_from = chain.public_id
)
select {COLUMNS} from activation where public_id in (select public_id from chain) and wallet_id = %(wallet)s
order by id
"""


async def lock(tx: Tx, row_id: int) -> Activation:
    """An activation by its row id, locked to the end of the transaction, whoever owns it."""
    return await _one(tx, _LOCK, [row_id])


_LOCK: LiteralString = f"select {COLUMNS} from activation where id = %s for update"


async def lease_left_s(tx: Tx, activation: Activation) -> float:
    """Seconds to the end of the lease by the database's clock, the only one that everybody shares."""
    row = await (
        await tx.execute("select extract(epoch from %s - now())::float8", [activation.expires_at])
    ).fetchone()
    assert row is not None
    return float(row[0])


async def _one(tx: Tx, statement: LiteralString, values: list[int]) -> Activation:
    cursor = tx.cursor(row_factory=args_row(Activation))
    found = await (await cursor.execute(statement, values)).fetchone()
    if found is None:
        raise NotFound("No such activation")
    return found


async def move(
    tx: Tx, activation: Activation, to: State, *, phone: str | None = None, code: str | None = None,
    operator: str | None = None, lease_s: float | None = None, is_news: bool = True,
) -> Activation | None:  # fmt: skip
    """Change the state, if it is still what `activation` says; None when somebody else was first. A `lease_s` that
    ends earlier than the lease shortens it. The customer is told of it, unless it is no news to him.

    The row is locked from here to the end of the transaction, and every process hears of the change at commit.
    """
    assert to in TRANSITIONS[activation.state], f"{activation.state} cannot become {to}"
    cursor = tx.cursor(row_factory=args_row(Activation))
    values = {"id": activation.id, "was": activation.state, "to": to, "phone": phone, "code": code,
              "operator": operator, "lease_s": lease_s, "open": bool(TRANSITIONS[to])}  # fmt: skip
    moved = await (await cursor.execute(_MOVE, values)).fetchone()
    if moved is not None:
        await announce(tx, "activation", moved.public_id)
        if is_news and (type_ := NEWS.get(moved.state)) is not None:
            await events.note(tx, moved.id, type_)
    return moved


#: what is told of an activation that enters a state; the end of a lease that brought its code is no news
NEWS: Mapping[State, str] = {
    State.WAITING: events.CREATED,
    State.RECEIVED: events.COMPLETED,
    State.CANCELLED: events.CANCELLED,
    State.EXPIRED: events.EXPIRED,
    State.FAILED: events.FAILED,
}


_MOVE: LiteralString = f"""
update activation set state = %(to)s, phone = coalesce(%(phone)s, phone), code = coalesce(%(code)s, code),
    operator = coalesce(%(operator)s, operator),
    expires_at = least(expires_at, now() + make_interval(secs => %(lease_s)s)),
    due_at = case when %(open)s then least(expires_at, now() + make_interval(secs => %(lease_s)s)) end,
    closed_at = case when %(open)s then null else now() end
where id = %(id)s and state = %(was)s
returning {COLUMNS}
"""


async def newest_code(tx: Tx, activation: Activation, code: str) -> None:
    """A further message of an activation that has its code brought a newer one."""
    await tx.execute(
        "update activation set code = %s where id = %s and state = 'received'", [code, activation.id]
    )


async def note_outcome(tx: Tx, activation: Activation, *, has_code: bool, is_fair: bool = True) -> None:
    """For the success rates of its source, unless it was given back too soon to say anything, and of its buyer."""
    if activation.offer_id is not None:
        await success.note(
            tx, source_id=activation.source_id, country=activation.country, service=activation.service,
            operator=activation.operator, since=activation.created_at, has_code=has_code,
            wallet_id=activation.wallet_id, is_fair=is_fair,
        )  # fmt: skip


async def leases_of(tx: Tx, source_id: int, phone: str) -> list[Activation]:
    """The open leases of one number, oldest first, locked: a cancel waits for this message or comes before it.

    A resend that we had to wait for has closed the lease that we asked for and opened another one, which a
    statement that began before does not see: the answer counts when it comes twice.
    """
    cursor = tx.cursor(row_factory=args_row(Activation))
    leases: list[Activation] | None = None
    while True:
        await cursor.execute(_LEASES_OF, {"source": source_id, "phone": phone})
        found = await cursor.fetchall()
        if leases is not None and [each.id for each in found] == [each.id for each in leases]:
            return found
        leases = found


_LEASES_OF: LiteralString = f"""
select {COLUMNS} from activation
where state in ('waiting', 'received') and (
    number_id = (select id from number where source_id = %(source)s and phone = %(phone)s)
    or id = any (array(select activation_id from rental
        where source_id = %(source)s and phone = %(phone)s and state = 'open')))
order by id for update
"""


async def due(tx: Tx, limit: int) -> Sequence[Activation]:
    """Activations whose time has come, not locked: `claim_due` follows."""
    cursor = tx.cursor(row_factory=args_row(Activation))
    await cursor.execute(_DUE, [limit])
    return await cursor.fetchall()


_DUE: LiteralString = (
    f"select {COLUMNS} from activation where due_at is not null and due_at <= now() order by due_at limit %s"
)


async def claim_due(tx: Tx, ids: Sequence[int]) -> list[Activation]:
    """Those of the rows that are still due and that nobody else is working on, locked."""
    cursor = tx.cursor(row_factory=args_row(Activation))
    await cursor.execute(_CLAIM_DUE, [list(ids)])
    return await cursor.fetchall()


_CLAIM_DUE: LiteralString = f"""
select {COLUMNS} from activation where id = any(%s) and due_at <= now() order by id for update skip locked
"""


async def postpone(tx: Tx, row_id: int, seconds: float) -> None:
    """Make a due row due later; its lease ends when it ended."""
    await tx.execute(
        "update activation set due_at = now() + make_interval(secs => %s) where id = %s and due_at <= now()",
        [seconds, row_id],
    )


async def hold_posting(tx: Tx, row_id: int) -> int:
    """The posting that held the price of an activation; 0 when it cost nothing."""
    row = await (
        await tx.execute("select id from posting where activation_id = %s and kind = 'hold'", [row_id])
    ).fetchone()
    return 0 if row is None else int(row[0])


async def messages_of(tx: Tx, ids: Sequence[int]) -> dict[int, list[Message]]:
    """The messages of these activations, oldest first."""
    found: dict[int, list[Message]] = {row_id: [] for row_id in ids}
    for row in await (await tx.execute(_MESSAGES_OF, [list(ids)])).fetchall():
        found[row[0]].append(Message(*row[1:]))
    return found


_MESSAGES_OF: LiteralString = """
select activation_id, id, sender, text, code, late, received_at, is_forgotten from message
where activation_id = any(%s) order by id
"""
