"""Payments that wait for staff: approved once, by two above a limit, never by whose money it is; and what payers show."""

import asyncio
import io
import json
from collections import Counter as Counted
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from ringlet.acts import CLI, Actor
from ringlet.backoffice import adjustments, approve_topup, payments, people_data
from ringlet.backoffice.adjustments import Wish
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.topups import begin, look, proof
from ringlet.topups.store import Topup
from tests.office_rig import member, opened
from tests.payments_rig import UNIT, Counter, acts, available, bank, counter, looked, now
from tests.site import Shop
from tests.test_races import at_once, kinds

pytestmark = pytest.mark.usefixtures("breaches", "shop")


@pytest.fixture
def bob(shop: Shop) -> Wallet:
    """Another customer."""
    return shop.bob


@pytest.fixture
async def transfer(desk: Desk) -> int:
    return await bank(desk)


@pytest.fixture
async def one(desk: Desk) -> Actor:
    return await member(desk, "finance")


@pytest.fixture
async def other(desk: Desk) -> Actor:
    return await member(desk, "finance")


@pytest.fixture
async def card(desk: Desk) -> AsyncIterator[Counter]:
    """One that leaves to staff what is not as asked."""
    async with counter(desk) as found:
        async with desk.db.transaction() as tx:
            await tx.execute(
                "update gateway set on_over = 'review', on_under = 'review' where id = %s", [found.gateway_id]
            )
        yield found


async def asked(desk: Desk, wallet: Wallet, gateway_id: int, units: int = 50, once: str = "a") -> Topup:
    return await begin.begin(desk, wallet.id, gateway_id, units * UNIT, once)


async def waiting(desk: Desk) -> list[str]:
    async with desk.db.connection() as tx:
        return [each.public_id for each in await approve_topup.waiting(tx)]


def picture(kind: str, size: tuple[int, int] = (600, 400)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, "navy").save(made, kind)
    return made.getvalue()


async def test_what_came_is_credited_once(desk: Desk, alice: Wallet, transfer: int, one: Actor) -> None:
    """Of ten who press at once; with who said so on the posting, and one act."""
    before = await available(desk, alice)
    topup = await asked(desk, alice, transfer)
    assert (topup.state, await waiting(desk)) == ("open", [topup.public_id])
    results = await at_once(
        *(approve_topup.approve(desk, one, topup.public_id, 49 * UNIT) for _ in range(10))
    )
    assert Counted(type(each) for each in results) == {bool: 1, ValidationFailed: 9}
    assert await available(desk, alice) == before + 49 * UNIT
    assert await waiting(desk) == []
    found = await payments.whole(desk, topup.public_id)
    assert (found.topup.state, found.topup.settled_micros) == ("credited", 49 * UNIT)
    assert [(each.kind, each.actor) for each in found.moves] == [("credit", one.name)]
    assert len(await acts(desk, "topup.approved")) == 1


async def test_above_the_limit_two_say_the_same(
    desk: Desk, alice: Wallet, transfer: int, one: Actor, other: Actor
) -> None:
    """Nothing moves before the second; another amount is no agreement, and the first cannot be the second."""
    before = await available(desk, alice)
    topup = await asked(desk, alice, transfer, 500)
    assert not await approve_topup.approve(desk, one, topup.public_id, 500 * UNIT)
    assert await available(desk, alice) == before
    with pytest.raises(Forbidden):
        await approve_topup.approve(desk, one, topup.public_id, 500 * UNIT)
    with pytest.raises(ValidationFailed):
        await approve_topup.approve(desk, other, topup.public_id, 499 * UNIT)
    results = await at_once(
        *(approve_topup.approve(desk, other, topup.public_id, 500 * UNIT) for _ in range(5))
    )
    assert Counted(type(each) for each in results) == {bool: 1, ValidationFailed: 4}
    assert await available(desk, alice) == before + 500 * UNIT
    (move,) = (await payments.whole(desk, topup.public_id)).moves
    assert move.actor == f"{one.name}, {other.name}"


