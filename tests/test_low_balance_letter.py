"""The letter about a low balance: one for a fall, at most one a day, in the reader's language, and none to who has not asked."""

import asyncio
import random

import pytest

from ringlet import languages, ledger
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.people import letters
from ringlet.people.words import LOW_BALANCE
from ringlet.webhooks import alerts
from ringlet.webhooks.alerts import Mark
from tests.hooks import fetch
from tests.pages_rig import Person, serving, sign
from tests.people_rig import letters_to
from tests.site import Shop

ALICE = "alice@example.org"
TEN = 10_000_000


async def move(desk: Desk, wallet: Wallet, micros: int) -> None:
    """More, or less."""
    async with desk.db.transaction() as tx:
        if micros > 0:
            await ledger.credit(tx, wallet, micros, actor="test", reason="cash")
        else:
            await ledger.debit(tx, wallet, -micros, actor="test", reason="spent")


async def leave(desk: Desk, wallet: Wallet, micros: int) -> None:
    """So much is left."""
    async with desk.db.connection() as tx:
        left = (await ledger.balance(tx, wallet.id)).available_micros
    if left != micros:
        await move(desk, wallet, micros - left)


async def look(desk: Desk) -> int:
    """What the worker does; returns how many letters it wrote."""
    await alerts.tell_low_balances(desk)
    return await alerts.write_letters(desk)


async def a_day_later(desk: Desk) -> None:
    await fetch(desk, "update wallet set low_letter_at = low_letter_at - interval '1 day' returning 1")


@pytest.fixture
async def alice(desk: Desk, shop: Shop) -> Wallet:
    """With a confirmed address, and told below ten."""
    async with serving(desk) as guest:
        await sign(guest, desk, shop.alice)
    await alerts.set_wallet_mark(desk, shop.alice.id, Mark(TEN, by_letter=True))
    return shop.alice


async def test_a_fall_is_told_once(desk: Desk, alice: Wallet) -> None:
    """With both amounts and the way to more credit; not again while it stays low."""
    assert await look(desk) == 0
    await leave(desk, alice, 2_500_000)
    assert [await look(desk) for _ in range(3)] == [1, 0, 0]
    (letter,) = await letters_to(desk, ALICE)
    assert letter.subject == "Your balance at Ringlet is low"
    assert "2.5 USD" in str(letter.body)
    assert "10 USD" in str(letter.body)
    assert f"{desk.settings.public_url}/wallet" in str(letter.body)
    await a_day_later(desk)
    await leave(desk, alice, 1_000_000)
    assert await look(desk) == 0


async def test_at_most_one_a_day(desk: Desk, alice: Wallet) -> None:
    """Whoever falls again waits for his letter until the day is over; when the balance rose meanwhile, there is none."""
    for _ in range(5):
        await leave(desk, alice, 0)
        await look(desk)
        await leave(desk, alice, 2 * TEN)
        await look(desk)
    assert len(await letters_to(desk, ALICE)) == 1
    await a_day_later(desk)
    assert await look(desk) == 0, "it has risen since"
    await leave(desk, alice, 0)
    assert await look(desk) == 1
    await leave(desk, alice, 2 * TEN)
    await look(desk)
    await leave(desk, alice, 0)
    assert await look(desk) == 0
    await a_day_later(desk)
    await leave(desk, alice, 2 * TEN)
    assert await alerts.write_letters(desk) == 0, "it has risen, though nobody has noted it yet"
    await leave(desk, alice, 0)
    assert await look(desk) == 1
    assert len(await letters_to(desk, ALICE)) == 3


