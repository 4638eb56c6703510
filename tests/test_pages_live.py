"""Live numbers: every card its owner's alone, every button's money, and whatever a message says is only text."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from ringlet import ledger
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.people import sessions
from ringlet.web.pages import live_cards
from tests.pages_rig import Person, sign
from tests.people_rig import execute
from tests.site import PRICE_MICROS, Shop

pytestmark = pytest.mark.usefixtures("breaches")
TEXT = "Your code is 482-913. Don't share it."


async def bought(desk: Desk, wallet: Wallet, service: str = "ig") -> Activation:
    return (await buy(desk, wallet, Order(service=service, country=6))).activation


async def money(desk: Desk, wallet: Wallet) -> tuple[int, int]:
    """What was spent and what is held, of the 100.00 of the beginning."""
    async with desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return 100_000_000 - found.available_micros, found.held_micros


async def test_nothing_live_says_what_to_do(ann: Person) -> None:
    """The empty panel teaches the next step; the page is one without scripts."""
    page = await ann.get("/live")
    assert page.status == 200
    assert "Pick a service" in page.text
    assert page.names("data-activation") == []


async def test_a_card_from_begin_to_end(desk: Desk, shop: Shop, ann: Person) -> None:
    """Waiting with its number, arrived with its code, over in a line that says what the money did."""
    activation = await bought(desk, shop.alice)
    page = await ann.get("/live")
    assert page.names("data-activation") == [str(activation.public_id)]
    assert f"+{activation.phone}" in page.names("data-copy")
    assert "+62 895-400" in page.text
    assert "$0.111489 held" in page.text
    await shop.push(desk, activation, TEXT)
    card = await ann.get(f"/live/{activation.public_id}", swap=True)
    assert card.names("data-code") == ["482913"]
    assert "482913" in card.names("data-copy")
    assert "Code received" in card.text
    assert "$0.111489 paid" in card.text
    assert 'id="balance"' in card.text
    await ann.post(f"/live/{activation.public_id}", do="finish")
    card = await ann.get(f"/live/{activation.public_id}", swap=True)
    assert "Done, $0.111489 paid" in card.text
    assert "<details>" in card.text
    await execute(desk, "update activation set closed_at = closed_at - interval '11 minutes'")
    assert (await ann.get("/live")).names("data-activation") == []


async def test_the_state_is_a_word_everywhere(desk: Desk, shop: Shop, ann: Person) -> None:
    """Ordering without a number, expired, failed and a message that came too late: none is an empty card."""
    states = {
        "ordering": "is on its way",
        "expired": "Expired, $0.111489 returned",
        "failed": "No number came",
    }
    for state, words in states.items():
        activation = await bought(desk, shop.alice)
        if state == "expired":
            await ann.post(f"/live/{activation.public_id}", do="cancel")
            await shop.push(desk, activation, TEXT)
        is_over = state != "ordering"
        await execute(
            desk, "update activation set state = %s::activation_state, phone = case when %s then phone end,"
            " due_at = case when %s then null else due_at end, closed_at = case when %s then now() end where id = %s",
            state, is_over, is_over, is_over, activation.id,
        )  # fmt: skip
        card = await ann.get(f"/live/{activation.public_id}", swap=True)
        assert words in card.text, state
        await execute(
            desk, "update activation set state = %s::activation_state, phone = '1', due_at = %s, closed_at = %s"
            " where id = %s", *(("cancelled", None, datetime.now(UTC)) if state == "expired" else
            ("waiting", activation.expires_at, None)), activation.id,
        )  # fmt: skip


async def test_cards_are_their_owners_alone(desk: Desk, shop: Shop, ann: Person, bob: Person) -> None:
    """Another customer and the same one's other mode get what a number that never was gets."""
    activation = await bought(desk, shop.alice)
    rehearsal = await sign(ann, desk, shop.rehearsal)
    path = f"/live/{activation.public_id}"
    for person in (bob, rehearsal):
        assert (await person.get("/live")).names("data-activation") == []
        for swap in (False, True):
            assert (await person.get(path, swap=swap)).status == 404
        for do in ("cancel", "finish", "resend"):
            assert (await person.post(path, do=do)).status == 404
            assert (await person.post(path, do=do, swap=True)).status == 404
    assert (await bob.get("/live/7")).status == 404
    assert (await bob.get("/live/x%27--")).status == 404
    assert await money(desk, shop.alice) == (PRICE_MICROS, PRICE_MICROS)


async def test_nobody_who_is_not_signed_in(desk: Desk, shop: Shop, stranger: Person) -> None:
    """Pages lead to the sign-in, a stream is not called again, and nothing is done."""
    activation = await bought(desk, shop.alice)
    path = f"/live/{activation.public_id}"
    assert (await stranger.get("/live")).headers["Location"] == "/sign-in?next=/live"
    assert (await stranger.get("/live", swap=True)).headers["HX-Redirect"].startswith("/sign-in")
    assert (await stranger.get(path)).headers["Location"].startswith("/sign-in")
    assert (await stranger.post(path, token="x", do="cancel")).headers["Location"] == "/sign-in"
    async with stranger.watching() as heard:
        assert heard.status == 204
    assert await money(desk, shop.alice) == (PRICE_MICROS, PRICE_MICROS)


