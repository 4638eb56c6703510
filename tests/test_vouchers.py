"""Vouchers: each code once, for what it says, however many try at once; and nothing to learn for who guesses."""

import json
import os
import secrets
from collections import Counter as Counted
from pathlib import Path

import pytest

from ringlet.acts import CLI, Actor
from ringlet.backoffice import adjustments, vouchers
from ringlet.backoffice.vouchers import Made, Wish
from ringlet.desk import Desk
from ringlet.errors import NotFound, RateLimited, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.people import redeem as people
from ringlet.topups import begin, redeem, voucher_codes
from ringlet.topups.store import Topup
from tests import commands
from tests.office_rig import member, opened
from tests.pages_rig import sign
from tests.payments_rig import UNIT, acts, available
from tests.site import Shop
from tests.test_races import at_once

pytestmark = pytest.mark.usefixtures("breaches", "shop")


@pytest.fixture
def bob(shop: Shop) -> Wallet:
    """Another customer."""
    return shop.bob


async def made(desk: Desk, count: int = 3, units: int = 5, actor: Actor = CLI) -> Made:
    wish = Wish(count, units * UNIT, 30, "for the fair", secrets.token_urlsafe(9))
    return await vouchers.make(desk, actor, wish)


def test_typing_errors_are_seen_without_a_look_up() -> None:
    """Each single wrong letter, each swap of neighbours; blanks, dashes, case and look-alikes do not matter."""
    for _ in range(50):
        code = voucher_codes.make()
        plain = code.replace("-", "")
        assert voucher_codes.read(f" {plain.lower()} ") == code
        assert voucher_codes.read(code.replace("0", "O").replace("1", "l").replace("-", " ")) == code
        at = secrets.randbelow(len(plain))
        wrong = secrets.choice([each for each in voucher_codes.ALPHABET if each != plain[at]])
        assert voucher_codes.read(plain[:at] + wrong + plain[at + 1 :]) is None
        swapped = plain[:5] + plain[6] + plain[5] + plain[7:]
        assert voucher_codes.read(swapped) == (code if plain[5] == plain[6] else None)
    for text in (
        "",
        "-",
        "U" * 20,
        code[:-1],
        code + "0",
        "é" * 20,
        "0" * 10_000,
        "\N{ARABIC-INDIC DIGIT ONE}" * 20,
    ):
        assert voucher_codes.read(text) is None


async def test_forty_at_once_redeem_one_code_once(desk: Desk, alice: Wallet, bob: Wallet) -> None:
    """Two customers try it twenty times each: one of them has it, and finds the same payment each time."""
    before = await available(desk, alice) + await available(desk, bob)
    code = (await made(desk)).codes[0]
    wallets = [alice, bob] * 20
    results = await at_once(*(redeem.redeem(desk, each.id, code) for each in wallets))
    assert Counted(type(each) for each in results) == {Topup: 20, ValidationFailed: 20}
    assert len({each.public_id for each in results if isinstance(each, Topup)}) == 1
    assert await available(desk, alice) + await available(desk, bob) == before + 5 * UNIT


async def test_unknown_used_expired_and_revoked_sound_the_same(
    desk: Desk, shop: Shop, alice: Wallet, bob: Wallet
) -> None:
    """Test money is no place for one either."""
    first, second, third = await made(desk), await made(desk), await made(desk)
    await redeem.redeem(desk, alice.id, first.codes[0])
    assert await vouchers.revoke(desk, CLI, second.id) == 3
    async with desk.db.transaction() as tx:
        await tx.execute("update voucher_batch set expires_at = now() where id = %s", [third.id])
        row = await (
            await tx.execute(
                "select id from wallet where customer_id = %s and mode = 'test'", [bob.customer_id]
            )
        ).fetchone()
    assert row is not None
    assert shop
    said = set()
    for wallet_id, code in (
        (bob.id, voucher_codes.make()), (bob.id, first.codes[0]), (bob.id, second.codes[0]), (bob.id, third.codes[0]),
        (row[0], first.codes[1]),
    ):  # fmt: skip
        with pytest.raises(ValidationFailed) as refused:
            await redeem.redeem(desk, wallet_id, code)
        said.add(refused.value.message if hasattr(refused.value, "message") else "")
        said.add(str(refused.value))
    assert len({each for each in said if "cannot be redeemed" in each}) == 1
    with pytest.raises(ValidationFailed):
        await vouchers.revoke(desk, CLI, second.id)
    with pytest.raises(NotFound):
        await vouchers.revoke(desk, CLI, 999_999)


async def test_who_guesses_is_stopped(desk: Desk, alice: Wallet, bob: Wallet) -> None:
    """Per account, and per address for many accounts; a typing error costs no try."""
    for _ in range(30):
        with pytest.raises(ValidationFailed):
            await people.redeem(desk, alice.id, "no code", "192.0.2.1")
    tries = [await _try(desk, alice, "192.0.2.1") for _ in range(12)]
    assert Counted(tries) == {ValidationFailed: 10, RateLimited: 2}
    tries = [await _try(desk, bob, "192.0.2.1") for _ in range(12)]
    assert tries.count(RateLimited) >= 2


async def _try(desk: Desk, wallet: Wallet, address: str) -> type:
    try:
        await people.redeem(desk, wallet.id, voucher_codes.make(), address)
    except (ValidationFailed, RateLimited) as refused:
        return type(refused)
    raise AssertionError("a code that nobody made")


