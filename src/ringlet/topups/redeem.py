"""A voucher becomes credit: its row, its top-up and its posting in one transaction, once."""

from typing import LiteralString

import structlog

from ringlet import ledger
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.ledger import Wallet
from ringlet.topups import settle, store, voucher_codes
from ringlet.topups.store import Topup

#: one answer for what is unknown, used, expired, revoked or of another currency: who guesses learns nothing
REFUSED = "This voucher cannot be redeemed: it is unknown, used, or its time is over"
MISTYPED = "This is no voucher code: look for a typing error"

log = structlog.get_logger("ringlet.topups")


def read(text: str) -> str:
    """The code in its one spelling. Refuses: ValidationFailed (field "voucher"), without a look-up."""
    code = voucher_codes.read(text)
    if code is None:
        raise ValidationFailed(MISTYPED, field="voucher")
    return code


async def redeem(desk: Desk, wallet_id: int, text: str) -> Topup:
    """Credit this code to the wallet, at once; the wallet that has redeemed it finds the same top-up again.

    How often somebody may try is the caller's to limit (`people/redeem.py`). Refuses: ValidationFailed (field
    "voucher"), ServiceUnavailable.
    """
    fingerprint = voucher_codes.fingerprint(desk.settings.secret, read(text))
    async with desk.db.transaction() as tx:
        wallet = await ledger.wallet(tx, wallet_id)
        # Locked before it is read: of forty at once each sees what the one before has done.
        await tx.execute("select from voucher where fingerprint = %s for update", [fingerprint])
        row = await (await tx.execute(_FIND, {"fingerprint": fingerprint, "wallet": wallet_id})).fetchone()
        if row is None:
            raise ValidationFailed(REFUSED, field="voucher")
        voucher_id, topup_id, is_mine, is_good, amount_micros, currency = row
        if is_mine:
            return await store.by_id(tx, topup_id)
        if topup_id is not None or not is_good or currency != wallet.currency or wallet.mode != "live":
            raise ValidationFailed(REFUSED, field="voucher")
        topup = await _add(tx, wallet, voucher_id, amount_micros)
        await settle.credit(tx, topup, amount_micros, amount_micros)
        return await store.by_id(tx, topup.id)


_FIND: LiteralString = """
select v.id, v.topup_id, coalesce(t.wallet_id = %(wallet)s, false), b.revoked_at is null and b.expires_at > now()
        and exists (select from gateway where kind = 'voucher' and is_on),
    b.amount_micros, b.currency
from voucher v join voucher_batch b on b.id = v.batch_id left join topup t on t.id = v.topup_id
where v.fingerprint = %(fingerprint)s
"""


async def _add(tx: Tx, wallet: Wallet, voucher_id: int, amount_micros: int) -> Topup:
    values = {"public": store.new_public_id(), "wallet": wallet.id, "voucher": voucher_id, "amount": amount_micros,
              "currency": wallet.currency}  # fmt: skip
    row = await (await tx.execute(_ADD, values)).fetchone()
    assert row is not None, "a voucher's gateway is made with its batch"
    await tx.execute("update voucher set topup_id = %s where id = %s", [row[0], voucher_id])
    return await store.locked(tx, row[0])


_ADD: LiteralString = """
insert into topup (public_id, wallet_id, gateway_id, once, state, external_id, amount_micros, charge_micros, currency,
    expires_at)
select %(public)s, %(wallet)s, g.id, 'voucher ' || %(voucher)s, 'open', 'voucher ' || %(voucher)s, %(amount)s,
    %(amount)s, %(currency)s, now()
from gateway g where g.kind = 'voucher' returning id
"""


async def is_offered(tx: Tx) -> bool:
    """Whether there is anything to redeem, so that pages ask for a code."""
    row = await (await tx.execute("select from gateway where kind = 'voucher' and is_on")).fetchone()
    return row is not None
