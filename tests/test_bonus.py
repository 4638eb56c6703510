"""The bonus on payments: the best rule and no other, posted with the credit, and gone with it."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from ringlet import ledger
from ringlet.acts import CLI
from ringlet.backoffice import gifts
from ringlet.backoffice.gifts import NewRule
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments import book, demo
from ringlet.topups import begin, bonus, look, store
from ringlet.topups.bonus import Rule
from ringlet.topups.store import Topup
from tests.hooks import fetch
from tests.office_rig import opened
from tests.pages_rig import sign
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")
TEN = 10_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rule(
    rule_id: int, start: int = TEN, percent: str = "0", fixed: int = 0, cap: int | None = None,
    gateway: int | None = None, *, first: bool = False,
) -> Rule:  # fmt: skip
    return Rule(rule_id, start, Decimal(percent), fixed, cap, first, gateway, None, NOW, None)


@pytest.mark.parametrize(
    ("rules", "credit", "is_first", "chosen"),
    [
        ([], TEN, True, None),
        ([rule(1, percent="10")], TEN, True, (1, 1_000_000)),
        ([rule(1, percent="10")], TEN - 1, True, None),
        ([rule(1, fixed=5)], TEN, True, (1, 5)),
        ([rule(1, percent="10", fixed=5)], TEN, True, (1, 1_000_005)),
        # Rounded down, to the micro-unit.
        ([rule(1, percent="0.01")], TEN + 9_999, True, (1, 1_000)),
        ([rule(1, start=1, percent="33.33")], 2, True, None),
        ([rule(1, percent="100", cap=7)], TEN, True, (1, 7)),
        ([rule(1, fixed=9, cap=7)], TEN, True, (1, 7)),
        # The one that gives most, never two; the older of equals.
        ([rule(1, percent="5"), rule(2, fixed=600_000)], TEN, True, (2, 600_000)),
        ([rule(1, percent="5"), rule(2, fixed=600_000)], 2 * TEN, True, (1, 1_000_000)),
        ([rule(2, fixed=5), rule(1, fixed=5)], TEN, True, (1, 5)),
        ([rule(1, percent="5"), rule(2, start=5 * TEN, percent="20")], 4 * TEN, True, (1, 2_000_000)),
        ([rule(1, percent="50", first=True), rule(2, fixed=5)], TEN, True, (1, 5_000_000)),
        ([rule(1, percent="50", first=True), rule(2, fixed=5)], TEN, False, (2, 5)),
        ([rule(1, percent="50", gateway=8), rule(2, fixed=5, gateway=7)], TEN, True, (2, 5)),
        ([rule(1, percent="50", gateway=8)], TEN, True, None),
    ],
)
def test_the_best_rule_alone_counts(
    rules: list[Rule], credit: int, is_first: bool, chosen: tuple[int, int] | None
) -> None:
    """For a payment by gateway 7."""
    found = bonus.choose(rules, credit, 7, is_first=is_first)
    assert (None if found is None else (found.rule.id, found.micros)) == chosen


@pytest.fixture
async def gateway(desk: Desk, shop: object) -> int:
    """The demo's own, for live money."""
    async with desk.db.transaction() as tx:
        new = book.New("demo", "Demo", "live", {}, 1_000_000, 1_000_000_000, is_on=True)
        return await book.add(tx, desk.settings.secret, new)


async def asked(desk: Desk, wallet: Wallet, gateway_id: int, once: str, micros: int = TEN) -> Topup:
    return await begin.begin(desk, wallet.id, gateway_id, micros, once)


async def paid(desk: Desk, topup: Topup) -> Topup:
    assert topup.external_id is not None
    async with desk.db.transaction() as tx:
        await demo.pay(tx, topup.external_id, topup.charge_micros)
    return await again(desk, topup)


async def again(desk: Desk, *topups: Topup) -> Topup:
    """Due now, looked at, and the first as it is then."""
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update topup set due_at = now() where id = any (%s)", [[each.id for each in topups]]
        )
    await look.look_due(desk)
    async with desk.db.connection() as tx:
        found = await store.by_public_id(tx, topups[0].public_id)
    assert found is not None
    return found


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


