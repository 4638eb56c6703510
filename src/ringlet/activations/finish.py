"""The customer needs no more messages: the lease of an activation that has its code ends now."""

from ringlet.activations import close, store
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.desk import Desk


async def finish(desk: Desk, wallet_id: int, public_id: int) -> Activation:
    """End the lease if its code has come; returns the activation as it stands then, changed or not.

    Refuses: NotFound, ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        activation = await store.by_public_id(tx, wallet_id, public_id)
        activation = await store.lock(tx, activation.id)
        if activation.state == State.RECEIVED:
            return await close.finish(tx, desk, activation) or activation
    return activation
