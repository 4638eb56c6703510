"""Voucher codes: paid for elsewhere, redeemed here. Nobody is asked, and nobody is sent anywhere (`topups/redeem.py`)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import aiohttp

from ringlet.db import Database
from ringlet.payments.port import Capabilities, Field, Made, Order, Refused
from ringlet.payments.unasked import Unasked


class Voucher(Unasked):
    """A payment that is credited in the transaction that makes its row."""

    kind: ClassVar[str] = "voucher"
    name: ClassVar[str] = "Voucher"
    fields: ClassVar[Sequence[Field]] = ()
    can: ClassVar[Capabilities] = Capabilities(fetches=False, asks=False)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        pass

    async def create(self, order: Order) -> Made:
        """A code is the payment."""
        raise Refused("a voucher is redeemed by its code")