async def test_a_payment_brings_its_bonus_once(desk: Desk, alice: Wallet, gateway: int) -> None:
    """In the same moment; looked at again, nothing more comes."""
    before = await available(desk, alice)
    await gifts.add_rule(desk, CLI, NewRule(from_micros=TEN, percent=Decimal(10)))
    topup = await paid(desk, await asked(desk, alice, gateway, "a"))
    assert (topup.credited_micros, topup.bonus_micros) == (TEN, 1_000_000)
    await again(desk, topup)
    assert await available(desk, alice) == before + TEN + 1_000_000
    posted = await fetch(desk, "select reference, amount_micros from posting where kind = 'bonus'")
    assert [tuple(each) for each in posted] == [(topup.public_id, 1_000_000)]


async def test_of_two_first_payments_at_once_one_is_the_first(
    desk: Desk, alice: Wallet, gateway: int
) -> None:
    """And one that was taken back was the first all the same."""
    await gifts.add_rule(desk, CLI, NewRule(from_micros=TEN, percent=Decimal(50), is_first_only=True))
    topups = [await asked(desk, alice, gateway, once) for once in "abcdef"]
    async with desk.db.transaction() as tx:
        for each in topups:
            await demo.pay(tx, str(each.external_id), TEN)
        await tx.execute("update topup set due_at = now()")
    await asyncio.gather(*(look.look_due(desk) for _ in range(3)))
    given = await fetch(desk, "select bonus_micros from topup order by bonus_micros desc")
    assert [each[0] for each in given] == [5_000_000, 0, 0, 0, 0, 0]
    async with desk.db.transaction() as tx:
        for each in topups:
            await demo.take_back(tx, str(each.external_id))
    await again(desk, *topups)
    topup = await paid(desk, await asked(desk, alice, gateway, "later"))
    assert (topup.state, topup.bonus_micros) == ("credited", 0)


async def test_a_payment_that_is_taken_back_takes_its_bonus_along(
    desk: Desk, alice: Wallet, gateway: int
) -> None:
    """Half of it half, all of it all, to the micro-unit."""
    before = await available(desk, alice)
    await gifts.add_rule(desk, CLI, NewRule(from_micros=1, percent=Decimal("12.5")))
    topup = await paid(desk, await asked(desk, alice, gateway, "a"))
    assert await available(desk, alice) == before + TEN + 1_250_000
    async with desk.db.transaction() as tx:
        await tx.execute("update demo_payment set refunded_micros = %s", [TEN // 2])
    topup = await again(desk, topup)
    assert topup.returned_micros == 5_625_000
    async with desk.db.transaction() as tx:
        await demo.take_back(tx, str(topup.external_id))
    topup = await again(desk, topup)
    assert (topup.returned_micros, await available(desk, alice)) == (TEN + 1_250_000, before)


async def test_what_was_offered_when_it_was_asked_for_holds(desk: Desk, alice: Wallet, gateway: int) -> None:
    """A rule that ends meanwhile still gives; one that begins meanwhile, or later, does not."""
    rule_id = await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=5))
    topup = await asked(desk, alice, gateway, "a")
    await gifts.end_rule(desk, CLI, rule_id)
    await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=9))
    later = datetime.now(UTC) + timedelta(days=1)
    coming = await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=99, starts_at=later))
    assert (await paid(desk, topup)).bonus_micros == 5
    assert (await paid(desk, await asked(desk, alice, gateway, "b"))).bonus_micros == 9
    await gifts.end_rule(desk, CLI, coming)
    for each in (rule_id, coming, 999_999):
        with pytest.raises(NotFound):
            await gifts.end_rule(desk, CLI, each)


async def test_play_money_and_vouchers_bring_none(desk: Desk, shop: Shop, gateway: int) -> None:
    """A voucher does when a rule names it."""
    await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=5))
    async with desk.db.connection() as tx:
        (play,) = await book.on_offer(tx, "test")
    topup = await paid(desk, await asked(desk, shop.rehearsal, play.id, "a"))
    assert (topup.state, topup.bonus_micros) == ("credited", 0)
    topup = await asked(desk, shop.alice, gateway, "b")
    await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=7, gateway_id=gateway))
    later = await asked(desk, shop.alice, gateway, "c")
    async with desk.db.connection() as tx, tx.transaction(force_rollback=True):
        assert await bonus.give(tx, shop.alice, _as_voucher(topup), TEN) == 0
        assert await bonus.give(tx, shop.alice, _as_voucher(later), TEN) == 7


