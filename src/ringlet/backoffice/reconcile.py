"""What suppliers say against our books: numbers that only one of both has, and the money.

After a restore the books are of an earlier moment than the suppliers'. What is found here is only told: the sweeps of
the workers take up what they find there (strays are cancelled, ended rentals end), and the operator settles the money.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import LiteralString

import msgspec

from ringlet.desk import Desk
from ringlet.errors import StartupError
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Held, Reason, Refused, Standing
from ringlet.supplying import money
from ringlet.supplying.known import TROUBLE, reach, sentence
from ringlet.supplying.money import Compared

#: of those that it does not list, one question each
LOOKS_AT_ONCE = 4
LIVE = ["stray", "open", "closing"]


class Odd(StrEnum):
    """How a rental can differ."""

    #: it is active there and not in our books: sold after the backup
    UNKNOWN_HERE = "unknown_here"
    #: it is active there and over in our books
    OVER_HERE = "over_here"
    #: it is open in our books, and there it is over
    OVER_THERE = "over_there"
    #: it is open in our books, and the supplier has never heard of it
    UNKNOWN_THERE = "unknown_there"


class Difference(msgspec.Struct, frozen=True):
    """One rental by the supplier's name for it; `activation_id` where our books have one."""

    ref: str
    odd: Odd
    theirs: str
    ours: str
    activation_id: int | None


class Reconciled(msgspec.Struct, frozen=True):
    """One supplier. `trouble`: it could not be asked, in a sentence; `money` None where it tells no balance."""

    supplier: str
    differences: list[Difference]
    money: Compared | None
    trouble: str | None

    @property
    def agrees(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.differences or self.trouble or (self.money and self.money.unexplained_micros))


class Ours(msgspec.Struct, frozen=True):
    """A rental in our books."""

    state: str
    activation_id: int | None


async def reconcile(desk: Desk) -> list[Reconciled]:
    """Ask every supplier, one beside the other. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        names = [row[0] for row in await (await tx.execute(_NAMES)).fetchall()]
    return list(await asyncio.gather(*(_one(desk, name) for name in names)))


_NAMES: LiteralString = "select source.name from supplier s join source on source.id = s.source_id order by 1"


async def _one(desk: Desk, name: str) -> Reconciled:
    try:
        supplier = await reach(desk, name)
    except StartupError as error:
        return Reconciled(name, [], None, str(error))
    try:
        return Reconciled(name, await _rentals(desk, supplier), await _money(desk, name), None)
    except TROUBLE as error:
        return Reconciled(name, [], None, sentence(desk, supplier.terms, error))


async def _money(desk: Desk, name: str) -> Compared | None:
    try:
        return await money.compare(desk, name)
    except Refused as refused:
        if refused.reason is Reason.UNSUPPORTED:
            return None
        raise


async def _rentals(desk: Desk, supplier: Supplier) -> list[Difference]:
    live = await _books(desk, supplier, _LIVE, LIVE)
    theirs = await _listed(supplier, list(live))
    known = await _books(desk, supplier, _KNOWN, list(theirs))
    silent = [ref for ref in live if ref not in theirs]
    limit = asyncio.Semaphore(LOOKS_AT_ONCE)
    looked = await asyncio.gather(*(_look(supplier, ref, limit) for ref in silent))
    found = [_difference(ref, held, known.get(ref)) for ref, held in theirs.items()]
    found += [_difference(ref, held, live[ref]) for ref, held in zip(silent, looked, strict=True)]
    return sorted((each for each in found if each), key=lambda each: (each.odd, each.ref))


async def _books(
    desk: Desk, supplier: Supplier, statement: LiteralString, which: Sequence[str]
) -> Mapping[str, Ours]:
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(statement, [supplier.terms.source_id, which])).fetchall()
    return {ref: Ours(state, activation_id) for ref, state, activation_id in rows}


_LIVE: LiteralString = """
select supplier_ref, state::text, activation_id from rental
where source_id = %s and state in ('stray', 'open', 'closing') and state = any (%s::rental_state[])
"""
_KNOWN: LiteralString = """
select supplier_ref, state::text, activation_id from rental where source_id = %s and supplier_ref = any (%s)
"""


async def _listed(supplier: Supplier, refs: Sequence[str]) -> dict[str, Held]:
    """What the supplier lists as ours; nothing from one that cannot list. Raises NotSent, OutcomeUnknown, Refused."""
    try:
        return {each.ref: each for each in await supplier.port.held(refs)}
    except Refused as refused:
        if refused.reason is Reason.UNSUPPORTED:
            return {}
        raise


async def _look(supplier: Supplier, ref: str, limit: asyncio.Semaphore) -> Held | None:
    """One rental that it does not list; None when it knows nothing of it, or cannot be asked for one."""
    async with limit:
        try:
            return await supplier.port.look(ref)
        except Refused as refused:
            if refused.reason in {Reason.OVER, Reason.UNSUPPORTED}:
                return None
            raise


def _difference(ref: str, theirs: Held | None, ours: Ours | None) -> Difference | None:
    """None when both say the same. Pure."""
    is_active = theirs is not None and theirs.standing is Standing.ACTIVE
    is_live = ours is not None and ours.state in LIVE
    if is_active == is_live:
        return None
    if is_active:
        odd = Odd.UNKNOWN_HERE if ours is None else Odd.OVER_HERE
    else:
        odd = Odd.UNKNOWN_THERE if theirs is None else Odd.OVER_THERE
    return Difference(
        ref, odd, "unknown" if theirs is None else str(theirs.standing), "unknown" if ours is None else ours.state,
        None if ours is None else ours.activation_id,
    )  # fmt: skip
