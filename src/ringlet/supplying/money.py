"""Our money at suppliers: what they say, what our books say, and what the operator does about a difference.

The supplier's figure and ours are never of one moment: a number may be rented there and not yet booked here, or
given back there and not yet here. So our books are read before and after the question, and what is in flight
counts for whoever needs it. Only what that cannot explain is a difference.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import LiteralString

import msgspec
import structlog

from ringlet import acts
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import RingletError, ValidationFailed
from ringlet.feed import announce
from ringlet.money import charge_micros
from ringlet.suppliers import purse
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import OutcomeUnknown, Reason, Refused
from ringlet.supplying.known import reach, sentence

CENT = Decimal("0.01")
BALANCE_MAX = Decimal(1_000_000_000)
REASON_LENGTH_MAX = 200

log = structlog.get_logger("ringlet.supplying")


class Books(msgspec.Struct, frozen=True):
    """What we think lies with a supplier, and what is under way there, both in micro-units of our money."""

    prepaid_micros: int
    in_flight_micros: int


class Compared(msgspec.Struct, frozen=True):
    """The supplier's figure beside ours, in micro-units of our money.

    `unexplained` is what the supplier has more (or less, below zero) than our books and what is in flight allow.
    """

    theirs_micros: int
    ours_micros: int
    in_flight_micros: int
    unexplained_micros: int

    @property
    def difference_micros(self) -> int:
        """Theirs less ours."""
        return self.theirs_micros - self.ours_micros


async def check_balances(desk: Desk) -> int:
    """Ask every supplier for our balance and put our books beside it. A worker's job; always 0."""
    async with desk.db.connection() as tx:
        due = {row[0] for row in await (await tx.execute(_DUE)).fetchall()}
    suppliers = [each for each in desk.book.all() if each.terms.source_id in due]
    await asyncio.gather(*(_try(desk, supplier) for supplier in suppliers))
    return 0


# Another worker may just have asked.
_DUE: LiteralString = """
select source_id from supplier where coalesce(balance_at < now() - interval '30 seconds', true)
"""


async def _try(desk: Desk, supplier: Supplier) -> None:
    """One supplier; whatever happens to it stops no other."""
    try:
        await _take_down(desk, supplier)
    except Refused as refused:
        if refused.reason is not Reason.UNSUPPORTED:
            why = sentence(desk, supplier.terms, refused)
            log.warning("balance_unknown", supplier=supplier.name, why=why)
    except RingletError as error:
        why = sentence(desk, supplier.terms, error)
        log.warning("balance_unknown", supplier=supplier.name, why=why)
    except Exception:
        log.exception("balance_unknown", supplier=supplier.name)


async def _take_down(desk: Desk, supplier: Supplier) -> Compared:
    """Ask, compare and store. Raises NotSent, OutcomeUnknown, Refused."""
    source_id = supplier.terms.source_id
    async with desk.db.connection() as tx:
        before = await books(tx, source_id)
    theirs = await _balance(supplier)
    async with desk.db.transaction() as tx:
        was, alert = await _lock(tx, source_id)
        after = await books(tx, source_id)
        if await _is_new(tx, source_id):
            opening = theirs - after.prepaid_micros
            await purse.deposit(tx, source_id, opening, actor="system", reason="opening balance")
            before = after = Books(theirs, after.in_flight_micros)
        compared = compare_with(theirs, (before, after), charge_micros(CENT * supplier.terms.currency_rate))
        await _store(tx, source_id, compared)
    # Said once, when it falls below.
    if alert is not None and theirs < alert and (was is None or was >= alert):
        log.warning("supplier_balance_low", supplier=supplier.name, balance_micros=theirs, alert_micros=alert)
    return compared


async def _balance(supplier: Supplier) -> int:
    balance = await supplier.port.balance()
    if not (balance.is_finite() and abs(balance) <= BALANCE_MAX):
        raise OutcomeUnknown("the balance is no sum of money")
    return charge_micros(balance * supplier.terms.currency_rate)


async def books(tx: Tx, source_id: int) -> Books:
    """What our books say now, and the sum of all whose money may have moved there and not yet here."""
    row = await (await tx.execute(_IN_FLIGHT, {"source": source_id})).fetchone()
    assert row is not None
    return Books((await purse.purse(tx, source_id)).prepaid_micros, int(row[0]))


# An order that is out may have cost its limit; a rental that is ending, or that the supplier no longer lists, may
# have brought its price back; a stray one may be either.
_IN_FLIGHT: LiteralString = """
select round(1000000 * (
    (select coalesce(sum(cost_max), 0) from asking where source_id = %(source)s)
    + (select coalesce(sum(cost), 0) from rental
        where source_id = %(source)s and state in ('stray', 'open', 'closing')
            and (state = 'stray' or wish = 'cancel' or missing_since is not null))
))::bigint
"""


def compare_with(theirs_micros: int, seen: Iterable[Books], rounding_micros: int = 0) -> Compared:
    """The supplier's figure beside what our books said before and after. Pure.

    `rounding_micros`: suppliers tell whole cents; so much is no difference.
    """
    all_seen = tuple(seen)
    low = min(each.prepaid_micros - each.in_flight_micros for each in all_seen)
    high = max(each.prepaid_micros + each.in_flight_micros for each in all_seen)
    beyond = theirs_micros - min(max(theirs_micros, low), high)
    last = all_seen[-1]
    unexplained = beyond if abs(beyond) > rounding_micros else 0
    return Compared(theirs_micros, last.prepaid_micros, last.in_flight_micros, unexplained)


