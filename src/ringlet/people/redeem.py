"""Somebody redeems a voucher: not so often that codes could be guessed."""

from ringlet.desk import Desk
from ringlet.people import throttle
from ringlet.people.throttle import Bucket
from ringlet.topups import redeem as vouchers
from ringlet.topups.store import Topup

VOUCHER_ACCOUNT = Bucket("voucher_account", 10, 60)
VOUCHER_ADDRESS = Bucket("voucher_address", 20, 30)


async def redeem(desk: Desk, wallet_id: int, text: str, address: str | None) -> Topup:
    """Credit the voucher with this code, see `topups/redeem.py`. A typing error costs no try.

    Refuses: ValidationFailed (field "voucher"), RateLimited, ServiceUnavailable.
    """
    vouchers.read(text)
    await throttle.take(desk, VOUCHER_ACCOUNT, wallet_id)
    await throttle.take(desk, VOUCHER_ADDRESS, throttle.place(address))
    return await vouchers.redeem(desk, wallet_id, text)
