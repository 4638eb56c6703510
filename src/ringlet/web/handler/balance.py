"""getBalance."""

from ringlet import ledger
from ringlet.web.handler import spell
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask


async def get_balance(ask: Ask) -> Answer:
    """What can be spent; what is held for open activations is not in it."""
    async with ask.office.desk.db.connection() as tx:
        found = await ledger.balance(tx, ask.wallet.id)
    return Answer(f"ACCESS_BALANCE:{spell.paid(found.available_micros):f}")
