"""Buying one number for several services: every one of them, or nothing.

Only own stock can promise that a number is free for all; suppliers sell one service at a time. The number's own row is
locked first, and waited for: two such sales of one number follow each other, so that one of them gets it. A number that
is being sold for one service at this moment is stepped over, as in `sale.py`.
"""

from collections.abc import Sequence
from typing import LiteralString

import msgspec
import psycopg
from psycopg.errors import UniqueViolation

from ringlet import idempotency, ledger, money
from ringlet.activations import rehearse, resale, store
from ringlet.activations.admit import admit, settled
from ringlet.activations.choose import Choice, Order, choices
from ringlet.activations.states import State
from ringlet.activations.store import Activation, NewActivation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyInProgress, NoNumbers, RateLimited
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import simulator, stock
from ringlet.velocity import NOWHERE, Origin

ATTEMPTS_MAX = 3
NUMBERS_TRIED_MAX = 50
_ID_MAX = 2**63 - 1


class Bought(msgspec.Struct, frozen=True):
    """One activation for each order, in their order. `replayed`: the key had bought before; the first one is named."""

    activations: Sequence[Activation]
    replayed: bool = False


async def buy(
    desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None = None, origin: Origin = NOWHERE
) -> Bought:
    """Lease one number for all these orders of one country, each with its price held; the same `once` buys once.

    Refuses: ServiceNotAllowed, RateLimited, NoNumbers, MaxPriceExceeded, InsufficientBalance, IdempotencyMismatch,
    IdempotencyInProgress, ServiceUnavailable. What is refused has changed nothing.
    """
    try:
        ticket = await admit(desk, wallet, orders, origin)
    except RateLimited:
        # What was bought stays bought.
        bought = await known(desk, wallet, once)
        if bought is None:
            raise
        return bought
    return await settled(
        ticket, _sell_all(desk, wallet, orders, once),
        lambda bought: [] if bought.replayed else [each.amount_micros for each in bought.activations],
    )  # fmt: skip


async def _sell_all(desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None) -> Bought:
    for _ in range(ATTEMPTS_MAX):
        epoch = await desk.flush.epoch()
        try:
            async with desk.sales.connection() as tx:
                bought = await _known(tx, wallet, once) or await _buy(tx, desk, wallet, orders, once)
        except UniqueViolation:
            continue  # another request with this key was first, or a public id came twice
        await desk.flush.flushed(epoch)
        return bought
    raise IdempotencyInProgress


async def known(desk: Desk, wallet: Wallet, once: Once | None) -> Bought | None:
    """What the key has bought before, if anything. Refuses: IdempotencyMismatch, ServiceUnavailable."""
    if once is None:
        return None
    epoch = await desk.flush.epoch()
    async with desk.sales.connection() as tx:
        bought = await _known(tx, wallet, once)
    await desk.flush.flushed(epoch)
    return bought


async def _known(tx: Tx, wallet: Wallet, once: Once | None) -> Bought | None:
    known_id = await idempotency.recall(tx, once)
    return None if known_id is None else Bought([await store.by_id(tx, wallet.id, known_id)], replayed=True)


async def _buy(tx: Tx, desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None) -> Bought:
    if wallet.mode == "test":
        return await _rehearse(tx, desk, wallet, orders, once)
    for shelves in _together(desk, wallet, orders):
        bought = await _from_shelves(tx, desk, wallet, orders, shelves, once)
        if bought is not None:
            return bought
    raise NoNumbers


def _together(desk: Desk, wallet: Wallet, orders: Sequence[Order]) -> list[list[Choice]]:
    """Own shelves that hold the same numbers, one for each order, the cheapest together first."""
    by_place = [
        {(each.offer.source_id, each.offer.operator): each for each in choices(desk, wallet, order)
         if each.supplier is None}
        for order in orders
    ]  # fmt: skip
    shared = [
        [each[place] for each in by_place] for place in by_place[0] if all(place in e for e in by_place)
    ]
    return sorted(shared, key=lambda shelves: sum(each.price for each in shelves))