async def _lock(tx: Tx, source_id: int) -> tuple[int | None, int | None]:
    """The balance that was stored and the alert, with the row locked against others who compare."""
    row = await (await tx.execute(_LOCK, [source_id])).fetchone()
    assert row is not None, "a supplier is never deleted"
    return row[0], row[1]


_LOCK: LiteralString = """
select balance_micros, balance_alert_micros from supplier where source_id = %s for no key update
"""


async def _is_new(tx: Tx, source_id: int) -> bool:
    row = await (await tx.execute(_HAS_DEPOSIT, [source_id])).fetchone()
    return row is None


_HAS_DEPOSIT: LiteralString = """
select from supplier_posting where source_id = %s and kind in ('deposit', 'correction') limit 1
"""


async def _store(tx: Tx, source_id: int, compared: Compared) -> None:
    ours = compared.theirs_micros - compared.unexplained_micros
    await tx.execute(_STORE, [compared.theirs_micros, ours, source_id])


# `books_micros` is as near to the balance as what was in flight at that moment allows.
_STORE: LiteralString = """
update supplier set balance_micros = %s, books_micros = %s, balance_at = now() where source_id = %s
"""


async def compare(desk: Desk, name: str) -> Compared:
    """Ask now and compare. Refuses: NotFound. Raises NotSent, OutcomeUnknown, Refused."""
    return await _take_down(desk, await reach(desk, name))


async def settle(desk: Desk, name: str, reason: str, by: Actor) -> int:
    """Ask now and accept the supplier's figure: what nothing explains is booked. Returns the sum.

    Refuses: NotFound, ValidationFailed. Raises NotSent, OutcomeUnknown, Refused.
    """
    reason = _check_reason(reason)
    supplier = await reach(desk, name)
    compared = await _take_down(desk, supplier)
    async with desk.db.transaction() as tx:
        stored = [compared.theirs_micros, compared.theirs_micros - compared.unexplained_micros]
        if not (await tx.execute(_AGREE, [supplier.terms.source_id, *stored])).rowcount:
            raise ValidationFailed("the figures have changed meanwhile: compare again", field="supplier")
        micros = compared.unexplained_micros
        await purse.correct(tx, supplier.terms.source_id, micros, actor=by.name, reason=reason)
        if micros:
            after = {"amount_micros": micros}
            await acts.write(tx, by, "supplier.settled", f"supplier {name}", after=after, reason=reason)
    return compared.unexplained_micros


_AGREE: LiteralString = """
update supplier set books_micros = balance_micros
where source_id = %s and (balance_micros, books_micros) = (%s, %s)
"""


async def deposit(desk: Desk, name: str, amount_micros: int, reason: str, by: Actor) -> None:
    """We paid money in at the supplier (or, below zero, took it out). Refuses: NotFound, ValidationFailed."""
    reason = _check_reason(reason)
    if not amount_micros:
        raise ValidationFailed("must not be zero", field="amount")
    supplier = await reach(desk, name)
    async with desk.db.transaction() as tx:
        await _lock(tx, supplier.terms.source_id)
        await purse.deposit(tx, supplier.terms.source_id, amount_micros, actor=by.name, reason=reason)
        await acts.write(
            tx,
            by,
            "supplier.deposited",
            f"supplier {name}",
            after={"amount_micros": amount_micros},
            reason=reason,
        )
        await tx.execute(_BOOKS_MOVED, [supplier.terms.source_id])


# The pair of figures is of the past now; the next balance makes a new one.
_BOOKS_MOVED: LiteralString = (
    "update supplier set books_micros = null, balance_at = null where source_id = %s"
)


def _check_reason(reason: str) -> str:
    reason = reason.strip()
    if not (reason and len(reason) <= REASON_LENGTH_MAX and reason.isprintable()):
        raise ValidationFailed(f"say why, in 1 to {REASON_LENGTH_MAX} characters", field="reason")
    return reason


async def refresh_exposure(desk: Desk) -> int:
    """Sum up what is rented and not yet sold at every supplier. A worker's job; always 0."""
    async with desk.db.transaction() as tx:
        crossed = [row[0] for row in await (await tx.execute(_EXPOSURE)).fetchall()]
        if any(crossed):
            await announce(tx, "catalogue")
    return 0


_EXPOSURE: LiteralString = """
with live as (
    select r.source_id, r.cost, 1 as rentals
    from rental r join activation a on a.id = r.activation_id
    where r.state = 'open' and a.state = 'waiting'
    union all
    select source_id, cost_max, 0 from asking
), counted as (
    select s.source_id, s.exposure_micros as before,
        round(1000000 * coalesce(sum(live.cost), 0))::bigint as exposure, coalesce(sum(rentals), 0)::int as rentals
    from supplier s left join live on live.source_id = s.source_id
    group by s.source_id
)
update supplier s set exposure_micros = c.exposure, rentals_open = c.rentals
from counted c
where c.source_id = s.source_id and (s.exposure_micros, s.rentals_open) is distinct from (c.exposure, c.rentals)
returning coalesce(c.before < s.exposure_cap_micros, true) <> coalesce(c.exposure < s.exposure_cap_micros, true)
"""


async def fold(desk: Desk) -> int:
    """Sum up the postings at suppliers behind a mark. A worker's job; returns how many suppliers have more."""
    async with desk.db.transaction() as tx:
        return await purse.fold(tx)