async def test_small_ones_count_together_with_credits(
    desk: Desk, alice: Wallet, transfer: int, one: Actor, other: Actor
) -> None:
    """What one person moves alone within a day has one limit, whichever way and also all at once."""
    assert await adjustments.ask(desk, one, Wish(alice.customer_id, 30 * UNIT, "sorry", "w"))
    topups = [await asked(desk, alice, transfer, 30, str(number)) for number in range(5)]
    results = await at_once(*(approve_topup.approve(desk, one, each.public_id, 30 * UNIT) for each in topups))
    assert Counted(results) == {True: 2, False: 3}
    assert not await adjustments.ask(desk, one, Wish(alice.customer_id, 30 * UNIT, "sorry", "x"))
    assert await adjustments.ask(desk, other, Wish(alice.customer_id, 30 * UNIT, "sorry", "y"))


async def test_nobody_approves_for_himself(desk: Desk, alice: Wallet, transfer: int, one: Actor) -> None:
    """Nor does the command line; and what nobody asked for is not there."""
    topup = await asked(desk, alice, transfer)
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update person set customer_id = %s where id = %s", [alice.customer_id, one.person_id]
        )
    for actor in (one, CLI):
        with pytest.raises(Forbidden):
            await approve_topup.approve(desk, actor, topup.public_id, UNIT)
        with pytest.raises(Forbidden):
            await approve_topup.reject(desk, actor, topup.public_id, "no")
    with pytest.raises(NotFound):
        await approve_topup.approve(desk, await member(desk, "finance"), "tu_nothing", UNIT)


async def test_a_rejected_one_is_over(
    desk: Desk, alice: Wallet, transfer: int, one: Actor, other: Actor
) -> None:
    """Also when the first of two had said an amount; an approval beside it decides nothing any more."""
    before = await available(desk, alice)
    topup = await asked(desk, alice, transfer, 500)
    assert not await approve_topup.approve(desk, one, topup.public_id, 500 * UNIT)
    await approve_topup.withdraw(desk, other, topup.public_id)
    assert not await approve_topup.approve(desk, other, topup.public_id, 400 * UNIT)
    with pytest.raises(ValidationFailed):
        await approve_topup.reject(desk, one, topup.public_id, " ")
    results = await at_once(
        *(approve_topup.reject(desk, one, topup.public_id, "no such transfer") for _ in range(3)),
        *(approve_topup.approve(desk, one, topup.public_id, 400 * UNIT) for _ in range(3)),
    )
    assert kinds(results)[ValidationFailed] == 5
    found = await payments.whole(desk, topup.public_id)
    is_credited = found.topup.state == "credited"
    assert await available(desk, alice) == before + (400 * UNIT if is_credited else 0)
    assert is_credited or [each.state for each in found.said] == ["refused", "refused"]


async def test_never_more_than_the_gateway_says(desk: Desk, alice: Wallet, card: Counter, one: Actor) -> None:
    """It is asked before anything is credited; what it took back meanwhile is taken back with it."""
    before = await available(desk, alice)
    topup = await card.paid(await card.asked(alice, 10 * UNIT), "8")
    assert (topup.state, topup.why, topup.settled_micros) == ("review", "under", 8 * UNIT)
    with pytest.raises(ValidationFailed):
        await approve_topup.approve(desk, one, topup.public_id, 9 * UNIT)
    card.till.error_share = 1.0
    with pytest.raises(ValidationFailed):
        await approve_topup.approve(desk, one, topup.public_id, 8 * UNIT)
    card.till.error_share = 0.0
    card.till.refund(card.payment(topup), card.payment(topup).settled / 4)
    assert await approve_topup.approve(desk, one, topup.public_id, 8 * UNIT)
    assert await available(desk, alice) == before + 6 * UNIT
    assert (await looked(desk, topup)).returned_micros == 2 * UNIT
    gone = await card.paid(await card.asked(alice, 10 * UNIT, "b"), "8")
    card.till.refund(card.payment(gone))
    with pytest.raises(ValidationFailed):
        await approve_topup.approve(desk, one, gone.public_id, 8 * UNIT)


