"""Asking for a payment: the row first, then the gateway, with the row's id as the key (rule T1)."""

from typing import LiteralString

from ringlet import ledger, money
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.topups import ask, store
from ringlet.topups.store import New, Topup

#: should this process die while the gateway is asked, a worker asks again after this
ASK_AGAIN_S = 30.0
#: how many payments of a wallet may be open at once
OPEN_MAX = 10


async def begin(desk: Desk, wallet_id: int, gateway_id: int, amount_micros: int, once: str) -> Topup:
    """A payment of so much credit by this gateway; the form's `once` again finds the one that it made.

    A top-up that comes back as 'new' is one whose gateway could not be reached: a worker goes on asking.
    Refuses: NotFound (no such way to pay for this wallet), ValidationFailed (amount, too many open, or the gateway says
    no), ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        wallet = await ledger.wallet(tx, wallet_id)
        terms = await book.load(tx, gateway_id)
        if terms is None or not terms.is_on or terms.mode != wallet.mode:
            raise NotFound("No such way to pay")
        can = desk.gateways.adapter(terms).can
        if not can.asks:
            raise NotFound("No such way to pay")
        _check(terms, amount_micros, wallet.currency)
        await _check_open(tx, wallet_id)
        topup, is_new = await store.add(
            tx, New(wallet_id, gateway_id, once, amount_micros, terms.charge_micros(amount_micros), wallet.currency,
                    can.lives_s, ASK_AGAIN_S),
        )  # fmt: skip
    if is_new:
        await ask.ask(desk, terms, topup)
    async with desk.db.connection() as tx:
        found = await store.of_wallet(tx, wallet_id, topup.public_id)
    assert found is not None
    if found.state == "failed":
        raise ValidationFailed(
            "This way to pay does not work at the moment: choose another one", field="method"
        )
    return found


def _check(terms: Terms, amount_micros: int, currency: str) -> None:
    if not terms.min_micros <= amount_micros <= terms.max_micros:
        limits = {"low": money.to_amount(terms.min_micros), "high": money.to_amount(terms.max_micros)}
        raise ValidationFailed(
            "An amount from %(low)s to %(high)s %(currency)s",
            field="amount",
            values={**limits, "currency": currency},
        )
    if amount_micros % 10_000:
        raise ValidationFailed("An amount in whole cents", field="amount")


async def _check_open(tx: Tx, wallet_id: int) -> None:
    row = await (await tx.execute(_COUNT_OPEN, [wallet_id])).fetchone()
    assert row is not None
    if row[0] >= OPEN_MAX:
        raise ValidationFailed("Too many payments are open: pay or leave one of them first", field="amount")


_COUNT_OPEN: LiteralString = """
select count(*) from topup where wallet_id = %s and state in ('new', 'open') and expires_at > now()
    and created_at > now() - interval '1 day'
"""