async def test_a_form_needs_its_token(desk: Desk, shop: Shop, ann: Person, bob: Person) -> None:
    """Without it, with somebody else's, or from another site: 403, and the money stays."""
    activation = await bought(desk, shop.alice)
    path = f"/live/{activation.public_id}"
    await bob.get("/live")
    await ann.get("/live")
    for token in ("", "x", bob.token):
        assert (await ann.post(path, token=token, do="cancel")).status == 403
    assert (await ann.post(path, do="steal")).status == 422
    assert await money(desk, shop.alice) == (PRICE_MICROS, PRICE_MICROS)


async def test_cancel_returns_the_money_at_once(desk: Desk, shop: Shop, ann: Person) -> None:
    """By a form without scripts: back where it stood, with a sentence; a second time it says why not."""
    activation = await bought(desk, shop.alice)
    await ann.get("/live")
    done = await ann.post(f"/live/{activation.public_id}", do="cancel", next="/live")
    assert (done.status, done.headers["Location"]) == (303, "/live")
    assert await money(desk, shop.alice) == (0, 0)
    assert "Cancelled, $0.111489 returned" in (await ann.get("/live")).text
    again = await ann.post(f"/live/{activation.public_id}", swap=True, do="cancel")
    assert again.status == 200
    assert "cannot be cancelled any more" in again.text
    elsewhere = await ann.post(f"/live/{activation.public_id}", do="cancel", next="//evil.example")
    assert elsewhere.headers["Location"] == "/"


async def test_another_message_is_free_and_keeps_the_first(desk: Desk, shop: Shop, ann: Person) -> None:
    """The card goes on under its new id and shows what came before; the same button twice is one request."""
    activation = await bought(desk, shop.alice)
    await shop.push(desk, activation, TEXT)
    card = await ann.get(f"/live/{activation.public_id}", swap=True)
    await ann.get("/live")
    (once,), (price,) = card.names('name="once" value'), card.names('name="price" value')
    path = f"/live/{activation.public_id}"
    first = await ann.post(path, swap=True, do="resend", once=once, price=price)
    second = await ann.post(path, swap=True, do="resend", once=once, price=price)
    (fresh,) = set(first.names("data-activation"))
    assert fresh != str(activation.public_id)
    assert second.names("data-activation") == [fresh]
    assert (await ann.get("/live")).names("data-activation") == [fresh]
    assert "Waiting" in first.text
    assert "482913" in first.names("data-copy")
    assert await money(desk, shop.alice) == (PRICE_MICROS, 0)
    assert (await ann.get(path, swap=True)).names("data-activation") == [fresh]


async def test_a_lease_again_costs_what_the_button_said(desk: Desk, shop: Shop, ann: Person) -> None:
    """Once for two clicks, and not at all when the price has changed since."""
    activation = await bought(desk, shop.alice)
    await shop.push(desk, activation, TEXT)
    path = f"/live/{activation.public_id}"
    await ann.get("/live")
    card = await ann.post(path, swap=True, do="finish")
    assert "Another SMS, $0.111489" in card.text
    (once,), (price,) = card.names('name="once" value'), card.names('name="price" value')
    changed = await ann.post(path, swap=True, do="resend", once=once, price="1")
    assert "has changed meanwhile" in changed.text
    assert await money(desk, shop.alice) == (PRICE_MICROS, 0)
    for _ in range(2):
        await ann.post(path, swap=True, do="resend", once=once, price=price)
    assert await money(desk, shop.alice) == (2 * PRICE_MICROS, PRICE_MICROS)


async def rented(desk: Desk, shop: Shop, lock_s: int) -> Activation:
    """An activation whose number a supplier does not take back before that."""
    activation = await bought(desk, shop.alice)
    await execute(desk, "update activation set number_id = null where id = %s", activation.id)
    await execute(
        desk, "insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, activation_id,"
        " state, cancel_after) values (%s, 'r', 6, 'ig', 'any', %s, 0, %s, 'open', now() + make_interval(secs => %s))",
        activation.source_id, activation.phone, activation.id, lock_s,
    )  # fmt: skip
    return activation


async def test_a_cancel_that_comes_too_early_is_counted_down(desk: Desk, shop: Shop, ann: Person) -> None:
    """The card says from when on; asked for all the same it says so, and "as soon as allowed" is kept."""
    activation = await rented(desk, shop, 90)
    path = f"/live/{activation.public_id}"
    page = await ann.get("/live")
    assert "Cancel as soon as allowed" in page.text
    assert "1:30" in page.text
    early = await ann.post(path, swap=True, do="cancel")
    assert "Too early" in early.text
    kept = await ann.post(path, swap=True, do="cancel", when_allowed="1")
    assert "Cancelled as soon as the supplier allows it" in kept.text
    assert 'value="cancel"' not in kept.text
    assert await money(desk, shop.alice) == (PRICE_MICROS, PRICE_MICROS)
    await execute(desk, "delete from rental")
    await execute(
        desk, "update activation set number_id = (select min(number_id) from stock where state = 'leased')"
    )


