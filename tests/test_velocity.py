"""How fast accounts may buy, at the edges of each limit; who rests, and who lets him go."""

from datetime import UTC, datetime, timedelta

import pytest

from ringlet import limits as limits_module
from ringlet import standing as standings
from ringlet import success, velocity
from ringlet.activations import admit, buy, cancel, choose, several
from ringlet.acts import CLI
from ringlet.app import open_desk
from ringlet.backoffice import policy as office
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NoNumbers, NotFound, RateLimited
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.limits import SHIPPED, limits_of
from ringlet.settings import Settings
from ringlet.velocity import NOWHERE, Origin
from tests.pages_rig import serving, sign
from tests.site import PRICE_MICROS, Shop

pytestmark = pytest.mark.usefixtures("breaches")

IG = choose.Order("ig", 6)
WHY = "a test"


async def limit(desk: Desk, wallet: Wallet | None, **numbers: int | None) -> None:
    """Limits of one account, or of everybody."""
    customer_id = None if wallet is None else wallet.customer_id
    await office.set_numbers(desk, CLI, numbers, WHY, customer_id=customer_id)
    desk.policy._doubt()


async def age(desk: Desk, wallet: Wallet, hours: float) -> None:
    """The account was opened on a page, so long ago."""
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update customer set vouched_at = null, created_at = now() - make_interval(secs => %s) where id = %s",
            [hours * 3600, wallet.customer_id],
        )
    desk.standings.forget()


def test_what_is_counted_by() -> None:
    """The account, the key and the address, each over a minute, an hour and a day; the first day only in it."""
    now = datetime(2026, 5, 4, 12, 30, 15, tzinfo=UTC)
    found = velocity.gauges(SHIPPED, 7, now - timedelta(days=3), 8, "there", now)
    assert {gauge.key[:2] for gauge in found} == {
        (subject, span)
        for subject in ("account 7", "key 8", "address there")
        for span in ("minute", "hour", "day")
    }
    ends = {gauge.key[1]: gauge.ends_at for gauge in found}
    assert ends["minute"] == datetime(2026, 5, 4, 12, 31, tzinfo=UTC)
    assert ends["day"] == datetime(2026, 5, 5, tzinfo=UTC)
    young = velocity.gauges(SHIPPED, 7, now - timedelta(hours=23), None, None, now)
    assert {gauge.key[1] for gauge in young} == {"minute", "hour", "day", "first day"}


def test_neighbours_share_an_address() -> None:
    """Of IPv6 the network of one subscriber; what is no address is not counted."""
    assert velocity.neighbours("2001:db8:1:2:aaaa::1") == velocity.neighbours("2001:db8:1:2:bbbb::2")
    assert velocity.neighbours("2001:db8:1:2::1") != velocity.neighbours("2001:db8:1:3::1")
    assert velocity.neighbours("::ffff:192.0.2.7") == velocity.neighbours("192.0.2.7") == "192.0.2.7"
    assert velocity.neighbours("unix:") is velocity.neighbours(None) is None


def test_whose_limits_hold() -> None:
    """The account's own, then everybody's, then those that are shipped; vouched for: the account's own alone."""
    numbers = {(None, "key_minute"): 10, (7, "key_minute"): None, (7, "open_most"): 3}
    assert limits_of(numbers, None, is_vouched=False).key_minute == 10
    assert limits_of(numbers, 7, is_vouched=False).key_minute is None
    assert limits_of(numbers, 7, is_vouched=False).key_hour == SHIPPED.key_hour
    assert limits_of(numbers, 7, is_vouched=True).key_hour is None
    assert limits_of(numbers, 7, is_vouched=True).open_most == 3
    assert limits_of({}, None, is_vouched=True) == limits_module.NONE


async def test_an_account_that_is_vouched_for_has_no_limits(desk: Desk, shop: Shop) -> None:
    """The operator's own accounts sell as fast as they can, and nothing is counted for them."""
    await limit(desk, None, account_minute=1)
    for _ in range(3):
        await buy.buy(desk, shop.alice, IG)
    await desk.velocity.flush()
    assert await _paces(desk) == 0


