"""Reported numbers: anybody reports, staff look into it, and a blocked number is never leased again."""

import asyncio

import pytest

from ringlet import acts, blocked
from ringlet.activations import buy, cancel, finish, resend
from ringlet.activations.choose import Order
from ringlet.acts import CLI
from ringlet.backoffice import reports, retention
from ringlet.desk import Desk
from ringlet.errors import NoNumbers, NotFound, ResendRejected, ValidationFailed
from ringlet.suppliers import stock
from tests.pages_rig import serving
from tests.people_rig import execute
from tests.site import Shop, fill_shop
from tests.suppliers_rig import customer, upstream

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order(service="ig", country=6)


async def test_anybody_reports_a_number(desk: Desk) -> None:
    """Signed out, in any spelling of the number; what is wrong is said at its field, and what was typed stays."""
    async with serving(desk) as guest:
        assert (await guest.get("/report")).status == 200
        wrong = await guest.post("/report", phone="my neighbour", story="<b>He lied</b>", email="x")
        sent = await guest.post(
            "/report", phone="+62 (895) 406-2003", story=" <b>He lied</b>\n", email="Eve@Example.org "
        )
        assert (await guest.get(sent.headers["Location"])).status == 200
    assert (wrong.status, "country code" in wrong.text, "&lt;b&gt;He lied" in wrong.text) == (422, True, True)
    (found,) = await reports.listed(desk)
    assert (found.phone, found.story, found.email) == ("628954062003", "<b>He lied</b>", "eve@example.org")
    assert await reports.waiting(desk) == 1
    for phone, story, email in (("0123", "x", ""), ("1" * 16, "x", ""), ("12345", " ", ""), ("12345", "x" * 4_001, ""), ("12345", "x", "nobody")):  # fmt: skip
        with pytest.raises(ValidationFailed):
            await reports.report(desk, phone, story, email)


async def test_a_report_is_dealt_with_once_and_forgotten_in_time(desk: Desk) -> None:
    """The log names the report and never the number; what is done goes with the numbers of its time."""
    report_id = await reports.report(desk, "628954062003", "He lied", "eve@example.org")
    await asyncio.gather(*(reports.done(desk, CLI, report_id, block=True) for _ in range(4)))
    assert (await reports.listed(desk), await reports.waiting(desk)) == ([], 0)
    (found,) = await reports.listed(desk, is_done=True)
    assert found.is_blocked
    async with desk.db.connection() as tx:
        lines = await acts.search(tx, act="report.done")
    assert [each.about for each in lines] == [f"report {report_id}"]
    assert "628954062003" not in str(lines)
    await reports.unblock(desk, CLI, report_id)
    with pytest.raises(NotFound):
        await reports.unblock(desk, CLI, report_id)
    with pytest.raises(NotFound):
        await reports.done(desk, CLI, report_id + 1, block=False)
    waits = await reports.report(desk, "628954062004", "He lied", "")
    await execute(desk, "update number_report set created_at = now() - interval '99 days', done_at = done_at - interval '31 days'")  # fmt: skip
    assert await retention.forget_due(desk) == 1
    assert [each.id for each in await reports.listed(desk)] == [waits]


async def test_pages_of_reports_are_found_by_their_ids(desk: Desk) -> None:
    """However many there are, a part is read and the next one begins behind it."""
    await execute(
        desk, "insert into number_report (phone, story) select 62895400000 + n, 'x' from generate_series(1, 70) as n"
    )  # fmt: skip
    first = await reports.listed(desk)
    rest = await reports.listed(desk, before=first[-1].id)
    assert (len(first), len(rest)) == (reports.PAGE, 20)
    assert len({each.id for each in (*first, *rest)}) == 70


async def _block(desk: Desk, phone: str) -> None:
    async with desk.db.transaction() as tx:
        await blocked.block(tx, phone)


async def _states(desk: Desk, phone: str) -> set[str]:
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select state::text from stock where phone = %s", [phone])).fetchall()
    return {row[0] for row in rows}


async def test_a_blocked_number_of_ours_leaves_the_shelves(desk: Desk) -> None:
    """Free, leased or resting: no way leads back to a sale, also when it is loaded once more."""
    shop: Shop = await fill_shop(desk, numbers=2)
    bought = (await buy.buy(desk, shop.alice, IG)).activation
    assert bought.phone is not None
    await _block(desk, bought.phone)
    assert await _states(desk, bought.phone) == {"leased", "resting"}
    await shop.push(desk, bought, "Your code is 482913")  # the lease that is open ends as it would have
    await finish.finish(desk, shop.alice.id, bought.public_id)
    with pytest.raises(ResendRejected):
        await resend.resend(desk, shop.alice, bought.public_id)
    await execute(desk, "update stock set due_at = now() where state = 'resting'")
    for _ in range(2):
        async with desk.db.transaction() as tx:
            await stock.wake_rested(tx)
    assert await _states(desk, bought.phone) == {"resting"}
    assert (await buy.buy(desk, shop.alice, IG)).activation.phone != bought.phone
    with pytest.raises(NoNumbers):
        await buy.buy(desk, shop.alice, IG)
    async with desk.db.transaction() as tx:
        assert await blocked.unblock(tx, bought.phone)
        await stock.wake_rested(tx)
    assert (await buy.buy(desk, shop.alice, IG)).activation.phone == bought.phone


async def test_a_number_that_comes_back_is_blocked_as_well(desk: Desk) -> None:
    """Cancelled while it was being blocked, and loaded after it: both rest for good."""
    shop: Shop = await fill_shop(desk, numbers=8)
    for index in range(8):
        bought = (await buy.buy(desk, shop.alice, IG)).activation
        phone = str(bought.phone)
        await asyncio.gather(_block(desk, phone), cancel.cancel(desk, shop.alice.id, bought.public_id))
        assert await _states(desk, phone) == {"resting"}, index
    with pytest.raises(NoNumbers):
        await buy.buy(desk, shop.alice, IG)


async def test_a_blocked_number_of_a_supplier_goes_back(desk: Desk) -> None:
    """The supplier is told to cancel it, and the next one is asked."""
    alice = await customer(desk)
    async with upstream(desk, "first") as first, upstream(desk, "second", cost="0.12") as second:
        second.warehouse.random.seed(8)
        bought = (await buy.buy(desk, alice, IG)).activation
        phone = str(bought.phone)
        await cancel.cancel(desk, alice.id, bought.public_id)
        await _block(desk, phone)
        first.warehouse.random.seed(7)  # he allots the same number once more
        again = (await buy.buy(desk, alice, IG)).activation
        assert (again.source_id, again.phone != phone) == (second.supplier.terms.source_id, True)
        async with desk.db.connection() as tx:
            rows = await (await tx.execute(_RETURNED, [phone])).fetchall()
    assert [row[0] for row in rows].count("cancel") == 1


_RETURNED = "select wish::text from rental where phone = %s and activation_id is null and state = 'closing'"