async def test_what_comes_late_can_still_be_approved(
    desk: Desk, alice: Wallet, transfer: int, one: Actor
) -> None:
    """A transfer takes as long as it takes; nothing that was credited, or that a gateway ended, is approved."""
    topup = await asked(desk, alice, transfer)
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set expires_at = now() - interval '1 hour' where id = %s", [topup.id])
    assert await look.end_waiting(desk) == 1
    assert await approve_topup.approve(desk, one, topup.public_id, 50 * UNIT)
    with pytest.raises(ValidationFailed):
        await approve_topup.reject(desk, one, topup.public_id, "no")


async def test_a_proof_is_kept_clean_and_makes_it_wait(
    desk: Desk, alice: Wallet, bob: Wallet, transfer: int
) -> None:
    """A picture is drawn anew, a PDF stays what it is; three are enough, and only for one's own open transfer."""
    topup = await asked(desk, alice, transfer)
    hidden = b"<script>alert(1)</script>"
    files = [("../../a\\holiday\x07.png", picture("PNG") + hidden), ("b.jpg", picture("JPEG", (5000, 300)) + hidden),
             ("c.pdf", b"%PDF-1.4\n...\n%%EOF\n")]  # fmt: skip
    with pytest.raises(NotFound):
        await proof.attach(desk, bob.id, topup.public_id, *files[0])
    for name, content in files:
        await proof.attach(desk, alice.id, topup.public_id, name, content)
    found = await payments.whole(desk, topup.public_id)
    assert (found.topup.state, found.topup.why, found.topup.due_at) == ("review", "proof", None)
    assert [(each.name, each.media_type) for each in found.proofs] == [
        ("holiday.png", proof.PNG), ("b.jpg", proof.JPEG), ("c.pdf", proof.PDF)
    ]  # fmt: skip
    for each in found.proofs[:2]:
        kept = (await payments.paper(desk, topup.public_id, each.id)).content
        assert b"script" not in kept
        assert max(Image.open(io.BytesIO(kept)).size) <= proof.SIDE_MAX
    with pytest.raises(ValidationFailed):
        await proof.attach(desk, alice.id, topup.public_id, *files[0])


@pytest.mark.parametrize(
    "content",
    [
        b"", b"%PDF-1.4 without an end", b"<html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"GIF89a" + b"\0" * 40,
        b"%PDF-" + b"0" * proof.FILE_MAX + b"%%EOF", picture("PNG", (5000, 5000)), picture("PNG")[:200],
    ],
)  # fmt: skip
async def test_other_files_are_refused(desk: Desk, alice: Wallet, transfer: int, content: bytes) -> None:
    """Nothing of them is kept, and the payment stays open."""
    topup = await asked(desk, alice, transfer)
    with pytest.raises(ValidationFailed):
        await proof.attach(desk, alice.id, topup.public_id, "x", content)
    found = await payments.whole(desk, topup.public_id)
    assert (found.topup.state, len(found.proofs)) == ("open", 0)


async def test_a_proof_is_gone_90_days_after_the_decision(
    desk: Desk, alice: Wallet, transfer: int, one: Actor
) -> None:
    """And never before it."""
    topup = await asked(desk, alice, transfer)
    await proof.attach(desk, alice.id, topup.public_id, "a.png", picture("PNG"))
    assert await proof.forget_old(desk) == 0
    await approve_topup.reject(desk, one, topup.public_id, "no such transfer")
    with pytest.raises(ValidationFailed):
        await proof.attach(desk, alice.id, topup.public_id, "a.png", picture("PNG"))
    assert await proof.forget_old(desk) == 0
    async with desk.db.transaction() as tx:
        await tx.execute("update topup_proof set gone_at = gone_at - interval '90 days'")
    assert await proof.forget_old(desk) == 1