def _as_voucher(topup: Topup) -> Topup:
    return msgspec.structs.replace(topup, kind=bonus.VOUCHER)


async def test_what_holds_is_offered(desk: Desk, alice: Wallet, gateway: int) -> None:
    """To live wallets; what is for a first payment only until there was one."""
    first = await gifts.add_rule(
        desk, CLI, NewRule(from_micros=2, percent=Decimal(1), is_first_only=True, gateway_id=gateway)
    )
    always = await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=5, cap_micros=3))

    async def offered(mode: str, wallet_id: int | None) -> list[int]:
        async with desk.db.connection() as tx:
            return [each.id for each in await bonus.offers(tx, mode, wallet_id)]

    assert await offered("live", alice.id) == [always, first]
    assert await offered("test", alice.id) == []
    await paid(desk, await asked(desk, alice, gateway, "a"))
    assert await offered("live", alice.id) == [always]
    assert await offered("live", None) == [always, first]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"least": ""}, "least"),
        ({"least": "x"}, "least"),
        ({"least": "1e99"}, "least"),
        ({"percent": "101"}, "percent"),
        ({"percent": "-1"}, "percent"),
        ({"percent": "1.005"}, "percent"),
        ({"percent": "NaN"}, "percent"),
        ({"percent": ""}, "percent"),
        ({"fixed": "-5"}, "fixed"),
        ({"cap": "x"}, "cap"),
        ({"gateway": "999"}, "gateway"),
        ({"gateway": "x"}, "gateway"),
        ({"starts": "x"}, "starts"),
        ({"ends": "2020-01-01T00:00"}, "ends"),
        ({"starts": "2099-01-02T00:00", "ends": "2099-01-01T00:00"}, "ends"),
    ],
)
async def test_a_rule_that_cannot_be_is_explained(
    desk: Desk, shop: Shop, fields: dict[str, str], field: str
) -> None:
    """Under its field, with what was typed still there, and no rule is made."""
    async with opened(desk) as office:
        finance = await office.employ("finance")
        usual = {"least": "20", "percent": "5"}
        got = await finance.post("/admin/gifts/rules", **{**usual, **fields})  # type: ignore[arg-type]
    assert got.status == 422, got.text[:300]
    assert f'id="{field}-help"><svg' in got.text
    assert await fetch(desk, "select from bonus_rule") == []


async def test_finance_makes_and_ends_rules(desk: Desk, shop: Shop, gateway: int) -> None:
    """Each with its act; customers see them where they pay."""
    async with opened(desk) as office:
        finance = await office.employ("finance")
        got = await finance.post(
            "/admin/gifts/rules", least="20", percent="7.5", fixed="0.50", cap="30", first="on", gateway=str(gateway),
            starts="", ends="2099-01-01T00:00",
        )  # fmt: skip
        assert got.status == 303, got.text[:300]
        ann = await sign(office.guest, desk, shop.alice)
        for who, path in ((finance, "/admin/gifts"), (ann, "/wallet")):
            seen = (await who.get(path)).text
            for words in ("7.5% and $0.50 bonus on $20.00 or more", "at most $30.00", "first payment only"):
                assert words in seen, (path, words)
        rule_id = (await fetch(desk, "select id from bonus_rule"))[0][0]
        assert (await finance.post(f"/admin/gifts/rules/{rule_id}/end")).status == 303
        assert (await finance.post(f"/admin/gifts/rules/{rule_id}/end")).status == 404
        assert "7.5%" not in (await ann.get("/wallet")).text
        assert "Rules that are over" in (await finance.get("/admin/gifts")).text
        told = [each.about for name in ("added", "ended") for each in await office.acts(f"bonus_rule.{name}")]
    assert told == [f"bonus rule {rule_id}"] * 2


async def test_there_is_an_end_to_rules(desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at once and no more, or each payment would weigh them all."""
    monkeypatch.setattr(gifts, "RULES_MAX", 1)
    await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=5))
    with pytest.raises(ValidationFailed):
        await gifts.add_rule(desk, CLI, NewRule(from_micros=1, fixed_micros=5))
