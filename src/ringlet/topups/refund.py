"""Money back to the payer, by the gateway it came through.

The wish is written first, and the customer's balance gives the amount in the same transaction. Then a worker asks the
gateway, under one key, until it has certainly said yes or no. The gateway's later truth counts what it gave back in
all; what staff gave back is in `returned_micros` already, so that it is taken once (`settle.take_back`).
"""

import secrets
from datetime import datetime
from typing import LiteralString

import msgspec
import structlog
from psycopg.rows import args_row

from ringlet import acts, failpoints, ledger, tokens
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, StartupError, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Refused, Truth, Unreachable
from ringlet.topups import judge, settle, store
from ringlet.topups.store import Topup

KEY_PREFIX, KEY_LENGTH = "rf_", 22
AT_ONCE = 10
#: asked again after, by how often it was asked; the last stands for all that follow
AGAIN_S = (15.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
FAILURE_MAX = 300

log = structlog.get_logger("ringlet.topups")


class Refund(msgspec.Struct, frozen=True):
    """One sum on its way back. `debited_micros`: what the customer's balance gave for it."""

    id: int
    key: str
    topup_id: int
    amount_micros: int
    debited_micros: int
    state: str
    reason: str
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    due_at: datetime | None
    attempts: int
    failure: str | None


COLUMNS: LiteralString = """
    id, key, topup_id, amount_micros, debited_micros, state, reason, asked_by, asked_at, ended_at, due_at, attempts,
    failure
"""


class Wish(msgspec.Struct, frozen=True):
    """What a form asks for, in what the payer paid; `once` is the form's own."""

    amount_micros: int
    reason: str
    once: str


async def ask(desk: Desk, actor: Actor, public_id: str, wish: Wish) -> None:
    """Give so much of a credited payment back to its payer, from the customer's balance; the same form once.

    Refuses: NotFound, ValidationFailed (not credited, more than is left of the payment or on the balance, the gateway
    cannot do it or does not say what is left), ServiceUnavailable.
    """
    topup, truth = await _seen(desk, public_id)
    async with desk.db.transaction() as tx:
        topup = await store.locked(tx, topup.id)
        if await _is_known(tx, topup.id, wish):
            return
        if judge.mismatch(topup, truth) is None:
            await settle.take_back(tx, topup, truth.refunded_micros)
        topup = await store.locked(tx, topup.id)
        left_micros = topup.settled_micros - truth.refunded_micros - await _pledged(tx, topup.id)
        if not 0 < wish.amount_micros <= left_micros:
            raise ValidationFailed("No more than is left of the payment, and not nothing", field="amount")
        wallet = await ledger.wallet(tx, topup.wallet_id)
        await _open(tx, actor, topup, wallet, wish)
    failpoints.reach("refund_opened")


async def _seen(desk: Desk, public_id: str) -> tuple[Topup, Truth]:
    """The credited payment as its gateway knows it now; no transaction is held meanwhile."""
    async with desk.db.connection() as tx:
        topup = await store.by_public_id(tx, public_id)
        terms = await book.load(tx, topup.gateway_id) if topup is not None else None
    if topup is None or terms is None:
        raise NotFound("No such payment")
    if topup.posting_id is None or topup.external_id is None:
        raise ValidationFailed("Nothing of this payment was credited")
    if not KINDS[terms.kind].can.refunds:
        raise ValidationFailed("This gateway gives nothing back: pay it back yourself, and debit the balance")
    try:
        return topup, await desk.gateways.adapter(terms).fetch(topup.external_id)
    except (Unreachable, Refused, StartupError):
        raise ValidationFailed("The gateway does not say what is left of it: try again later") from None


async def _is_known(tx: Tx, topup_id: int, wish: Wish) -> bool:
    row = await (await tx.execute(_KNOWN, [topup_id, wish.once])).fetchone()
    return row is not None


_KNOWN: LiteralString = "select from topup_refund where topup_id = %s and once = %s"


async def _pledged(tx: Tx, topup_id: int) -> int:
    """What the gateway is still to be asked for, so that its truth cannot count it yet."""
    row = await (await tx.execute(_PLEDGED, [topup_id])).fetchone()
    assert row is not None
    return int(row[0])


_PLEDGED: LiteralString = """
select coalesce(sum(amount_micros), 0)::bigint from topup_refund where topup_id = %s and state = 'asked'
"""


def share_of(topup: Topup, amount_micros: int) -> int:
    """What the customer gives for so much of the payment: its part of all he got, rounded up, and never more than is left.

    Rounded up because the gateway's total is rounded down (`judge.to_return`): that then finds nothing more to take.
    """
    given = topup.credited_micros + topup.bonus_micros
    share = -(-given * amount_micros // topup.settled_micros)
    return min(share, given - topup.returned_micros)


async def _open(tx: Tx, actor: Actor, topup: Topup, wallet: Wallet, wish: Wish) -> None:
    key = KEY_PREFIX + "".join(secrets.choice(tokens.ALPHABET) for _ in range(KEY_LENGTH))
    debited = share_of(topup, wish.amount_micros)
    values = [key, topup.id, wish.once, wish.amount_micros, debited, wish.reason, actor.name]
    await tx.execute(_OPEN, values)
    await tx.execute(_TAKEN, [debited, topup.id])
    reference = f"{topup.public_id}:{key}"
    if debited and await ledger.charge_back(tx, wallet, debited, reference=reference, reason=wish.reason):
        raise ValidationFailed("The customer's balance does not cover this", field="amount")
    after = {"refund": key, "amount_micros": wish.amount_micros, "debited_micros": debited}
    await acts.write(
        tx, actor, "topup.refund_asked", f"payment {topup.public_id}", after=after, reason=wish.reason,
        customer_id=wallet.customer_id,
    )  # fmt: skip


_OPEN: LiteralString = """
insert into topup_refund (key, topup_id, once, amount_micros, debited_micros, reason, asked_by)
values (%s, %s, %s, %s, %s, %s, %s)
"""
_TAKEN: LiteralString = "update topup set returned_micros = returned_micros + %s where id = %s"


async def ask_due(desk: Desk) -> int:
    """Ask gateways for what is on its way back; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Refund))
        claimed = await (await cursor.execute(_CLAIM, [list(AGAIN_S), len(AGAIN_S), AT_ONCE])).fetchall()
    for each in claimed:
        await _safely(desk, each)
    return len(claimed)


_CLAIM: LiteralString = f"""
update topup_refund set attempts = attempts + 1,
    due_at = now() + make_interval(secs => (%s::float8[])[least(attempts + 1, %s)])
where id in (select id from topup_refund where due_at <= now() order by due_at limit %s for update skip locked)
returning {COLUMNS}
"""


async def _safely(desk: Desk, refund: Refund) -> None:
    """One whose outcome is not known is asked for again after a while, and holds up no other."""
    async with desk.db.connection() as tx:
        topup = await store.by_id(tx, refund.topup_id)
        terms = await book.load(tx, topup.gateway_id)
    assert terms is not None, "gateways are never deleted"
    try:
        await _ask(desk, terms, topup, refund)
    except (Unreachable, StartupError) as error:
        log.warning("refund_not_certain", refund=refund.key, gateway=terms.kind, why=str(error))
        async with desk.db.transaction() as tx:
            await tx.execute(_FAILED, [str(error)[:FAILURE_MAX], refund.id])


_FAILED: LiteralString = "update topup_refund set failure = %s where id = %s and state = 'asked'"


async def _ask(desk: Desk, terms: Terms, topup: Topup, refund: Refund) -> None:
    """Raises Unreachable."""
    adapter = desk.gateways.adapter(terms)
    assert topup.external_id is not None, "it was credited"
    try:
        await adapter.refund(topup.external_id, refund.amount_micros, topup.currency, refund.key)
    except Refused as error:
        try:
            truth = await adapter.fetch(topup.external_id)
        except Refused:
            raise Unreachable("it refuses to give back, and to say what is left") from None
        await _restore(desk, topup, refund, truth, str(error))
        return
    failpoints.reach("refund_answered")
    async with desk.db.transaction() as tx:
        await tx.execute(_DONE, [refund.id])
        # Its truth has changed: seen soon, although nothing more is taken.
        await tx.execute(_LOOK, [topup.id])


_DONE: LiteralString = """
update topup_refund set state = 'done', due_at = null, ended_at = now(), failure = null where id = %s and state = 'asked'
"""
_LOOK: LiteralString = "update topup set due_at = now() where id = %s"


async def _restore(desk: Desk, topup: Topup, refund: Refund, truth: Truth, why: str) -> None:
    """The gateway says no for good: the customer has the amount again, but for what it says was given back after all."""
    async with desk.db.transaction() as tx:
        now = await store.locked(tx, topup.id)
        if (await tx.execute(_REFUSED, [why[:FAILURE_MAX], refund.id])).rowcount == 0:
            return
        wallet = await ledger.wallet(tx, topup.wallet_id)
        await tx.execute(_TAKEN, [-refund.debited_micros, topup.id])
        if refund.debited_micros:
            await ledger.credit(
                tx,
                wallet,
                refund.debited_micros,
                actor=topup.kind,
                reason=refund.reason,
                reference=refund.key,
            )
        if judge.mismatch(now, truth) is None:
            await settle.take_back(tx, await store.locked(tx, topup.id), truth.refunded_micros)
        await ledger.pay_debt(tx, wallet)
        after = {"refund": refund.key, "amount_micros": refund.amount_micros}
        await acts.write(
            tx, acts.CLOCK, "topup.refund_refused", f"payment {topup.public_id}", after=after,
            customer_id=wallet.customer_id,
        )  # fmt: skip
        failpoints.reach("refund_restored")
    log.warning("refund_refused", refund=refund.key, gateway=topup.kind, why=why)


_REFUSED: LiteralString = """
update topup_refund set state = 'refused', due_at = null, ended_at = now(), failure = %s where id = %s and state = 'asked'
"""


async def of_topup(tx: Tx, topup_id: int) -> list[Refund]:
    """What was given back of a payment, or is on its way, oldest first."""
    cursor = tx.cursor(row_factory=args_row(Refund))
    return await (await cursor.execute(_OF_TOPUP, [topup_id])).fetchall()


_OF_TOPUP: LiteralString = f"select {COLUMNS} from topup_refund where topup_id = %s order by id"