async def _paces(desk: Desk) -> int:
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select coalesce(sum(purchases), 0)::int from purchase_pace")
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    "name", ["account_minute", "account_hour", "account_day", "key_minute", "address_day"]
)
async def test_the_edge_of_a_limit(desk: Desk, shop: Shop, name: str) -> None:
    """As many as it says and not one more, with the seconds to wait; what was refused is not counted."""
    await limit(desk, shop.alice, **{name: 2})
    origin = Origin(key_id=5, address="192.0.2.7")
    for _ in range(2):
        await buy.buy(desk, shop.alice, IG, origin=origin)
    with pytest.raises(RateLimited) as refused:
        await buy.buy(desk, shop.alice, IG, origin=origin)
    assert refused.value.retry_after_s is not None
    assert 1 <= refused.value.retry_after_s <= 86_401
    await desk.velocity.flush()
    assert await _paces(desk) == 2
    if name != "account_day":
        return
    async with open_desk(desk.settings, desk.feed.conninfo) as other:
        await other.refresh_prices()
        with pytest.raises(RateLimited):
            await buy.buy(other, shop.alice, IG, origin=origin)


async def test_a_key_has_its_own_count(desk: Desk, shop: Shop) -> None:
    """What one key has bought does not count for another."""
    await limit(desk, shop.alice, key_minute=1)
    await buy.buy(desk, shop.alice, IG, origin=Origin(key_id=5))
    await buy.buy(desk, shop.alice, IG, origin=Origin(key_id=6))
    with pytest.raises(RateLimited):
        await buy.buy(desk, shop.alice, IG, origin=Origin(key_id=6))


async def test_what_is_refused_or_repeated_is_not_counted(desk: Desk, shop: Shop) -> None:
    """A number that there was not, and the same order again; the answer of a key comes even at the limit."""
    await limit(desk, shop.alice, account_minute=1)
    with pytest.raises(NoNumbers):
        await buy.buy(desk, shop.alice, choose.Order("ub", 6))
    once = Once(shop.alice.id, "k", b"f" * 32)
    bought = await buy.buy(desk, shop.alice, IG, once)
    again = await buy.buy(desk, shop.alice, IG, once)
    assert (again.replayed, again.activation.id) == (True, bought.activation.id)
    with pytest.raises(RateLimited):
        await buy.buy(desk, shop.alice, IG)


async def test_one_number_for_several_services_is_several_purchases(desk: Desk, shop: Shop) -> None:
    """Counted as many as are bought."""
    await limit(desk, shop.alice, account_minute=3)
    await several.buy(desk, shop.alice, [IG, choose.Order("wa", 6)])
    with pytest.raises(RateLimited):
        await several.buy(desk, shop.alice, [IG, choose.Order("wa", 6)])
    await buy.buy(desk, shop.alice, IG)


async def test_two_processes_count_together(
    desk: Desk, shop: Shop, settings: Settings, database_url: str
) -> None:
    """What one has told the database the other knows with its next; and a process that begins knows it all."""
    await limit(desk, shop.alice, account_hour=4)
    async with open_desk(settings, database_url) as other:
        await other.refresh_prices()
        for each in (desk, other, desk):
            await buy.buy(each, shop.alice, IG)
            await each.velocity.flush()
        await buy.buy(other, shop.alice, IG)
        await other.velocity.flush()
        with pytest.raises(RateLimited):
            await buy.buy(other, shop.alice, IG)
    async with open_desk(settings, database_url) as fresh:
        await fresh.refresh_prices()
        with pytest.raises(RateLimited):
            await buy.buy(fresh, shop.alice, IG)


async def test_a_process_that_ends_has_told_everything(
    desk: Desk, shop: Shop, settings: Settings, database_url: str
) -> None:
    """In good order, before its quarter of a second is over."""
    await limit(desk, shop.alice, account_hour=1)
    async with open_desk(settings, database_url) as other:
        await other.refresh_prices()
        await buy.buy(other, shop.alice, IG)
    with pytest.raises(RateLimited):
        await buy.buy(desk, shop.alice, IG)


