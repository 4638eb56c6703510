"""Voucher codes: paid for elsewhere, redeemed here. Nobody is asked, and nobody is sent anywhere (`topups/redeem.py`)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import aiohttp

from ringlet.db import Database
from ringlet.payments.port import (
    Capabilities,
    Field,
    Made,
    Notice,
    NoticeRefused,
    Order,
    Refused,
    Settled,
    Truth,
)


class Voucher:
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

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """Nobody writes."""
        raise NoticeRefused("vouchers have no notices")

    async def fetch(self, external_id: str) -> Truth:
        """Nobody else knows."""
        raise Refused("a voucher is credited when it is redeemed")

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Nobody to give it to."""
        raise Refused("whoever sold the voucher gives its price back")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Nobody else knows."""
        return []

    async def check(self) -> str:
        """There is nothing to reach."""
        return self.name
