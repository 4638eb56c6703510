"""The rows of top-ups."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.db import Tx
from ringlet.payments.port import Made

ID_PREFIX = "tu_"
ID_LENGTH = 22
PART = 20

#: a payer or a gateway may still do something about these
OPEN = ("new", "open", "review")


class Topup(msgspec.Struct, frozen=True):
    """One payment into one wallet; see `sql/0018_topups.sql` for what each column says."""

    id: int
    public_id: str
    wallet_id: int
    gateway_id: int
    state: str
    amount_micros: int
    charge_micros: int
    currency: str
    external_id: str | None
    pay_url: str | None
    pay_address: str | None
    pay_amount: str | None
    pay_currency: str | None
    settled_micros: int
    fee_micros: int
    refunded_micros: int
    credited_micros: int
    bonus_micros: int
    returned_micros: int
    posting_id: int | None
    why: str
    created_at: datetime
    expires_at: datetime
    settled_at: datetime | None
    due_at: datetime | None
    looks: int
    #: the id that the gateway has: its own, or that of the top-up beside which it came
    reference: str
    #: of its gateway
    kind: str
    label: str
    mode: str


COLUMNS: LiteralString = """
    t.id, t.public_id, t.wallet_id, t.gateway_id, t.state::text, t.amount_micros, t.charge_micros, t.currency,
    t.external_id, t.pay_url, t.pay_address, t.pay_amount, t.pay_currency, t.settled_micros, t.fee_micros,
    t.refunded_micros, t.credited_micros, t.bonus_micros, t.returned_micros, t.posting_id, t.why, t.created_at,
    t.expires_at, t.settled_at, t.due_at, t.looks,
    coalesce((select beside.public_id from topup beside where beside.id = t.parent_id), t.public_id),
    g.kind, g.label, g.mode
"""
FROM: LiteralString = "from topup t join gateway g on g.id = t.gateway_id"


def new_public_id() -> str:
    """A name for a new top-up that nobody can guess."""
    return ID_PREFIX + "".join(secrets.choice(tokens.ALPHABET) for _ in range(ID_LENGTH))


class New(msgspec.Struct, frozen=True):
    """What a new row says."""

    wallet_id: int
    gateway_id: int
    once: str
    amount_micros: int
    charge_micros: int
    currency: str
    lives_s: int
    #: when the gateway is asked again, should this process die before it has answered; null: never asked
    due_in_s: float | None


async def add(tx: Tx, new: New) -> tuple[Topup, bool]:
    """A new row, and whether it is; the form's `once` again finds the row that it made."""
    values = [
        new_public_id(), new.wallet_id, new.gateway_id, new.once, new.amount_micros, new.charge_micros,
        new.currency, new.lives_s, new.due_in_s,
    ]  # fmt: skip
    is_new = (await tx.execute(_ADD, values)).rowcount == 1
    cursor = tx.cursor(row_factory=args_row(Topup))
    found = await (await cursor.execute(_BY_ONCE, [new.wallet_id, new.once])).fetchone()
    assert found is not None
    return found, is_new


_ADD: LiteralString = """
insert into topup (public_id, wallet_id, gateway_id, once, amount_micros, charge_micros, currency, expires_at, due_at)
values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s), now() + make_interval(secs => %s))
on conflict (wallet_id, once) do nothing
"""
_BY_ONCE: LiteralString = f"select {COLUMNS} {FROM} where t.wallet_id = %s and t.once = %s"


async def opened(tx: Tx, topup_id: int, made: Made, look_in_s: float | None) -> bool:
    """The gateway has made the payment; false when another process wrote that first."""
    values = [
        made.external_id, made.url, made.address, made.amount, made.currency, look_in_s, topup_id,
    ]  # fmt: skip
    return (await tx.execute(_OPENED, values)).rowcount == 1


_OPENED: LiteralString = """
update topup set state = 'open', external_id = %s, pay_url = %s, pay_address = %s, pay_amount = %s, pay_currency = %s,
    due_at = now() + make_interval(secs => %s), looks = 0, unheard = 0
where id = %s and state = 'new'
"""


async def adopt(tx: Tx, parent: Topup, external_id: str, asked_micros: int) -> bool:
    """A payment that came beside the one that was asked for, as a top-up of its own; false when it is there already."""
    values = [new_public_id(), external_id, external_id, asked_micros, asked_micros, parent.id]
    return (await tx.execute(_ADOPT, values)).rowcount == 1


_ADOPT: LiteralString = """
insert into topup (public_id, wallet_id, gateway_id, once, parent_id, state, external_id, amount_micros, charge_micros,
    currency, expires_at, due_at)
select %s, wallet_id, gateway_id, 'beside ' || %s, id, 'open', %s, %s, %s, currency, expires_at, now()
from topup where id = %s
on conflict do nothing
"""


async def of_wallet(tx: Tx, wallet_id: int, public_id: str) -> Topup | None:
    """The wallet's own top-up."""
    cursor = tx.cursor(row_factory=args_row(Topup))
    return await (await cursor.execute(_OF_WALLET, [wallet_id, public_id])).fetchone()