async def test_a_frozen_account_does_nothing(desk: Desk, shop: Shop, ann: Person) -> None:
    """As with its keys; what is live is still shown."""
    activation = await bought(desk, shop.alice)
    await ann.get("/live")
    await execute(desk, "update customer set frozen_at = now() where id = %s", shop.alice.customer_id)
    assert (await ann.post(f"/live/{activation.public_id}", do="cancel")).status == 403
    assert str(activation.public_id) in (await ann.get("/live")).text


HOSTILE = {
    "script": "<script>alert(1)</script> code 123456 <img src=x onerror=alert(1)>",
    "quotes": '" onmouseover="alert(1)" \' code 123456',
    "template": "{{ 7 * 7 }} {% raw %} %(amount)s code 123456",
    "bidi": "\u202e654321 edoc\u2066 \u202dcode 123456",
    "long": "code 123456 " + "wide " * 800,
    "zero width": "co\u200bde 123456 \x01\x1b[31m",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_a_message_says_is_only_text(desk: Desk, shop: Shop, ann: Person, text: str) -> None:
    """Escaped in a direction of its own, and the same in the name of its sender."""
    activation = await bought(desk, shop.alice)
    await shop.push(desk, activation, text, sender="<b onclick=alert(1)>")
    for got in (await ann.get("/live"), await ann.get(f"/live/{activation.public_id}", swap=True)):
        assert got.status == 200
        assert "<script>alert" not in got.text
        assert "<img" not in got.text
        assert "<b onclick" not in got.text
        assert ' onmouseover="' not in got.text
        assert 'blockquote dir="auto"' in got.text
        assert "49" not in text or "49" in got.text
    assert "123456" in got.names("data-code")


async def test_the_stream_tells_within_a_second(desk: Desk, shop: Shop, ann: Person, bob: Person) -> None:
    """Which activation, and nothing of what came; others hear nothing."""
    async with ann.watching() as heard, bob.watching() as nosy:
        assert (heard.status, heard.content_type) == (200, "text/event-stream")
        activation = await bought(desk, shop.alice)
        await heard.until(f"event: activation\ndata: {activation.public_id}\n\n")
        before = len(heard.text)
        began = time.perf_counter()
        await shop.push(desk, activation, TEXT)
        await heard.until(f"{activation.public_id}\n\nevent: activation", within_s=5)
        assert time.perf_counter() - began < 1
        card = await ann.get(f"/live/{activation.public_id}", swap=True)
        assert card.names("data-code") == ["482913"]
        assert "482" not in heard.text[before:]
        assert str(activation.phone) not in heard.text
        assert "event:" not in nosy.text


@pytest.mark.parametrize("how", ["sign_out", "mode"])
async def test_a_stream_ends_with_its_session(desk: Desk, ann: Person, how: str) -> None:
    """Signed out, or the other mode is shown: nothing more is told, and a new stream is none."""
    visitor = await sessions.find(desk, ann.session)
    assert visitor is not None
    async with ann.watching() as heard:
        if how == "sign_out":
            await sessions.sign_out(desk, visitor)
        else:
            await sessions.switch_mode(desk, visitor, "test")
        await heard.over()
    async with ann.watching() as heard:
        assert heard.status == (204 if how == "sign_out" else 200)


async def test_nothing_new_is_not_sent_again(desk: Desk, shop: Shop, ann: Person) -> None:
    """A panel that is still true is 204; a change of anything on it is not, and the other mode is another page."""
    await bought(desk, shop.alice)
    page = await ann.get("/live")
    (version,) = page.names("data-version")
    assert (await ann.get(f"/live?seen={version}", swap=True)).status == 204
    activation = await bought(desk, shop.alice)
    fresh = await ann.get(f"/live?seen={version}", swap=True)
    assert str(activation.public_id) in fresh.names("data-activation")
    assert (await ann.get("/live?seen=test-0", swap=True)).headers["HX-Redirect"] == "/"


async def test_the_panel_has_its_limit(
    desk: Desk, shop: Shop, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first; what does not fit is in the history, and the page says so."""
    monkeypatch.setattr(live_cards, "CARDS_MAX", 2)
    made = [await bought(desk, shop.alice) for _ in range(3)]
    page = await ann.get("/live")
    assert page.names("data-activation") == [str(each.public_id) for each in reversed(made[1:])]
    assert 'href="/history"' in page.text
    await ann.post(f"/live/{made[2].public_id}", do="cancel")
    page = await ann.get("/live")
    assert page.names("data-activation") == [str(each.public_id) for each in made[1:]], (
        "what is over comes last"
    )


async def test_many_clicks_at_once_move_the_money_once(desk: Desk, shop: Shop, ann: Person) -> None:
    """Ten cancels at the same moment: one returns the price, nine say why not."""
    activation = await bought(desk, shop.alice)
    await ann.get("/live")
    path = f"/live/{activation.public_id}"
    done = await asyncio.gather(*(ann.post(path, swap=True, do="cancel") for _ in range(10)))
    assert {each.status for each in done} == {200}
    assert await money(desk, shop.alice) == (0, 0)
