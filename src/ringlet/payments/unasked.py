"""A way to pay of which nobody outside knows: there is nobody to ask, and nobody who would write to us."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from ringlet.payments.port import Notice, NoticeRefused, Refused, Settled, Truth


class Unasked:
    """What such a gateway answers to everything but `create`: staff, or our own books, say what has come."""

    name: ClassVar[str]

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """Nobody writes."""
        raise NoticeRefused(f"{self.name}: nobody sends notices")

    async def fetch(self, external_id: str) -> Truth:
        """Nobody else knows."""
        raise Refused(f"{self.name}: there is nobody to ask")

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """People do it."""
        raise Refused(f"{self.name}: people give it back")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Nobody else knows."""
        return []

    async def check(self) -> str:
        """There is nothing to reach."""
        return self.name