_OF_WALLET: LiteralString = f"select {COLUMNS} {FROM} where t.wallet_id = %s and t.public_id = %s"


async def by_public_id(tx: Tx, public_id: str) -> Topup | None:
    """Whoever's it is: for gateways and staff."""
    cursor = tx.cursor(row_factory=args_row(Topup))
    return await (await cursor.execute(_BY_PUBLIC_ID, [public_id])).fetchone()


_BY_PUBLIC_ID: LiteralString = f"select {COLUMNS} {FROM} where t.public_id = %s"


async def by_id(tx: Tx, topup_id: int) -> Topup:
    """The row, which is there: top-ups are never deleted."""
    cursor = tx.cursor(row_factory=args_row(Topup))
    found = await (await cursor.execute(_BY_ID, [topup_id])).fetchone()
    assert found is not None, f"no top-up {topup_id}"
    return found


_BY_ID: LiteralString = f"select {COLUMNS} {FROM} where t.id = %s"


async def locked(tx: Tx, topup_id: int) -> Topup:
    """The row as it is now; nobody else changes it before the transaction ends."""
    cursor = tx.cursor(row_factory=args_row(Topup))
    found = await (await cursor.execute(_LOCKED, [topup_id])).fetchone()
    assert found is not None, f"no top-up {topup_id}"
    return found


# Not "for update": a payment that came beside this one names it, and its changes would wait for this lock's end while
# this one waits for the balance.
_LOCKED: LiteralString = f"select {COLUMNS} {FROM} where t.id = %s for no key update of t"


async def part(tx: Tx, wallet_id: int, before: int | None = None) -> list[Topup]:
    """The wallet's newest, or those before an id; one more than a part when there are more."""
    cursor = tx.cursor(row_factory=args_row(Topup))
    return await (await cursor.execute(_PART, [wallet_id, before or 2**63 - 1, PART + 1])).fetchall()


_PART: LiteralString = (
    f"select {COLUMNS} {FROM} where t.wallet_id = %s and t.id < %s order by t.id desc limit %s"
)


async def claim(tx: Tx, at_once: int, again_in_s: Sequence[float]) -> list[Topup]:
    """Those whose gateway is to be asked now, each for one process: asked again after a while, should nothing come of it.

    `again_in_s` by how often nothing has come of it before; the last stands for all that follow.
    """
    values = {"again": list(again_in_s), "steps": len(again_in_s), "at_once": at_once}
    cursor = tx.cursor(row_factory=args_row(Topup))
    return await (await cursor.execute(_CLAIM, values)).fetchall()


_CLAIM: LiteralString = f"""
with due as (
    select id from topup where due_at <= now() order by due_at limit %(at_once)s for update skip locked
), claimed as (
    update topup t set looks = t.looks + 1, looked_at = now(), unheard = t.unheard + 1,
        due_at = now() + make_interval(secs => (%(again)s::float8[])[least(t.unheard + 1, %(steps)s)])
    from due where t.id = due.id returning t.*
)
select {COLUMNS} from claimed t join gateway g on g.id = t.gateway_id
"""


async def rest(tx: Tx, topup: Topup, look_in_s: float | None) -> None:
    """After an answer: the next look is then, unless a notice has come meanwhile and asked for one at once."""
    await tx.execute(_REST, {"in_s": look_in_s, "claimed": topup.due_at, "id": topup.id})


_REST: LiteralString = """
update topup set unheard = 0,
    due_at = case when due_at = %(claimed)s then now() + make_interval(secs => %(in_s)s) else due_at end
where id = %(id)s
"""


async def nudge(tx: Tx, wallet_id: int, public_id: str) -> None:
    """The payer looks at it: ask its gateway soon, but not for everybody who presses a key."""
    await tx.execute(_NUDGE, [wallet_id, public_id])


_NUDGE: LiteralString = """
update topup set due_at = now() where wallet_id = %s and public_id = %s and due_at > now()
    and coalesce(looked_at, created_at) < now() - interval '5 seconds'
"""


async def end(tx: Tx, topup_id: int, before: str, after: str, why: str) -> bool:
    """It came to nothing, if it still is what it was; false when it is not."""
    return (await tx.execute(_END, [after, why, topup_id, before])).rowcount == 1


_END: LiteralString = """
update topup set state = %s::topup_state, why = %s, due_at = null
where id = %s and state = %s::topup_state and posting_id is null
"""


async def payer(tx: Tx, wallet_id: int) -> tuple[str, int]:
    """The address of whose wallet it is, and his brand."""
    row = await (await tx.execute(_PAYER, [wallet_id])).fetchone()
    assert row is not None
    return str(row[0]), int(row[1])


_PAYER: LiteralString = """
select c.email, c.brand_id from wallet w join customer c on c.id = w.customer_id where w.id = %s
"""


async def end_unpaid(tx: Tx) -> list[int]:
    """End those that wait for staff and have outlived their time without a word of the payer; returns their ids."""
    return [row[0] for row in await (await tx.execute(_END_UNPAID)).fetchall()]


_END_UNPAID: LiteralString = """
update topup set state = 'expired' where id in (
    select id from topup where state = 'open' and due_at is null and expires_at < now() limit 100 for update skip locked)
returning id
"""
