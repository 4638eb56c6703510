"""Activation ids and lists."""

from datetime import UTC, datetime, timedelta

import pytest

from ringlet.activations import browse, cancel
from ringlet.activations.browse import Wanted
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.states import State
from ringlet.activations.store import new_public_id
from ringlet.desk import Desk
from tests.site import Shop

IG = Order(service="ig", country=6)
TG = Order(service="tg", country=6, reference="mine")


def test_public_ids_fit_and_differ() -> None:
    """At most 18 digits, exact in JavaScript, never the same, near each other in the index."""
    ids = [new_public_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert max(ids) < 2**53
    assert len({public_id // 10**10 for public_id in ids}) <= 2


async def test_pages_and_cursor_walk_the_same_list(desk: Desk, shop: Shop) -> None:
    """Newest first, nothing twice, nothing missing, by page and by cursor."""
    bought = [(await buy(desk, shop.alice, IG)).activation.id for _ in range(7)]
    await buy(desk, shop.bob, IG)
    pages = [await browse.browse(desk, shop.alice.id, Wanted(page=page, per_page=3)) for page in (1, 2, 3, 4)]
    assert [seen.activation.id for page in pages for seen in page.rows] == bought[::-1]
    assert {page.total for page in pages} == {7}
    before, walked = None, []
    while rows := (await browse.browse(desk, shop.alice.id, Wanted(per_page=2, before_id=before))).rows:
        walked += [seen.activation.id for seen in rows]
        before = walked[-1]
    assert walked == bought[::-1]


async def test_filters(desk: Desk, shop: Shop) -> None:
    """Each narrows the list, and the total counts what it leaves."""
    first = (await buy(desk, shop.alice, IG)).activation
    await buy(desk, shop.alice, TG)
    await cancel.cancel(desk, shop.alice.id, first.public_id)
    soon = datetime.now(UTC) + timedelta(hours=1)
    for wanted, count in (
        (Wanted(service="tg"), 1),
        (Wanted(country=6), 2),
        (Wanted(country=7), 0),
        (Wanted(states=[State.CANCELLED]), 1),
        (Wanted(reference="mine"), 1),
        (Wanted(since=soon), 0),
        (Wanted(until=soon, states=[State.WAITING, State.CANCELLED]), 2),
    ):
        page = await browse.browse(desk, shop.alice.id, wanted)
        assert (len(page.rows), page.total, page.total_is_exact) == (count, count, True), wanted


async def test_the_total_is_exact_without_counting_the_history(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted once is kept as a mark; the total stays right as the list grows and the mark moves."""
    monkeypatch.setattr(browse, "TALLY_STEP", 2)
    for expected in range(1, 13):
        await buy(desk, shop.alice, IG)
        if expected % 4 == 0:
            async with desk.db.connection() as tx:
                await tx.execute("update activation set created_at = created_at - interval '2 minutes'")
        for _ in range(2):
            assert (await browse.browse(desk, shop.alice.id, Wanted())).total == expected
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select activations from activation_tally")).fetchone()
    assert row is not None
    assert row[0] >= 8


async def test_a_young_row_between_old_ones_is_counted_once(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that began later may have drawn the lower id: the mark does not jump over it."""
    monkeypatch.setattr(browse, "TALLY_STEP", 2)
    ids = [(await buy(desk, shop.alice, IG)).activation.id for _ in range(6)]
    async with desk.db.connection() as tx:
        await tx.execute(
            "update activation set created_at = created_at - interval '2 minutes' where id <> %s", [ids[2]]
        )
    for _ in range(3):
        assert (await browse.browse(desk, shop.alice.id, Wanted())).total == 6
