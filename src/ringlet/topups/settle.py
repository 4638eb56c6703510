"""Money moves: a top-up's row, its postings and its news, in one transaction.

Whoever comes second finds the row changed, and the unique indexes refuse a second credit should anybody forget to look.
"""

from typing import LiteralString

import structlog
from psycopg.types.json import Jsonb

from ringlet import accounts, acts, events, ledger, metrics
from ringlet.db import Tx
from ringlet.ledger import Wallet
from ringlet.payments.book import Terms
from ringlet.payments.port import Truth
from ringlet.topups import bonus, judge, store
from ringlet.topups.store import Topup

log = structlog.get_logger("ringlet.topups")


async def settle(tx: Tx, topup: Topup, terms: Terms, truth: Truth) -> None:
    """Bring a locked top-up to where its gateway's truth says that it is."""
    if topup.posting_id is not None:
        if judge.mismatch(topup, truth) is None:
            await take_back(tx, topup, truth.refunded_micros)
        return
    verdict = judge.judge(topup, terms, truth)
    if verdict.state == "credited":
        await credit(tx, topup, verdict.credit_micros, truth.settled_micros, truth.fee_micros)
        await take_back(tx, await store.locked(tx, topup.id), truth.refunded_micros)
        return
    if (verdict.state, verdict.why) != (topup.state, topup.why):
        await tx.execute(_MOVE, [verdict.state, verdict.why, truth.settled_micros, topup.id])
        log.info("topup_moved", topup=topup.public_id, state=verdict.state, why=verdict.why)


_MOVE: LiteralString = """
update topup set state = %s::topup_state, why = %s, settled_micros = greatest(settled_micros, %s)
where id = %s and posting_id is null
"""


async def credit(
    tx: Tx, topup: Topup, credit_micros: int, settled_micros: int, fee_micros: int = 0, *, actor: str = ""
) -> int:
    """Credit a locked top-up, once; returns the posting. `actor`: who of the staff said so, when nobody else knows."""
    wallet = await ledger.wallet(tx, topup.wallet_id)
    posting_id = await ledger.credit(
        tx, wallet, credit_micros, actor=actor or topup.kind, reason=topup.label, reference=topup.public_id
    )
    bonus_micros = await bonus.give(tx, wallet, topup, credit_micros)
    if fee_micros:
        await ledger.fee(tx, wallet, fee_micros, reference=topup.public_id)
    values = [posting_id, credit_micros, settled_micros, fee_micros, bonus_micros, topup.id]
    assert (await tx.execute(_CREDITED, values)).rowcount == 1, "the row was locked"
    await ledger.pay_debt(tx, wallet)
    await _tell(tx, topup, wallet, credit_micros, bonus_micros)
    metrics.TOPUPS.labels(topup.kind).inc()
    log.info("topup_credited", topup=topup.public_id, micros=credit_micros)
    return posting_id


_CREDITED: LiteralString = """
update topup set state = 'credited', why = '', posting_id = %s, credited_micros = %s, settled_micros = %s,
    fee_micros = %s, bonus_micros = %s, settled_at = now()
where id = %s and posting_id is null
"""


async def _tell(tx: Tx, topup: Topup, wallet: Wallet, credit_micros: int, bonus_micros: int) -> None:
    data = {
        "topup": topup.public_id, "method": topup.kind, "amount_micros": credit_micros, "bonus_micros": bonus_micros,
        "currency": topup.currency,
    }  # fmt: skip
    await events.note_account(tx, wallet.id, events.TOPUP_SUCCEEDED, Jsonb(data))


async def take_back(tx: Tx, topup: Topup, refunded_micros: int) -> None:
    """So much of a credited payment was given back, or is disputed: the customer gives it back too, or owes it.

    Who owes is frozen: what he holds is not his.
    """
    amount_micros = max(0, judge.to_return(topup, refunded_micros))
    if amount_micros or refunded_micros > topup.refunded_micros:
        await tx.execute(_TAKEN_BACK, [refunded_micros, amount_micros, topup.id])
    if not amount_micros:
        return  # what staff gave back was taken when they did (`refund.py`)
    wallet = await ledger.wallet(tx, topup.wallet_id)
    # What was ever taken: it only grows, also when a part was given back since.
    taken_micros = topup.returned_micros + amount_micros + await _restored(tx, topup.id)
    reference = f"{topup.public_id}:{taken_micros}"
    owed = await ledger.charge_back(tx, wallet, amount_micros, reference=reference, reason=topup.label)
    log.warning("topup_taken_back", topup=topup.public_id, micros=amount_micros, owed_micros=owed)
    if owed and await accounts.set_frozen(tx, wallet.customer_id, is_frozen=True):
        after = {"topup": topup.public_id, "owed_micros": owed}
        await acts.write(
            tx, acts.CLOCK, "customer.frozen", f"customer {wallet.customer_id}", after=after,
            reason="a payment was taken back", customer_id=wallet.customer_id,
        )  # fmt: skip


_TAKEN_BACK: LiteralString = """
update topup set refunded_micros = greatest(refunded_micros, %s), returned_micros = returned_micros + %s where id = %s
"""


async def _restored(tx: Tx, topup_id: int) -> int:
    row = await (await tx.execute(_RESTORED, [topup_id])).fetchone()
    assert row is not None
    return int(row[0])


_RESTORED: LiteralString = """
select coalesce(sum(debited_micros), 0)::bigint from topup_refund where topup_id = %s and state = 'refused'
"""


async def collect_debts(tx: Tx, at_once: int) -> int:
    """What customers owe is paid from what has come back to their balance since; returns how many paid."""
    rows = await (await tx.execute(_DEBTORS, [at_once])).fetchall()
    paid = 0
    for (wallet_id,) in rows:
        paid += await ledger.pay_debt(tx, await ledger.wallet(tx, wallet_id)) > 0
    return paid


_DEBTORS: LiteralString = """
select d.wallet_id from ledger_account d join ledger_account a on a.wallet_id = d.wallet_id and a.kind = 'available'
where d.kind = 'debt' and d.balance_micros < 0 and a.balance_micros > 0 order by d.wallet_id limit %s
"""