async def test_codes_are_kept_by_fingerprint_alone(desk: Desk) -> None:
    """What is in the database pays for nothing, and the log holds no code."""
    codes = (await made(desk)).codes
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select to_jsonb(v)::text from voucher v union all select to_jsonb(b)::text"
            " from voucher_batch b union all select to_jsonb(a)::text from staff_act a")).fetchall()  # fmt: skip
    assert not [code for code in codes for (row,) in rows if code in row or code.replace("-", "") in row]


async def test_to_make_vouchers_is_to_make_money(desk: Desk, alice: Wallet) -> None:
    """They count with what one person moves alone within a day; the same form makes one batch."""
    one = await member(desk, "finance")
    await made(desk, 10, 6, one)
    assert not await adjustments.ask(desk, one, adjustments.Wish(alice.customer_id, 50 * UNIT, "sorry", "x"))
    with pytest.raises(ValidationFailed):
        await made(desk, 10, 6, one)
    form = Wish(1, UNIT, 30, "for the fair", "once")
    results = await at_once(*(vouchers.make(desk, one, form) for _ in range(5)))
    assert Counted(type(each) for each in results) == {Made: 1, ValidationFailed: 4}
    assert len(await acts(desk, "vouchers.made")) == 2


@pytest.mark.parametrize(
    "wish",
    [Wish(0, UNIT, 30, "n", "o"), Wish(10_001, UNIT, 30, "n", "o"), Wish(1, 0, 30, "n", "o"), Wish(1, -UNIT, 30, "n", "o"),
     Wish(1, 1, 30, "n", "o"), Wish(1, UNIT, 0, "n", "o"), Wish(1, UNIT, 30, " ", "o")],
)  # fmt: skip
async def test_what_makes_no_sense_is_not_made(desk: Desk, wish: Wish) -> None:
    """Each with its field."""
    with pytest.raises(ValidationFailed):
        await vouchers.make(desk, CLI, wish)


async def test_a_voucher_is_no_way_to_ask_for_a_payment(desk: Desk, alice: Wallet) -> None:
    """Its gateway stands on no list of the payers, and takes no order; switched off, no code is redeemed."""
    batch = await made(desk)
    async with desk.db.connection() as tx:
        assert [each.kind for each in await book.on_offer(tx, "live")] == []
        (gateway,) = [each for each in await book.everyone(tx) if each.kind == "voucher"]
        assert await redeem.is_offered(tx)
    with pytest.raises(NotFound):
        await begin.begin(desk, alice.id, gateway.id, UNIT, "x")
    async with desk.db.transaction() as tx:
        await tx.execute("update gateway set is_on = false where id = %s", [gateway.id])
    with pytest.raises(ValidationFailed):
        await redeem.redeem(desk, alice.id, batch.codes[0])


async def test_a_code_from_the_office_is_redeemed_on_the_wallets_page(desk: Desk, shop: Shop) -> None:
    """Made and shown once, typed by a customer, counted on the office's list; then the rest is revoked."""
    async with opened(desk) as office:
        finance = await office.employ("finance")
        fields = {"count": "2", "amount": "2.50", "days": "10", "note": "for the fair", "once": "x"}
        shown = await finance.post("/admin/vouchers", **fields, **{"as": "page"})
        codes = shown.text.partition('id="made"')[2].partition(">")[2].partition("<")[0].split()
        assert [voucher_codes.read(code) for code in codes] == codes
        assert len(codes) == 2
        again = await finance.post("/admin/vouchers", **fields)
        assert (again.status, codes[0] in again.text) == (422, False)
        file = await finance.post("/admin/vouchers", **{**fields, "once": "y", "as": "csv"})
        assert file.headers["Content-Disposition"].startswith("attachment")
        assert len(file.text.splitlines()) == 3
        customer = await sign(office.guest, desk, shop.alice)
        before = await available(desk, shop.alice)
        assert (await customer.post("/wallet/voucher", voucher="nothing")).status == 422
        assert (await customer.post("/wallet/voucher", voucher=codes[0].lower())).status == 303
        assert await available(desk, shop.alice) == before + 2_500_000
        assert "1 of 2" in (await finance.get("/admin/vouchers")).text
        assert (await finance.post("/admin/vouchers/1/revoke")).status == 303
        assert (await customer.post("/wallet/voucher", voucher=codes[1])).status == 422
        assert await available(desk, shop.alice) == before + 2_500_000


def test_the_command_line(database_url: str, tmp_path: Path) -> None:
    """Makes codes as CSV on standard output, lists batches, revokes one."""
    environment = {**os.environ, "RINGLET_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url}

    def call(*arguments: str) -> str:
        done = commands.run(["voucher", *arguments], environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    head, *lines = call("make", "3", "2.50", "--note", "for the fair").splitlines()
    assert (head, len(lines)) == ("code,amount,currency", 3)
    code, *rest = lines[0].split(",")
    assert (voucher_codes.read(code), rest) == (code, ["2.5", "USD"])
    (batch,) = json.loads(call("list", "--json"))
    assert (batch["count"], batch["redeemed"], batch["amount"], batch["state"]) == (3, 0, 2.5, "good")
    assert json.loads(call("revoke", str(batch["id"]), "--json"))["revoked"] == 3
