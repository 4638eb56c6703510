"""Staff give a payment back to its payer; never one into an account of their own."""

from ringlet import ledger
from ringlet.acts import Actor
from ringlet.backoffice import alone
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.topups import refund as refunds
from ringlet.topups import store
from ringlet.topups.refund import Wish


async def refund(desk: Desk, actor: Actor, public_id: str, wish: Wish) -> None:
    """See `topups/refund.py`. Refuses: Forbidden (his own account), NotFound, ValidationFailed, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        topup = await store.by_public_id(tx, public_id)
        if topup is None:
            raise NotFound("No such payment")
        wallet = await ledger.wallet(tx, topup.wallet_id)
        await alone.check_other(tx, actor, wallet.customer_id)
    await refunds.ask(desk, actor, public_id, wish)
