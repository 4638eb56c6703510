"""Hints: a supplier, or a sale of ours, says that something is to be asked for now. A hint is never believed; it
makes the next sweep come at once.
"""

from ringlet.db import Tx
from ringlet.feed import announce

TOPIC = "hint"


async def give(tx: Tx, source_id: int) -> None:
    """Ask this supplier soon."""
    await announce(tx, TOPIC, source_id)
