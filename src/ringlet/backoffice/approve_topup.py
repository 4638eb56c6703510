"""Payments that wait for staff: bank transfers, and what gateways say is not as it was asked for.

Staff say what came, and the credit follows from it as it does from a gateway's truth. A gateway that can be asked is
asked first, and never is more approved than it says has settled. What is above the limit waits for a second person
(`alone.py`). The decision, its posting and the act are one transaction, on the locked row: whoever comes second finds
it decided.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, ledger, money
from ringlet.acts import Actor
from ringlet.backoffice import alone, reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, StartupError, ValidationFailed
from ringlet.payments import book
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import PaymentState, Refused, Truth, Unreachable
from ringlet.people import persons
from ringlet.topups import judge, proof, settle, store
from ringlet.topups.store import Topup

AMOUNT_MAX_MICROS = 10**15
PART = 50


class Waiting(msgspec.Struct, frozen=True):
    """A payment that waits, whose it is, and what one person has said of it already. `gateway_micros`: what its gateway
    says has settled.
    """

    public_id: str
    state: str
    why: str
    kind: str
    label: str
    mode: str
    currency: str
    customer_id: int
    email: str
    amount_micros: int
    charge_micros: int
    gateway_micros: int
    created_at: datetime
    proofs: int
    asked_by: str | None
    asked_person: int | None
    asked_micros: int | None

    @property
    def suggested(self) -> str:
        """What probably came, as it is typed."""
        return f"{money.to_amount(self.asked_micros or self.gateway_micros or self.charge_micros):f}"


async def waiting(tx: Tx) -> list[Waiting]:
    """What waits for staff, what was said about first, then the oldest."""
    cursor = tx.cursor(row_factory=args_row(Waiting))
    return await (await cursor.execute(_WAITING, {"part": PART})).fetchall()


_COLUMNS: LiteralString = """
    t.public_id, t.state::text, t.why, g.kind, g.label, g.mode, t.currency, c.id, c.email, t.amount_micros,
    t.charge_micros, t.settled_micros, t.created_at,
    (select count(*) from topup_proof p where p.topup_id = t.id), a.asked_by, a.asked_person, a.settled_micros
"""
_JOINS: LiteralString = """
    join gateway g on g.id = t.gateway_id join wallet w on w.id = t.wallet_id join customer c on c.id = w.customer_id
    left join topup_approval a on a.topup_id = t.id and a.state = 'waiting'