async def _from_shelves(
    tx: Tx, desk: Desk, wallet: Wallet, orders: Sequence[Order], shelves: Sequence[Choice], once: Once | None
) -> Bought | None:
    for choice in shelves:
        if not desk.shelves.is_open(choice.offer):
            async with tx.transaction():
                await stock.open_shelf(tx, choice.offer.id)
            desk.shelves.opened(choice.offer.id)
    # The shelf that shows the fewest numbers has the fewest to look at.
    narrow = min((each.offer for each in shelves), key=lambda offer: (offer.available or 0, offer.id))
    last = desk.shelves.after(narrow.id)
    tries = 0
    for start, end in ((last, _ID_MAX), (0, last)):
        after = start
        while tries < NUMBERS_TRIED_MAX:
            found = await _free_on_all(tx, narrow.id, shelves, orders[0].exclude_prefixes, after, end)
            if found is None:
                break
            after, phone = found
            tries += 1
            bought = await _sell(tx, desk, wallet, orders, shelves, after, phone, once)
            if bought is not None:
                desk.shelves.sold(narrow.id, after)
                return bought
    return None


async def _free_on_all(
    tx: Tx, narrow_id: int, shelves: Sequence[Choice], excluded: Sequence[str], after: int, end: int
) -> tuple[int, str] | None:
    """The next number that is free on every one of these shelves, not locked."""
    values = {
        "narrow": narrow_id, "offers": [each.offer.id for each in shelves], "count": len(shelves),
        "excluded": [prefix + "%" for prefix in excluded], "after": after, "end": end,
    }  # fmt: skip
    row = await (await tx.execute(_FREE_ON_ALL, values)).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


_FREE_ON_ALL: LiteralString = """
select s.number_id, s.phone from stock s
where s.offer_id = %(narrow)s and s.free_id > %(after)s and s.free_id <= %(end)s
    and not (s.phone like any (%(excluded)s::text[]))
    and (select count(*) from stock other where other.number_id = s.number_id
        and other.offer_id = any (%(offers)s::bigint[]) and other.free_id is not null) = %(count)s
order by s.free_id limit 1
"""


async def _sell(
    tx: Tx, desk: Desk, wallet: Wallet, orders: Sequence[Order], shelves: Sequence[Choice], number_id: int,
    phone: str, once: Once | None,
) -> Bought | None:  # fmt: skip
    """This number for all of them; None when somebody has it for one of them by now."""
    rows: list[Activation] = []
    async with tx.transaction() as whole:
        if not await _lease(tx, number_id, shelves):
            raise psycopg.Rollback(whole)
        for order, choice in zip(orders, shelves, strict=True):
            lease_s = desk.settings.lease_s(order.service)
            new = _activation(wallet, order, choice, number_id, phone)
            row = await store.add(tx, new, lease_s=lease_s)
            await ledger.hold(tx, wallet, row.amount_micros, row.id)
            await resale.note(tx, row.id, resale.share(desk, wallet, choice.price, choice.wholesale))
            rows.append(row)
        await idempotency.remember(tx, once, rows[0].id)
    return Bought(rows) if rows else None


def _activation(wallet: Wallet, order: Order, choice: Choice, number_id: int, phone: str) -> NewActivation:
    offer = choice.offer
    return NewActivation(
        wallet_id=wallet.id,
        source_id=offer.source_id,
        offer_id=offer.id,
        number_id=number_id,
        country=offer.country,
        service=offer.service,
        operator=offer.operator,
        phone=phone,
        state=State.WAITING,
        amount_micros=money.charge_micros(choice.price),
        base_price=offer.base_price,
        reference=order.reference,
    )


async def _lease(tx: Tx, number_id: int, shelves: Sequence[Choice]) -> bool:
    """Take the number off all these shelves; False when it is not free on one of them."""
    await tx.execute("select from number where id = %s for no key update", [number_id])
    taken = await tx.execute(_LEASE, {"number": number_id, "offers": [each.offer.id for each in shelves]})
    return taken.rowcount == len(shelves)


_LEASE: LiteralString = """
update stock set state = 'leased' where (number_id, offer_id) in (
    select number_id, offer_id from stock
    where number_id = %(number)s and offer_id = any (%(offers)s::bigint[]) and state = 'free'
    for update skip locked)
"""


async def _rehearse(tx: Tx, desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None) -> Bought:
    """Simulated numbers, all the same one. An outcome that is not known has no place among several."""
    if any(simulator.script(order.service).unknown_s is not None for order in orders):
        raise NoNumbers
    phone = simulator.invent_phone(orders[0].country)
    rows: list[Activation] = []
    async with tx.transaction():
        for order in orders:
            sold = await rehearse.sell(
                tx, desk, wallet, order.service, order.country, order.reference, None if rows else once, phone
            )
            if sold.known_id is not None:
                return Bought([await store.by_id(tx, wallet.id, sold.known_id)], replayed=True)
            assert sold.activation is not None
            rows.append(sold.activation)
    return Bought(rows)
