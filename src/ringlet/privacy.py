"""What the shop keeps of people, and for how long: as the operator has decided on the page, else as the settings say."""

from typing import LiteralString

import msgspec

from ringlet.db import Tx
from ringlet.settings import Settings


class Privacy(msgspec.Struct, frozen=True):
    """The decisions that hold now. Days are whole ones since a message came and since an activation was over."""

    text_days: int
    number_days: int
    asks_for_work: bool
    #: the operator's own service that finds out who people are
    identity_url: str | None
    identity_secret: bytes | None


async def load(tx: Tx, settings: Settings) -> Privacy:
    """What holds now."""
    values = [settings.text_days, settings.number_days, settings.proof_of_work]
    row = await (await tx.execute(_LOAD, values)).fetchone()
    assert row is not None, "the row is made by its migration"
    return Privacy(*row)


_LOAD: LiteralString = """
select least(days.texts, days.numbers), days.numbers, work, identity_url, identity_secret
from (select coalesce(text_days, %s), coalesce(number_days, %s), coalesce(asks_for_work, %s), identity_url,
    identity_secret from privacy) as days (texts, numbers, work, identity_url, identity_secret)
"""
