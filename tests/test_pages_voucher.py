"""Vouchers on the wallet's page: a code becomes credit once, and who guesses learns nothing."""

import asyncio
import html
import re

import pytest

from ringlet import ledger
from ringlet.acts import Actor
from ringlet.backoffice import vouchers
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from tests.hooks import fetch
from tests.pages_rig import Got, Person, sign
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")
FIVE = 5_000_000


async def codes(desk: Desk, shop: Shop, count: int = 1) -> list[str]:
    made = await vouchers.make(
        desk, Actor("console", "owner"), vouchers.Wish(count, FIVE, 30, "for tests", "once-of-a-form-1")
    )
    return list(made.codes)


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


def said(got: Got) -> list[str]:
    return [
        html.unescape(each) for each in re.findall(r'class="error"[^>]*>.*?<span>([^<]*)</span>', got.text)
    ]


async def test_a_code_becomes_credit_once(ann: Person, desk: Desk, shop: Shop) -> None:
    """Ten at once, and again later: one credit, and the same page; it has a receipt."""
    before = await available(desk, shop.alice)
    assert 'action="/wallet/voucher"' not in (await ann.get("/wallet")).text
    (code,) = await codes(desk, shop)
    assert 'action="/wallet/voucher"' in (await ann.get("/wallet")).text
    got = await asyncio.gather(*(ann.post("/wallet/voucher", voucher=code) for _ in range(5)))
    got.append(await ann.post("/wallet/voucher", voucher=f"  {code.lower().replace('-', ' ')} "))
    assert {each.status for each in got} == {303}
    assert len({each.headers["Location"] for each in got}) == 1
    assert await available(desk, shop.alice) == before + FIVE
    page = got[0].headers["Location"]
    assert "$5.00 was added" in (await ann.get(page)).text
    assert (await ann.get(f"{page}/receipt")).status == 200
    assert "voucher" not in re.findall(r'name="method" value="(\w+)"', (await ann.get("/wallet")).text)


async def test_a_code_that_is_none_is_refused_at_its_field(
    stranger: Person, ann: Person, desk: Desk, shop: Shop
) -> None:
    """A typing error is told; unknown and used are not told apart; what was typed is kept."""
    first, used = await codes(desk, shop, 2)
    bob = await sign(stranger, desk, shop.bob)
    await bob.get("/wallet")
    assert (await bob.post("/wallet/voucher", voucher=used)).status == 303
    wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
    for typed in (wrong, "x", "<b>", "", "9" * 500):
        got = await ann.post("/wallet/voucher", voucher=typed)
        assert (got.status, said(got)) == (422, ["This is no voucher code: look for a typing error"])
        assert f'value="{html.escape(typed)}"' in got.text
    got = await ann.post("/wallet/voucher", voucher=used)
    assert (got.status, "cannot be redeemed" in said(got)[0]) == (422, True)
    assert "bob" not in got.text
    assert await available(desk, shop.alice) == 100_000_000


async def test_guessing_is_slowed(ann: Person, desk: Desk, shop: Shop) -> None:
    """After some tries the answer is to wait, with how long."""
    used, *_ = await codes(desk, shop, 2)
    rehearsal = await sign(ann, desk, shop.rehearsal)
    await rehearsal.get("/wallet")
    tries = [await rehearsal.post("/wallet/voucher", voucher=used) for _ in range(12)]
    assert tries[0].status == 422
    assert tries[-1].status == 429
    assert int(tries[-1].headers["Retry-After"]) >= 1
    assert await fetch(desk, "select count(*) from topup") == [(0,)]