async def test_setting_the_mark_again_brings_no_second_letter(desk: Desk, alice: Wallet) -> None:
    """A form sent again and again is no way to fill a mailbox."""
    await leave(desk, alice, 0)
    for _ in range(4):
        await look(desk)
        await alerts.set_wallet_mark(desk, alice.id, Mark(TEN, by_letter=True))
    assert len(await letters_to(desk, ALICE)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update wallet set low_by_letter = false returning 1",
        "update wallet set low_balance_micros = null returning 1",
        "update person set confirmed_at = null returning 1",
    ],
)
async def test_who_has_not_asked_gets_none(desk: Desk, alice: Wallet, statement: str) -> None:
    """Nor an address that nobody has confirmed."""
    await fetch(desk, statement)
    await leave(desk, alice, 0)
    await look(desk)
    assert await letters_to(desk, ALICE) == []


async def test_many_workers_write_one(desk: Desk, alice: Wallet) -> None:
    """And one that dies in the middle has written none."""
    await leave(desk, alice, 0)
    await alerts.tell_low_balances(desk)
    with pytest.MonkeyPatch.context() as patch:

        async def die(*_: object, **__: object) -> None:
            raise ConnectionResetError

        patch.setattr(letters, "write", die)
        with pytest.raises(Exception):  # noqa: B017, PT011 - as the database calls it
            await alerts.write_letters(desk)
    assert sum(await asyncio.gather(*(alerts.write_letters(desk) for _ in range(6)))) == 1
    assert len(await letters_to(desk, ALICE)) == 1


async def test_it_is_in_the_readers_language(
    desk: Desk, alice: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the person, whoever is at the machine; in the words of the brand."""

    def said(language: str, text: str) -> str:
        return f"{language}: {text}"

    monkeypatch.setattr(languages, "said", said)
    await fetch(desk, "update person set language = 'es' returning 1")
    await fetch(desk, "update brand set name = 'Acme' returning 1")
    await desk.refresh_brands()
    await leave(desk, alice, 0)
    await look(desk)
    (letter,) = await letters_to(desk, ALICE)
    assert letter.subject == "es: Your balance at Acme is low"


def test_every_language_can_fill_the_letter_in() -> None:
    """A translation that names something else would stop all letters."""
    values = {"name": "n", "balance": 1, "mark": 2, "currency": "USD", "wallet": "w"}
    for language in (*languages.LANGUAGES, "xx"):
        for text in (LOW_BALANCE.subject, LOW_BALANCE.body):
            languages.said(language, text).format_map(values)


async def test_the_box_is_kept_with_the_mark(ann: Person, desk: Desk, shop: Shop) -> None:
    """On the wallet's page; play money has none, whatever is sent."""
    assert (await ann.post("/wallet/alert", mark="7", by_letter="on")).status == 303
    assert 'name="by_letter" value="on" checked' in (await ann.get("/wallet")).text
    refused = await ann.post("/wallet/alert", mark="x", by_letter="")
    assert refused.status == 422
    assert 'value="on" checked' not in refused.text
    await ann.post("/wallet/alert", mark="7")
    assert 'value="on" checked' not in (await ann.get("/wallet")).text
    async with serving(desk) as guest:
        rehearsal = await sign(guest, desk, shop.rehearsal)
        assert "by_letter" not in (await rehearsal.get("/wallet")).text
        await rehearsal.post("/wallet/alert", mark="7", by_letter="on")
    assert await fetch(desk, "select 1 from wallet where low_by_letter") == []


@pytest.mark.parametrize("seed", range(5))
async def test_never_two_within_a_day_whatever_happens(desk: Desk, alice: Wallet, seed: int) -> None:
    """Falls, rises, new marks and looks in any order."""
    luck = random.Random(seed)
    for _ in range(60):
        step = luck.choice(("fall", "rise", "mark", "look", "look"))
        if step == "fall":
            await leave(desk, alice, luck.randint(0, TEN - 1))
        elif step == "rise":
            await leave(desk, alice, luck.randint(TEN, 2 * TEN))
        elif step == "mark":
            await alerts.set_wallet_mark(desk, alice.id, Mark(luck.randint(1, TEN), by_letter=True))
        else:
            await look(desk)
    assert len(await letters_to(desk, ALICE)) <= 1
