"""Which worker watches a supplier: one at a time, and for as long as it renews its claim."""

from ringlet.desk import Desk
from ringlet.suppliers import book
from tests import upstream

URL = "http://127.0.0.1:9/stubs/handler_api.php"


async def claim(desk: Desk, worker: str) -> set[int]:
    async with desk.db.transaction() as tx:
        return await book.claim_watch(tx, worker, 10)


async def test_a_row_that_is_locked_for_a_moment_keeps_its_watcher(desk: Desk) -> None:
    """Somebody writes into the supplier's row while the claim is renewed: the watch, and its memory, go on."""
    source_id = (await upstream.add(desk, URL)).source_id
    assert await claim(desk, "one") == {source_id}
    async with desk.db.transaction() as tx:
        await tx.execute("select from supplier where source_id = %s for update", [source_id])
        assert await claim(desk, "one") == {source_id}
        assert await claim(desk, "two") == set()


async def test_a_watch_goes_to_the_next_when_it_ends(desk: Desk) -> None:
    """At the end of a worker, or when it has not renewed its claim, another one has the supplier."""
    source_id = (await upstream.add(desk, URL)).source_id
    assert await claim(desk, "one") == {source_id}
    assert await claim(desk, "two") == set()
    async with desk.db.transaction() as tx:
        await book.end_watch(tx, "one")
    assert await claim(desk, "two") == {source_id}
    assert await claim(desk, "one") == set()