"""
_WAITING: LiteralString = f"""
select {_COLUMNS} from (
    (select * from topup where state = 'review' order by id limit %(part)s)
    union all
    (select * from topup where state = 'open' and due_at is null order by id limit %(part)s)
) as t {_JOINS} order by t.state = 'open', t.id limit %(part)s
"""


async def one(tx: Tx, topup: Topup) -> Waiting:
    """The same of one payment, whether it waits or not."""
    cursor = tx.cursor(row_factory=args_row(Waiting))
    found = await (await cursor.execute(_ONE, [topup.id])).fetchone()
    assert found is not None
    return found


_ONE: LiteralString = f"select {_COLUMNS} from topup t {_JOINS} where t.id = %s"


def can_decide(topup: Topup) -> bool:
    """Whether staff may approve or reject it: what waits for them, and what came after its time with nobody to ask."""
    by_hand = not KINDS[topup.kind].can.fetches and topup.state in {"open", "expired"}
    return topup.posting_id is None and (topup.state == "review" or by_hand)


async def approve(desk: Desk, actor: Actor, public_id: str, settled_micros: int) -> bool:
    """So much came: True when it is credited, False when it waits for a second person, who says the same.

    Refuses: NotFound, Forbidden (no person, his own account, or he himself has asked), ValidationFailed (amount, decided
    meanwhile, or the gateway says otherwise), ServiceUnavailable.
    """
    if actor.person_id is None:
        raise Forbidden("Only a person can approve a payment")
    if not 0 < settled_micros <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount such as 12.50, not nothing", field="amount")
    truth = await _truth(desk, public_id)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, actor.person_id)
        topup = await _decidable(tx, actor, public_id)
        _compare(topup, truth, settled_micros)
        names = await _agreed(tx, desk, actor, topup, settled_micros)
        if names is None:
            return False
        await _credit(tx, actor, names, topup, truth, settled_micros)
        return True


async def _truth(desk: Desk, public_id: str) -> Truth | None:
    """What the gateway says at this moment; None where there is nobody to ask. No transaction is held meanwhile."""
    async with desk.db.connection() as tx:
        topup = await store.by_public_id(tx, public_id)
        terms = await book.load(tx, topup.gateway_id) if topup is not None else None
    if topup is None or terms is None:
        raise NotFound("No such payment")
    if not KINDS[terms.kind].can.fetches or topup.external_id is None:
        return None
    try:
        return await desk.gateways.adapter(terms).fetch(topup.external_id)
    except (Unreachable, Refused, StartupError):
        raise ValidationFailed("The gateway does not say what has settled: try again later") from None


def _compare(topup: Topup, truth: Truth | None, settled_micros: int) -> None:
    """Refuses: ValidationFailed, for what the gateway knows to be otherwise."""
    if truth is None:
        return
    if truth.mode != topup.mode:
        raise ValidationFailed("This payment is of the other mode: test money is never live money")
    if truth.state is not PaymentState.SETTLED or truth.refunded_micros >= truth.settled_micros:
        raise ValidationFailed("The gateway says that nothing has settled")
    if truth.currency == topup.currency and settled_micros > truth.settled_micros:
        raise ValidationFailed("The gateway says that less has settled", field="amount")


async def _decidable(tx: Tx, actor: Actor, public_id: str) -> Topup:
    """The payment, locked while it waits for staff."""
    found = await store.by_public_id(tx, public_id)
    if found is None:
        raise NotFound("No such payment")
    topup = await store.locked(tx, found.id)
    wallet = await ledger.wallet(tx, topup.wallet_id)
    await alone.check_other(tx, actor, wallet.customer_id)
    if not can_decide(topup):
        raise ValidationFailed("This was decided already, or its gateway has settled it")
    return topup


async def _agreed(tx: Tx, desk: Desk, actor: Actor, topup: Topup, settled_micros: int) -> str | None:
    """Who says so: one person as far as he may alone, or two; None when the first of two has just spoken."""
    credit_micros = judge.credit_for(topup, settled_micros)
    if not credit_micros:
        raise ValidationFailed("This is less than the smallest credit", field="amount")
    asked = await (await tx.execute(_ASKED, [topup.id])).fetchone()
    if asked is not None:
        approval_id, asked_by, asked_person, asked_micros = asked
        if asked_person == actor.person_id:
            raise Forbidden("Somebody else decides about what you have asked for")
        if asked_micros != settled_micros:
            raise ValidationFailed("The first of you has said another amount", field="amount")
        await tx.execute(_DECIDE, ["approved", actor.name, actor.person_id, approval_id])
        return f"{asked_by}, {actor.name}"
    assert actor.person_id is not None
    moved = await alone.moved_micros(tx, actor.person_id) + credit_micros
    is_alone = moved <= desk.settings.adjustment_limit_micros
    values = [
        topup.id,
        settled_micros,
        credit_micros,
        "posted" if is_alone else "waiting",
        actor.name,
        actor.person_id,
    ]
    await tx.execute(_ASK, values)
    if is_alone:
        return actor.name
    await _note(
        tx,
        actor,
        "topup.approval_asked",
        topup,
        {"settled_micros": settled_micros, "credit_micros": credit_micros},
    )
    return None


_ASKED: LiteralString = """
select id, asked_by, asked_person, settled_micros from topup_approval where topup_id = %s and state = 'waiting' for update
"""
_ASK: LiteralString = """
insert into topup_approval (topup_id, settled_micros, credit_micros, state, asked_by, asked_person)
values (%s, %s, %s, %s, %s, %s)
"""
_DECIDE: LiteralString = """
update topup_approval set state = %s, decided_by = %s, decided_person = %s, decided_at = now() where id = %s
"""


async def _credit(
    tx: Tx, actor: Actor, names: str, topup: Topup, truth: Truth | None, settled_micros: int
) -> None:
    is_ours = truth is not None and judge.mismatch(topup, truth) is None
    fee_micros = truth.fee_micros if truth is not None and truth.currency == topup.currency else 0
    credit_micros = judge.credit_for(topup, settled_micros)
    posting_id = await settle.credit(tx, topup, credit_micros, settled_micros, fee_micros, actor=names)
    if truth is not None and is_ours:
        await settle.take_back(tx, await store.locked(tx, topup.id), truth.refunded_micros)
    await proof.decided(tx, topup.id)
    after = {"settled_micros": settled_micros, "credit_micros": credit_micros, "posting": posting_id}
    await _note(tx, actor, "topup.approved", topup, after)


async def reject(desk: Desk, actor: Actor, public_id: str, reason: str) -> None:
    """No money is credited, now or later. Refuses: NotFound, Forbidden (no person, his own account), ValidationFailed."""
    reason = reasons.read(reason)
    if actor.person_id is None:
        raise Forbidden("Only a person can reject a payment")
    async with desk.db.transaction() as tx:
        topup = await _decidable(tx, actor, public_id)
        await tx.execute(_REFUSE, [actor.name, actor.person_id, topup.id])
        rejected = await store.end(tx, topup.id, topup.state, "rejected", "rejected")
        assert rejected, "the row was locked"
        await proof.decided(tx, topup.id)
        await _note(tx, actor, "topup.rejected", topup, {"why": topup.why}, reason)


_REFUSE: LiteralString = """
update topup_approval set state = 'refused', decided_by = %s, decided_person = %s, decided_at = now()
where topup_id = %s and state = 'waiting'
"""


async def withdraw(desk: Desk, actor: Actor, public_id: str) -> None:
    """What the first of two has said is not so: the payment waits as before.

    Refuses: NotFound, Forbidden (no person, his own account), ValidationFailed (nobody has said anything).
    """
    if actor.person_id is None:
        raise Forbidden("Only a person can decide about this")
    async with desk.db.transaction() as tx:
        topup = await _decidable(tx, actor, public_id)
        if not (await tx.execute(_REFUSE, [actor.name, actor.person_id, topup.id])).rowcount:
            raise ValidationFailed("Nobody has said an amount yet")
        await _note(tx, actor, "topup.approval_refused", topup, {})


async def _note(
    tx: Tx, actor: Actor, act: str, topup: Topup, after: Mapping[str, object], reason: str = ""
) -> None:
    wallet = await ledger.wallet(tx, topup.wallet_id)
    await acts.write(
        tx,
        actor,
        act,
        f"payment {topup.public_id}",
        after=after,
        reason=reason,
        customer_id=wallet.customer_id,
    )