async def test_the_pages_of_staff(desk: Desk, alice: Wallet, transfer: int) -> None:
    """Found, looked at, its proof saved as a file that no browser runs, approved; support sees and decides nothing."""
    topup = await asked(desk, alice, transfer)
    await proof.attach(desk, alice.id, topup.public_id, "a.png", picture("PNG"))
    path = f"/admin/payments/top-ups/{topup.public_id}"
    async with opened(desk) as office:
        finance, support = await office.employ("finance"), await office.employ("support")
        assert topup.public_id in (await finance.get("/admin/money")).text
        assert topup.public_id in (await finance.get(f"/admin/payments/top-ups?q={topup.public_id}")).text
        assert topup.public_id not in (await finance.get("/admin/payments/top-ups?state=credited")).text
        assert (await support.get(path)).status == 200
        assert f"{path}/approve" not in (await support.get(path)).text
        (paper,) = [each for each in (await finance.get(path)).names("href") if "/proofs/" in each]
        assert (await support.get(paper)).status == 403
        async with finance.http.get(finance.url + paper, headers=finance._head) as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment;")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            assert (answer.content_type, (await answer.read())[:4]) == ("image/png", b"\x89PNG")
        wrong = await finance.post(f"{path}/approve", amount="nothing")
        assert (wrong.status, 'aria-invalid="true"' in wrong.text) == (422, True)
        done = await finance.post(f"{path}/approve", amount="50", **{"from": "money"})
        assert (done.status, done.headers["Location"]) == (303, "/admin/money")
        assert (await now(desk, topup)).state == "credited"
        table = await finance.get("/admin/payments/top-ups.csv")
        assert topup.public_id in table.text
        assert len(await office.acts("payments.exported")) == 1
        assert (await finance.get("/admin/payments/top-ups/tu_nothing")).status == 404


async def test_the_list_goes_on_below_a_part(desk: Desk, alice: Wallet, card: Counter) -> None:
    """By its address, customer and gateway, without a gap or a line twice."""
    made = [await card.asked(alice, once=str(number)) for number in range(6)]
    await asyncio.sleep(0)
    sought = payments.Sought(text=await _email(desk, alice), gateway_id=card.gateway_id)
    payments_part, payments.PART = payments.PART, 4
    try:
        first = await payments.part(desk, sought)
        rest = await payments.part(desk, sought, first.older)
    finally:
        payments.PART = payments_part
    found = [each.public_id for each in (*first.lines, *rest.lines)]
    assert found == [each.public_id for each in reversed(made)]
    by_theirs = await payments.part(desk, payments.Sought(text=str(made[2].external_id)))
    assert [each.public_id for each in by_theirs.lines] == [made[2].public_id]


async def _email(desk: Desk, wallet: Wallet) -> str:
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select email from customer where id = %s", [wallet.customer_id])
        ).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_person_takes_payments_along_and_leaves_no_proof(
    desk: Desk, alice: Wallet, transfer: int
) -> None:
    """The export names them; erased, the files are gone and the amounts stay."""
    topup = await asked(desk, alice, transfer)
    await proof.attach(desk, alice.id, topup.public_id, "mine.png", picture("PNG"))
    whole = json.loads("".join([part async for part in people_data.export(desk, alice.customer_id)]))
    (payment,) = whole["payments"]
    assert (payment["id"], payment["amount_micros"], payment["proofs"][0]["name"]) == (
        topup.public_id, 50 * UNIT, "mine.png",
    )  # fmt: skip
    left = await available(desk, alice)
    await people_data.erase(desk, CLI, alice.customer_id, "asked for it", gives_up_micros=left)
    found = await payments.whole(desk, topup.public_id)
    assert (found.proofs, found.topup.amount_micros) == ([], 50 * UNIT)
