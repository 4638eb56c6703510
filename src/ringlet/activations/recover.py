"""Finding out what became of orders whose answer was lost.

A supplier lists what he holds for us. What he lists and we do not know is a stray. Numbers of one supplier, service
and country are alike until a customer has seen one, so the oldest order that waits may have the oldest stray that
fits it. A stray may also be the answer to an order that is being asked this moment: only one that is older than
any call can last is given away. An order for which nothing is left over is refunded; a stray for which no order is
left over is cancelled at the supplier.
"""

from collections.abc import Sequence
from decimal import Decimal

import structlog

from ringlet import failpoints, ledger, money
from ringlet.activations import asking, rentals, store
from ringlet.activations.asking import Asking
from ringlet.activations.rentals import NewRental
from ringlet.activations.states import State
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Held

log = structlog.get_logger("ringlet.recover")


def age_s(supplier: Supplier) -> float:
    """How old a question is that nobody waits for any more."""
    return supplier.terms.deadline_s + asking.GRACE_S


async def overdue(desk: Desk, supplier: Supplier) -> list[Asking]:
    """Orders at this supplier whose answer was lost."""
    async with desk.db.connection() as tx:
        return await asking.overdue(tx, supplier.terms.source_id, age_s(supplier))


async def add_strays(desk: Desk, supplier: Supplier, unmatched: Sequence[Held]) -> int:
    """Write down what the supplier holds for us and we do not know; returns how many were new."""
    source_id = supplier.terms.source_id
    async with desk.db.connection() as tx:
        known = await rentals.known(tx, source_id, [held.ref for held in unmatched])
    fresh = [
        new for held in unmatched if held.ref not in known and (new := _stray(supplier, held)) is not None
    ]
    if fresh:
        async with desk.db.transaction() as tx:
            for new in fresh:
                await rentals.add_stray(tx, new)
        failpoints.reach("strays_found")
        log.info("strays_found", supplier=supplier.name, rentals=len(fresh))
    return len(fresh)


def _stray(supplier: Supplier, held: Held) -> NewRental | None:
    """A stray in our words; a country or service that we have no word for fits no order and is cancelled."""
    country = supplier.words.our_countries.get(held.country or "", -1)
    service = supplier.words.our_services.get(held.service or "", "unknown")
    cost = Decimal(0) if held.cost is None else money.price(held.cost * supplier.terms.currency_rate)
    operator = (held.operator or "any")[:32]
    return NewRental(supplier.terms.source_id, held.ref, country, service, operator, held.phone or "", cost)


async def settle(
    desk: Desk,
    supplier: Supplier,
    questions: Sequence[Asking],
    listed: Sequence[Held],
    empty_handed: set[int],
) -> int:
    """Decide about these orders, which were overdue before the supplier made this list; returns how many.

    `empty_handed` are those for which the list before had nothing either, and is brought up to date: one list alone
    does not prove that nothing was allotted, because a line may slip from one of its pages to the next.
    """
    by_reference = {held.reference: held.ref for held in listed if held.reference is not None}
    settled, still_empty = 0, set()
    for question in questions:
        async with desk.db.transaction() as tx:
            found = await _adopt(tx, supplier, question, by_reference)
            if found is None and question.activation_id in empty_handed:
                await fail(tx, await store.lock(tx, question.activation_id))
        if found is None and question.activation_id not in empty_handed:
            still_empty.add(question.activation_id)
        else:
            settled += found is not False
        failpoints.reach("order_recovered")
    empty_handed.clear()
    empty_handed |= still_empty
    async with desk.db.transaction() as tx:
        dropped = await rentals.drop_strays(tx, supplier.terms.source_id, age_s(supplier))
    if settled or dropped:
        log.info("recovered", supplier=supplier.name, orders=settled, strays_cancelled=dropped)
    return settled + dropped


async def _adopt(tx: Tx, supplier: Supplier, question: Asking, by_reference: dict[str, str]) -> bool | None:
    """Give the order its number. False: not to be decided now; None: there is none. Locks the order."""
    activation = await store.lock(tx, question.activation_id)
    if not await asking.lock_asking(tx, question, age_s(supplier)):
        return False
    ref = by_reference.get(str(activation.public_id))
    rental = (
        await rentals.stray_named(tx, question, ref)
        if ref
        else await rentals.stray_for(tx, question, age_s(supplier))
    )
    if rental is None:
        return False if await rentals.may_come(tx, question) else None
    await store.move(tx, activation, State.WAITING, phone=rental.phone, operator=rental.operator)
    await rentals.give(tx, rental, activation.id)
    await asking.asked(tx, activation.id)
    log.info("adopted", activation=str(activation.public_id), supplier_ref=rental.supplier_ref)
    return True


async def fail(tx: Tx, activation: store.Activation) -> None:
    """Nothing came of the order: the money goes back. The customer was told of it, so his key keeps naming it."""
    if await store.move(tx, activation, State.FAILED) is not None:
        wallet = await ledger.wallet(tx, activation.wallet_id)
        await ledger.release(tx, wallet, activation.amount_micros, activation.id)
        await asking.asked(tx, activation.id)


async def settle_without_list(desk: Desk, supplier: Supplier, questions: Sequence[Asking]) -> int:
    """Suppliers that cannot say what they hold. Where an allotted number costs nothing until we confirm it, a lost
    answer is a no. Otherwise the order waits until its lease would have ended (`watch.close_due`): by then the
    supplier has given the money back, or the difference shows in his balance.
    """
    if supplier.port.traits.charges_on_rent:
        return 0
    for question in questions:
        async with desk.db.transaction() as tx:
            activation = await store.lock(tx, question.activation_id)
            if await asking.lock_asking(tx, question, age_s(supplier)):
                await fail(tx, activation)
    return len(questions)
