"""What an adapter expects of the real gateway: only `make test-payments`, only with test keys in the environment.

Nothing is paid: a payment is asked for, found again, and left to run out. What follows a payment (notices, settling,
refunds, disputes) needs a payer, and is tested against fakes alone. Cryptomus has no sandbox: its test makes an invoice
at a real merchant, which nobody pays.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ringlet.db import Database
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Gateway, NoticeRefused, Order, PaymentState, Refused, Unreachable
from ringlet.suppliers import wire
from tests import live

pytestmark = pytest.mark.live
TWENTY = 20_000_000
SHOP = "https://ringlet.example"


@dataclass
class Real:
    """A gateway of the outside world, in test mode."""

    kind: str
    keys: dict[str, str]
    adapter: Gateway
    session: Any

    def order(self, micros: int = TWENTY) -> Order:
        """A payment that nobody has asked for before."""
        reference = f"tu_{secrets.token_hex(11)}"
        expires_at = datetime.now(UTC) + timedelta(seconds=self.adapter.can.lives_s)
        return Order(
            reference, micros, "USD", "Ringlet live test", "payer@ringlet.example",
            f"{SHOP}/wallet/top-up/{reference}", f"{SHOP}/payments/{self.kind}/1", expires_at,
        )  # fmt: skip


@pytest.fixture(params=live.given() or ["none"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Real]:
    """Each gateway whose keys the environment gives. Without any, there is nothing to test, and that is an error."""
    kind = request.param
    if kind == "none":
        pytest.fail("no test keys are given: see the list below, and docs/payments.md", pytrace=False)
    keys = live.keys(kind)
    assert keys is not None
    async with wire.open_session() as session:
        yield Real(kind, keys, KINDS[kind](keys, "test", session, Database("")), session)


async def test_the_keys_are_good(real: Real) -> None:
    """And the gateway says whose they are."""
    assert await real.adapter.check()


async def test_a_payment_is_made_once_and_found_again(real: Real) -> None:
    """Twice the same order, another one, and the truth about the first: open, of our id, in test mode, as asked."""
    order = real.order()
    made = await real.adapter.create(order)
    again = await real.adapter.create(order)
    other = await real.adapter.create(real.order())
    if real.kind != "nowpayments":  # takes no idempotency key, and lists nothing
        assert again.external_id == made.external_id
    assert other.external_id != made.external_id
    assert made.url or made.address
    truth = await real.adapter.fetch(made.external_id)
    assert (truth.external_id, truth.reference, truth.mode) == (made.external_id, order.id, "test")
    assert (truth.state, truth.currency, truth.asked_micros) == (PaymentState.OPEN, "USD", TWENTY)
    assert (truth.settled_micros, truth.refunded_micros) == (0, 0)


async def test_a_payment_that_nobody_made(real: Real) -> None:
    """An id with one letter changed is refused for good: the gateway's word for it is the one that we know."""
    made = await real.adapter.create(real.order())
    unknown = made.external_id[:-1] + ("1" if made.external_id[-1] != "1" else "2")
    with pytest.raises(Refused):
        await real.adapter.fetch(unknown)


async def test_nothing_is_given_back_of_what_was_not_paid(real: Real) -> None:
    """Where refunds are made by us."""
    made = await real.adapter.create(real.order())
    with pytest.raises(Refused):
        await real.adapter.refund(made.external_id, TWENTY, "USD", secrets.token_hex(8))


async def test_what_has_settled_is_listed(real: Real) -> None:
    """Whatever it is: the list can be read, and holds nothing of what is open."""
    made = await real.adapter.create(real.order())
    now = datetime.now(UTC)
    lines = await real.adapter.settled(now - timedelta(days=3), now + timedelta(minutes=5))
    assert made.external_id not in {line.external_id for line in lines}


async def test_keys_that_are_wrong(real: Real) -> None:
    """Refused in its words when we ask for something, and no end of a payment when we look."""
    made = await real.adapter.create(real.order())
    secret = next(each.name for each in KINDS[real.kind].fields if each.is_secret)
    value = real.keys[secret]
    wrong = {**real.keys, secret: value[:-4] + ("0000" if value[-4:] != "0000" else "1111")}
    other = KINDS[real.kind](wrong, "test", real.session, Database(""))
    with pytest.raises(Refused):
        await other.check()
    with pytest.raises(Unreachable):
        await other.fetch(made.external_id)


async def test_a_notice_that_it_did_not_write(real: Real) -> None:
    """Refused, with real keys as with any."""
    with pytest.raises(NoticeRefused):
        await real.adapter.read_notice(b'{"id": "evt_1"}', {"Stripe-Signature": "t=1,v1=00"})
