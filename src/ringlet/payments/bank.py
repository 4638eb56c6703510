"""Money that a person sees coming: a bank transfer, cash, or whatever the operator writes. Staff say that it came."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import aiohttp

from ringlet.db import Database
from ringlet.payments.port import Capabilities, Field, Made, Order
from ringlet.payments.unasked import Unasked

LIVES_S = 14 * 24 * 3600


class Bank(Unasked):
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
