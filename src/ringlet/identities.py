"""What we know of who a customer is: none, pending, verified or refused. Limits may ask; `people/identity.py` changes it."""

from ringlet.db import Tx

NONE, PENDING, VERIFIED, REFUSED = STATES = ("none", "pending", "verified", "refused")


async def state(tx: Tx, customer_id: int) -> str:
    """One of STATES; "none" while nobody has asked."""
    row = await (
        await tx.execute("select state from identity_check where customer_id = %s", [customer_id])
    ).fetchone()
    return NONE if row is None else str(row[0])