async def test_so_many_may_be_open_at_once(desk: Desk, shop: Shop) -> None:
    """One that is given back makes room for another."""
    await limit(desk, shop.alice, open_most=2)
    bought = [await buy.buy(desk, shop.alice, IG) for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        await buy.buy(desk, shop.alice, IG)
    assert refused.value.retry_after_s == 1
    await cancel.cancel(desk, shop.alice.id, bought[0].activation.public_id)
    desk.velocity._open.clear()  # a second later
    await buy.buy(desk, shop.alice, IG)


async def test_the_first_day_of_an_account(desk: Desk, shop: Shop) -> None:
    """So many purchases, and so much money; a day later neither holds."""
    await limit(desk, None, first_day_purchases=3, first_day_micros=2 * PRICE_MICROS)
    await age(desk, shop.alice, 1)
    for _ in range(2):
        await buy.buy(desk, shop.alice, IG)
    with pytest.raises(RateLimited) as refused:
        await buy.buy(desk, shop.alice, IG)
    assert 22 * 3600 < (refused.value.retry_after_s or 0) <= 23 * 3600 + 1
    await limit(desk, None, first_day_micros=None)
    await buy.buy(desk, shop.alice, IG)
    with pytest.raises(RateLimited):
        await buy.buy(desk, shop.alice, IG)
    await age(desk, shop.alice, 25)
    await buy.buy(desk, shop.alice, IG)


async def test_test_mode_is_not_limited(desk: Desk, shop: Shop) -> None:
    """Play money buys nothing that anybody could miss."""
    await limit(desk, shop.rehearsal, account_minute=0, open_most=0)
    assert (await buy.buy(desk, shop.rehearsal, IG)).activation.service == "ig"


async def test_what_nobody_is_measured_by_is_forgotten(desk: Desk, shop: Shop) -> None:
    """The minute that is over; the day stays."""
    await limit(desk, shop.alice, account_minute=9, account_day=9)
    await buy.buy(desk, shop.alice, IG)
    await desk.velocity.flush()
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update purchase_pace set ends_at = now() - interval '2 minutes' where span = 'minute'"
        )
        assert await velocity.forget_old(tx) == 1
    assert await _paces(desk) == 1


async def use(desk: Desk, wallet: Wallet, orders: int, codes: int) -> list[int]:
    """So many numbers ended, so many of them with a code; what the worker does then."""
    policy = await desk.policy.fresh()
    async with desk.db.transaction() as tx:
        for index in range(orders):
            await success.note(
                tx, source_id=1, country=6, service="ig", operator="any", since=datetime.now(UTC),
                has_code=index < codes, wallet_id=wallet.id, is_fair=False,
            )  # fmt: skip
        folded = await success.fold(tx)
        assert folded.notes == orders
        return await standings.judge(tx, policy.limits, folded.customers)


async def test_who_uses_too_little_rests(desk: Desk, shop: Shop) -> None:
    """Below the floor, once there are enough: not before, not at it, and not for whom the operator vouches."""
    assert await use(desk, shop.bob, 50, 0) == []
    await age(desk, shop.alice, 48)
    assert await use(desk, shop.alice, 9, 0) == []
    assert await use(desk, shop.alice, 6, 1) == [shop.alice.customer_id]
    desk.standings.forget()
    with pytest.raises(RateLimited) as refused:
        await buy.buy(desk, shop.alice, IG)
    assert 23 * 3600 < (refused.value.retry_after_s or 0) <= 24 * 3600 + 1
    resting = (await office.stopped(desk)).resting
    assert [(each.orders, each.codes) for each in resting] == [(15, 1)]
    await office.pardon(desk, CLI, shop.alice.customer_id, WHY)
    assert await use(desk, shop.alice, 100, 7) == []


async def test_an_owner_may_end_three_rests(desk: Desk, shop: Shop) -> None:
    """On his page; the fourth is over when it is over, or when the operator pardons him."""
    await age(desk, shop.alice, 48)
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        for _ in range(3):
            assert await use(desk, shop.alice, 10, 0) == [shop.alice.customer_id]
            desk.standings.forget()
            assert (await alice.get("/resting")).status == 200
            assert (await alice.post("/resting")).status == 303
            desk.standings.forget()
            await buy.buy(desk, shop.alice, IG)
        assert await use(desk, shop.alice, 10, 0) == [shop.alice.customer_id]
        assert (await alice.post("/resting")).status == 403
    with pytest.raises(Forbidden):
        await admit.lift(desk, shop.alice.customer_id)
    await office.pardon(desk, CLI, shop.alice.customer_id, WHY)
    desk.standings.forget()
    await buy.buy(desk, shop.alice, IG, origin=NOWHERE)
    with pytest.raises(NotFound):
        await office.pardon(desk, CLI, shop.alice.customer_id, WHY)


async def test_a_number_given_back_at_once_counts_for_its_buyer_alone(desk: Desk, shop: Shop) -> None:
    """It says nothing about the source."""
    bought = await buy.buy(desk, shop.alice, IG)
    await cancel.cancel(desk, shop.alice.id, bought.activation.public_id)
    async with desk.db.transaction() as tx:
        assert list((await success.fold(tx)).customers) == [shop.alice.customer_id]
        of_source = await (await tx.execute("select count(*) from success_tally")).fetchone()
        of_buyer = await (await tx.execute("select orders, codes from use_tally")).fetchall()
    assert (of_source, of_buyer) == ((0,), [(1, 0)])
