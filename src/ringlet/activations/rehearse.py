"""Test mode: the simulator sells, delivers and fails on cue, on a test balance and by the real ledger."""

from typing import LiteralString

import structlog

from ringlet import idempotency, ledger, money
from ringlet.activations import quote, receive, store
from ringlet.activations.receive import IncomingMessage
from ringlet.activations.sale import Sold
from ringlet.activations.states import State
from ringlet.activations.store import Activation, NewActivation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import simulator

log = structlog.get_logger("ringlet.rehearse")


async def sell(
    tx: Tx, desk: Desk, wallet: Wallet, service: str, country: int, reference: str | None, once: Once | None,
    phone: str | None = None,
) -> Sold:  # fmt: skip
    """Sell a simulated number, or this one. Refuses what the magic service says, ServiceNotAllowed,
    InsufficientBalance, IdempotencyMismatch.
    """
    async with tx.transaction():
        known_id = await idempotency.recall(tx, once)
        if known_id is not None:
            return Sold(None, 0, known_id)
        desk.policy.now.check(wallet.customer_id, service, country)
        script = simulator.script(service)
        if script.refusal is not None:
            raise script.refusal
        offered = quote.simulated(desk, wallet, country, service)
        unknown = script.unknown_s is not None
        new = NewActivation(
            wallet_id=wallet.id,
            source_id=simulator.SOURCE_ID,
            offer_id=None,
            number_id=None,
            country=country,
            service=service,
            operator=simulator.OPERATOR,
            phone=None if unknown else phone or simulator.invent_phone(country),
            state=State.ORDERING if unknown else State.WAITING,
            amount_micros=money.charge_micros(offered.sell_price),
            base_price=offered.cost,
            reference=reference,
        )
        lease_s = script.lease_s or desk.settings.lease_s(service)
        activation = await store.add(tx, new, lease_s=lease_s, due_s=script.unknown_s)
        posting_id = await ledger.hold(tx, wallet, activation.amount_micros, activation.id)
        await plan_messages(tx, activation)
        await idempotency.remember(tx, once, activation.id)
    return Sold(activation, posting_id)


async def plan_messages(tx: Tx, activation: Activation) -> None:
    """Write down what the simulated owner will push, and when."""
    for delay_s, template in simulator.script(activation.service).messages:
        text = simulator.write_message(template, activation.service)
        await tx.execute(_PLAN, [activation.id, text, delay_s])


_PLAN: LiteralString = """
insert into simulated_message (activation_id, text, due_at)
values (%s, %s, now() + make_interval(secs => %s))
"""


async def find_out(tx: Tx, activation: Activation) -> Activation | None:
    """The unknown outcome of `test_timeout` becomes known: the number had been allotted."""
    return await store.move(tx, activation, State.WAITING, phone=simulator.invent_phone(activation.country))


async def push_due(desk: Desk, limit: int = 200) -> int:
    """Push the simulated messages whose time has come, each in a transaction of its own; returns how many.

    One that cannot be pushed stays due and stops no other. Refuses: ServiceUnavailable.
    """
    async with desk.db.connection() as tx:
        due = await (await tx.execute(_DUE, [limit])).fetchall()
    return sum([await _push_one(desk, planned_id) for (planned_id,) in due])


# Nothing comes to a number that is not known yet: those messages wait until the outcome has been found out.
_DUE: LiteralString = """
select s.id from simulated_message s join activation a on a.id = s.activation_id
where s.due_at <= now() and a.state <> 'ordering' order by s.due_at limit %s
"""


async def _push_one(desk: Desk, planned_id: int) -> bool:
    try:
        async with desk.db.transaction() as tx:
            await _push(tx, planned_id)
    except ServiceUnavailable:
        raise
    except Exception:
        log.exception("cannot_push", simulated_message=planned_id)
        return False
    return True


async def _push(tx: Tx, planned_id: int) -> None:
    row = await (
        await tx.execute(
            "delete from simulated_message where id = %s returning activation_id, text", [planned_id]
        )
    ).fetchone()
    if row is None:
        return
    activation, text = await store.lock(tx, row[0]), row[1]
    incoming = IncomingMessage(planned_id, activation.phone or "", "Example", text)
    message_id = await receive.keep(tx, activation.source_id, incoming)
    if message_id is None:
        return
    is_open = activation.state in {State.WAITING, State.RECEIVED}
    give = receive.deliver if is_open else receive.deliver_late
    await give(tx, activation, message_id, incoming.sender, text)
