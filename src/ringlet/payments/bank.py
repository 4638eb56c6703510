"""Money that a person sees coming: a bank transfer, cash, or whatever the operator writes. Staff say that it came."""

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

LIVES_S = 14 * 24 * 3600


class Bank:
    """Nobody to ask: the operator's words are shown to the payer, and the top-up waits for staff."""

    kind: ClassVar[str] = "bank"
    name: ClassVar[str] = "Bank transfer"
    fields: ClassVar[Sequence[Field]] = (
        Field("instructions", "Instructions", is_long=True,
              help="How to pay, such as the account's number and holder. The payer's reference is shown beside it."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(fetches=False, lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self.instructions = config.get("instructions", "")

    async def create(self, order: Order) -> Made:
        """Nothing is asked of anybody; the top-up's own id is what the payer writes on the transfer."""
        return Made(order.id)

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """Nobody writes."""
        raise NoticeRefused("a bank transfer has no notices")

    async def fetch(self, external_id: str) -> Truth:
        """Nobody knows."""
        raise Refused("staff say whether a transfer came")

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Staff do it."""
        raise Refused("staff give a transfer back")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Nobody knows."""
        return []

    async def check(self) -> str:
        """There is nothing to reach."""
        return self.name
