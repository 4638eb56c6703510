"""The daily comparison: it finds what nobody told us, has it looked at, believes nothing, and says what differs."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from ringlet.backoffice import approve_topup, attention, gateways
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments.port import Settled
from ringlet.topups import look, notices, probe, reconcile
from ringlet.topups.reconcile import Compared, Known
from tests.fakes.till import Payment
from tests.office_rig import member, opened
from tests.payments_rig import UNIT, Counter, available, counter, now

pytestmark = pytest.mark.usefixtures("breaches", "shop")


@pytest.fixture
async def card(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counter]:
    """What has settled a moment ago is compared too."""
    monkeypatch.setattr(reconcile, "FRESH", -reconcile.FRESH)
    async with counter(desk) as found:
        yield found


async def compared(card: Counter) -> Compared:
    return await reconcile.compare(card.desk, card.gateway_id)


def known(state: str, settled: int, refunded: int = 0, currency: str = "USD") -> Known:
    return Known("x", "tu_", state, settled, refunded, currency, by_staff=False)


def listed(settled: int, refunded: int = 0) -> Settled:
    return Settled("x", "tu_", settled, refunded, "USD")


@pytest.mark.parametrize(
    ("line", "ours", "what"),
    [
        (listed(5), None, "unknown"),
        (listed(5), known("credited", 5), None),
        (listed(6), known("credited", 5), "settled"),
        (listed(6), msgspec.structs.replace(known("credited", 5), by_staff=True), None),
        (listed(5, 3), known("credited", 5, 2), "refunded"),
        (listed(5, 2), known("credited", 5, 3), None),
        (listed(5), known("credited", 5, 0, "EUR"), "currency"),
        (listed(5), known("expired", 0), "open"),
        (listed(5), known("review", 5), "review"),
        (listed(5), known("rejected", 0), "refused"),
        (listed(5, 5), known("failed", 0), None),
    ],
)
def test_each_difference_has_its_word(line: Settled, ours: Known | None, what: str | None) -> None:
    """And what is the same, or was decided by staff, has none."""
    found = reconcile.difference(line, ours)
    assert (found.what if found else None) == what


async def test_what_settled_and_was_never_told_is_credited(desk: Desk, alice: Wallet, card: Counter) -> None:
    """Even of a payment that had been given up; then the totals are the same."""
    before = await available(desk, alice)
    topup = await card.asked(alice)
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set state = 'expired', due_at = null where id = %s", [topup.id])
    card.till.pay(card.payment(topup))
    found = await compared(card)
    assert (found.differing, found.theirs_micros, found.ours_micros) == (1, 5 * UNIT, 0)
    assert await available(desk, alice) == before
    assert [each.kind for each in await attention.lines(desk)] == ["gateway_differs"]
    await look.look_due(desk)
    assert await available(desk, alice) == before + 5 * UNIT
    found = await compared(card)
    assert (found.differing, found.theirs_micros, found.ours_micros) == (0, 5 * UNIT, 5 * UNIT)
    assert await attention.lines(desk) == []


async def test_what_was_given_back_and_never_told_is_taken_back(
    desk: Desk, alice: Wallet, card: Counter
) -> None:
    """By the truth that is asked for, not by the list."""
    topup = await card.credited(alice)
    before = await available(desk, alice)
    card.till.refund(card.payment(topup), Decimal(2))
    assert [each.what for each in (await compared(card)).differences] == ["refunded"]
    await look.look_due(desk)
    assert await available(desk, alice) == before - 2 * UNIT
    assert (await compared(card)).differing == 0


async def test_a_payment_that_nobody_knows_is_adopted_when_it_is_ours(
    desk: Desk, alice: Wallet, card: Counter
) -> None:
    """It names a top-up of ours, and its gateway says so too; listed ten times, it is credited once."""
    before = await available(desk, alice)
    topup = await card.credited(alice)
    ours = card.payment(topup)
    beside = Payment(**{**ours.__dict__, "id": "cs_live_beside", "state": "open", "settled": Decimal(0),
                        "extras": {**ours.extras, "intent": "pi_beside", "charge": "ch_beside"}})  # fmt: skip
    card.till.payments[beside.id] = beside
    card.till.pay(beside)
    for _ in range(3):
        await compared(card)
        await notices.adopt_due(desk)
        await look.look_due(desk)
    assert await available(desk, alice) == before + 10 * UNIT
    assert (await compared(card)).differing == 0


async def test_what_is_credited_here_and_not_listed_there_is_said(
    desk: Desk, alice: Wallet, card: Counter
) -> None:
    """It would be money from nowhere."""
    topup = await card.credited(alice)
    del card.till.payments[str(topup.external_id)]
    (found,) = (await compared(card)).differences
    assert (found.what, found.public_id, found.ours_micros) == ("missing", topup.public_id, 5 * UNIT)


async def test_what_staff_have_decided_is_no_difference(desk: Desk, alice: Wallet, card: Counter) -> None:
    """They said that less came; the list goes on saying what it says."""
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update gateway set on_under = 'review', changed_at = now() where id = %s", [card.gateway_id]
        )
    topup = await card.paid(await card.asked(alice), "4")
    assert [each.what for each in (await compared(card)).differences] == ["review"]
    await approve_topup.approve(desk, await member(desk, "finance"), topup.public_id, 3 * UNIT)
    assert (await compared(card)).differing == 0


async def test_a_worker_compares_once_a_day_and_what_fails_again_within_the_hour(
    desk: Desk, alice: Wallet, card: Counter
) -> None:
    """A gateway that is out of reach is said, and asked again; nothing is due in between."""
    async with desk.db.transaction() as tx:
        await tx.execute("update gateway set is_on = false where kind = 'demo'")
    await card.credited(alice)
    card.till.error_share = 1.0
    assert await reconcile.compare_due(desk) == 1
    assert await reconcile.compare_due(desk) == 0
    async with desk.db.transaction() as tx:
        assert (await gateways.line(tx, card.gateway_id)).compared["error"]  # type: ignore[index]
        await tx.execute("update gateway set compare_due_at = compare_due_at - interval '1 hour'")
    card.till.error_share = 0.0
    assert await reconcile.compare_due(desk) == 1
    async with desk.db.transaction() as tx:
        assert (await gateways.line(tx, card.gateway_id)).compared["error"] == ""  # type: ignore[index]
        await tx.execute("update gateway set compare_due_at = compare_due_at - interval '23 hours'")
    assert await reconcile.compare_due(desk) == 0


async def test_who_cannot_list_is_not_compared(desk: Desk) -> None:
    """The button says so too."""
    with pytest.raises(NotFound):
        await reconcile.compare(desk, 999_999)
    async with desk.db.transaction() as tx:
        await tx.execute(
            "insert into gateway (kind, label, mode, min_micros, max_micros) values ('bank', 'B', 'live', 1, 1)"
        )
        row = await (await tx.execute("select max(id) from gateway")).fetchone()
    assert row is not None
    with pytest.raises(ValidationFailed):
        await reconcile.compare(desk, row[0])


async def test_a_gateway_that_fails_is_said_until_it_answers(desk: Desk, card: Counter) -> None:
    """Since when and why; a worker asks now and then, the button at once."""
    card.till.error_share = 1.0
    assert await probe.check_due(desk) == 2
    assert await probe.check_due(desk) == 0
    assert [each.kind for each in await attention.lines(desk)] == ["gateway_failing"]
    card.till.error_share = 0.0
    assert (await probe.check(desk, card.gateway_id)).is_good
    assert await attention.lines(desk) == []


async def test_the_button_and_its_answer(desk: Desk, alice: Wallet, card: Counter) -> None:
    """Finance compares; the difference leads to the payment."""
    topup = await card.asked(alice)
    card.till.pay(card.payment(topup))
    path = f"/admin/payments/gateways/{card.gateway_id}"
    async with opened(desk) as office:
        finance = await office.employ("finance")
        assert (await finance.post(f"{path}/compare")).status == 303
        assert f"/admin/payments/top-ups/{topup.public_id}" in (await finance.get(path)).text
    await look.look_due(desk)
    assert (await now(desk, topup)).state == "credited"
