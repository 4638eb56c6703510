"""Batches of voucher codes: made, shown once, counted, revoked. To make them is to make money."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, brands
from ringlet.acts import Actor
from ringlet.backoffice import alone, reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import persons
from ringlet.topups import voucher_codes

COUNT_MAX = 10_000
DAYS_MAX = 3_650
AMOUNT_MAX_MICROS = 10**12
PART = 50


class Wish(msgspec.Struct, frozen=True):
    """A batch as a form asks for it; `once` is the form's own, so that a second click makes no second batch."""

    count: int
    amount_micros: int
    days: int
    note: str
    once: str


class Made(msgspec.Struct, frozen=True):
    """A new batch with its codes, which nobody can show again."""

    id: int
    currency: str
    codes: Sequence[str]


async def make(desk: Desk, actor: Actor, wish: Wish) -> Made:
    """So many codes of so much each. What they are worth counts as what this person moves alone within a day.

    Refuses: ValidationFailed (count, amount, days, note, above the limit, or this form was sent before),
    ServiceUnavailable.
    """
    wish = msgspec.structs.replace(wish, note=_checked(wish))
    codes = [voucher_codes.make() for _ in range(wish.count)]
    fingerprints = [voucher_codes.fingerprint(desk.settings.secret, each) for each in codes]
    async with desk.db.transaction() as tx:
        if actor.person_id is not None:
            await persons.lock(tx, actor.person_id)
            moved = await alone.moved_micros(tx, actor.person_id) + wish.count * wish.amount_micros
            if moved > desk.settings.adjustment_limit_micros:
                raise ValidationFailed(
                    "This is more than one person makes alone within a day: make fewer, or ask somebody else",
                    field="count",
                )
        currency = await brands.currency(tx, desk.settings)
        await tx.execute(_GATEWAY, [AMOUNT_MAX_MICROS])
        values = [
            wish.once,
            wish.count,
            wish.amount_micros,
            currency,
            wish.note,
            actor.name,
            actor.person_id,
            wish.days,
        ]
        row = await (await tx.execute(_MAKE, values)).fetchone()
        if row is None:
            raise ValidationFailed(
                "This form was sent before: its codes were shown then, and are not shown again"
            )
        await tx.execute(_CODES, [row[0], fingerprints])
        after = {
            "count": wish.count,
            "amount_micros": wish.amount_micros,
            "currency": currency,
            "days": wish.days,
        }
        await acts.write(tx, actor, "vouchers.made", f"voucher batch {row[0]}", after=after, reason=wish.note)
    return Made(row[0], currency, codes)


def _checked(wish: Wish) -> str:
    if not 0 < wish.count <= COUNT_MAX:
        raise ValidationFailed(f"From 1 to {COUNT_MAX} codes", field="count")
    if not 0 < wish.amount_micros <= AMOUNT_MAX_MICROS or wish.amount_micros % 10_000:
        raise ValidationFailed("An amount in whole cents, such as 5 or 12.50", field="amount")
    if not 0 < wish.days <= DAYS_MAX:
        raise ValidationFailed(f"From 1 to {DAYS_MAX} days", field="days")
    try:
        return reasons.read(wish.note)
    except ValidationFailed:
        raise ValidationFailed("What are they for? A note of 1 to 200 characters", field="note") from None


_GATEWAY: LiteralString = """
insert into gateway (kind, label, mode, is_on, place, min_micros, max_micros)
values ('voucher', 'Voucher', 'live', true, 1000, 10000, %s) on conflict (kind) where kind = 'voucher' do nothing
"""
_MAKE: LiteralString = """
insert into voucher_batch (once, count, amount_micros, currency, note, made_by, made_person, expires_at)
values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(days => %s)) on conflict (once) do nothing returning id
"""
_CODES: LiteralString = "insert into voucher (batch_id, fingerprint) select %s, unnest(%s::bytea[])"


class Batch(msgspec.Struct, frozen=True):
    """One batch and how many of its codes were redeemed. `state`: "good", "expired" or "revoked"."""

    id: int
    count: int
    redeemed: int
    amount_micros: int
    currency: str
    note: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    state: str


async def batches(tx: Tx, before: int | None = None) -> list[Batch]:
    """The newest, or those below an id; one more than a part when there are more."""
    cursor = tx.cursor(row_factory=args_row(Batch))
    return await (await cursor.execute(_BATCHES, [before or 2**63 - 1, PART + 1])).fetchall()


_BATCHES: LiteralString = """
select b.id, b.count, (select count(*) from voucher v where v.batch_id = b.id and v.topup_id is not null),
    b.amount_micros, b.currency, b.note, b.made_by, b.made_at, b.expires_at,
    case when b.revoked_at is not null then 'revoked' when b.expires_at <= now() then 'expired' else 'good' end
from voucher_batch b where b.id < %s order by b.id desc limit %s
"""


async def revoke(desk: Desk, actor: Actor, batch_id: int) -> int:
    """What nobody has redeemed yet is worth nothing any more; returns how many codes that are.

    Refuses: NotFound, ValidationFailed (revoked before), ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        if not (await tx.execute(_REVOKE, [batch_id])).rowcount:
            row = await (await tx.execute("select from voucher_batch where id = %s", [batch_id])).fetchone()
            if row is None:
                raise NotFound("No such batch")
            raise ValidationFailed("This batch was revoked before")
        left = await (await tx.execute(_LEFT, [batch_id])).fetchone()
        assert left is not None
        await acts.write(
            tx, actor, "vouchers.revoked", f"voucher batch {batch_id}", after={"unredeemed": left[0]}
        )
        return int(left[0])


_REVOKE: LiteralString = "update voucher_batch set revoked_at = now() where id = %s and revoked_at is null"
_LEFT: LiteralString = "select count(*) from voucher where batch_id = %s and topup_id is null"
