"""Topping up in the tests: ways to pay on offer, the form as a person sends it, and what its answer says."""

import html
import io
import re

import aiohttp
import pytest

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.payments import book
from tests.hooks import fetch
from tests.pages_rig import Got, Person
from tests.site import Shop


async def offer(
    desk: Desk, kind: str = "demo", label: str = "Demo", mode: str = "live", **config: str
) -> int:
    async with desk.db.transaction() as tx:
        new = book.New(kind, label, mode, config, 1_000_000, 100_000_000, is_on=True)
        return await book.add(tx, desk.settings.secret, new)


@pytest.fixture
async def gateway(desk: Desk, shop: Shop) -> int:
    """The demo's, for live money."""
    return await offer(desk)


async def form(person: Person) -> dict[str, str]:
    """What the page's own form would send."""
    got = await person.get("/wallet")
    return {
        "once": got.names('name="once" value')[0],
        "method": re.findall(r'name="method" value="(\d+)"', got.text)[0],
    }


async def asked(person: Person, amount: str = "10", **changes: str) -> str:
    """Ask for a payment; where it is shown."""
    got = await person.post("/wallet/top-up", **{**await form(person), "amount": amount, **changes})
    assert got.status == 303, said(got)
    return got.headers["Location"]


def said(got: Got) -> list[str]:
    """What is wrong, at its fields."""
    return [
        html.unescape(each) for each in re.findall(r'class="error"[^>]*>.*?<span>([^<]*)</span>', got.text)
    ]


def state(got: Got) -> str:
    assert got.status == 200, got.text[:300]
    return got.names("data-state")[0]


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


async def rows(desk: Desk) -> int:
    return int((await fetch(desk, "select count(*) from topup"))[0][0])


async def upload(person: Person, page: str, content: bytes, name: str = "proof.png") -> Got:
    """Send a proof by the form of the page."""
    await person.get(page)
    data = aiohttp.FormData(quote_fields=False)
    data.add_field("form_token", person.token)
    data.add_field("proof", io.BytesIO(content), filename=name)
    head = {**person._head, "Accept": "text/html"}
    sent = person.http.post(f"{person.url}{page}/proof", data=data, headers=head, allow_redirects=False)
    return await person._got(sent)
