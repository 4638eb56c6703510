"""Customers as staff find and change them: search, standing, groups, notes, keys, export."""

import asyncio

import pytest
from psycopg import sql

from ringlet import customers
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.app import open_desk
from ringlet.backoffice import directory, dossier, notes, standing
from ringlet.backoffice.directory import Sought
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.settings import Settings
from ringlet.web.auth import KeyRing
from tests.office_rig import member, opened
from tests.site import Shop

HOSTILE = (
    "'", "''", "\\", "\\'", "' & !", "a:*", "'):*|'", "%", "_", "%' or 1=1 --", "\0", "…", "…ab!2", "#", "9" * 40, "🦜" * 99,
    "<script>alert(1)</script>", "{{7*7}}", "a" * 5_000, "-1", "0", "\u202e", "\ud7ff",
)  # fmt: skip


async def addresses(desk: Desk, text: str, **more: object) -> list[str]:
    """Whom this text finds."""
    found = await directory.part(desk, Sought(text, **more))  # type: ignore[arg-type]
    return [each.email for each in found.lines]


@pytest.fixture
async def crowd(desk: Desk, shop: Shop) -> Shop:
    """Among 2,500 others who signed up after them."""
    async with desk.db.transaction() as tx:
        await tx.execute(_CROWD)
    return shop


_CROWD = """
with made as (
    insert into customer (email) select 'person' || n || '@crowd.example.net' from generate_series(1, 2500) as n returning id
), wallets as (
    insert into wallet (customer_id, mode, currency) select id, mode, 'USD' from made, unnest('{live,test}'::text[]) as mode
    returning id
)
insert into ledger_account (wallet_id, kind)
select id, kind from wallets, unnest('{funding,available,held,revenue}'::account_kind[]) as kind
"""


class TestSearch:
    """What finds a customer."""

    @pytest.mark.usefixtures("crowd")
    @pytest.mark.parametrize(
        "text", ["alice@example.org", "alice", "lice@ex", "ALICE@", "ce@example.org", "  alice "]
    )
    async def test_a_part_of_the_address_finds_who_is_not_among_the_newest(
        self, desk: Desk, text: str
    ) -> None:
        """The beginning, the middle and the whole, whatever the case."""
        assert await addresses(desk, text) == ["alice@example.org"]

    @pytest.mark.usefixtures("crowd")
    async def test_a_frequent_part_comes_in_parts(self, desk: Desk) -> None:
        """Every customer once, newest first, without a gap between two parts."""
        seen: list[int] = []
        before = None
        while True:
            part = await directory.part(desk, Sought("crowd.example"), before)
            seen += [each.id for each in part.lines]
            before = part.older
            if before is None:
                break
        assert len(seen) == 2_500
        assert seen == sorted(set(seen), reverse=True)
        assert [
            each.id async for batch in directory.batches(desk, Sought("crowd.example")) for each in batch
        ] == seen

    async def test_id_and_the_end_of_a_key(self, desk: Desk, shop: Shop) -> None:
        """As they stand on a customer's own page."""
        hint = shop.alice_key[:8] + "…" + shop.alice_key[-4:]
        assert await addresses(desk, str(shop.alice.customer_id)) == ["alice@example.org"]
        assert await addresses(desk, f"#{shop.bob.customer_id}") == ["bob@example.org"]
        assert await addresses(desk, hint) == ["alice@example.org"]
        assert await addresses(desk, "…" + shop.alice_key[-4:]) == ["alice@example.org"]
        assert await addresses(desk, "…" + shop.alice_test_key[-4:]) == ["alice@example.org"]

    @pytest.mark.usefixtures("shop")
    @pytest.mark.parametrize("text", HOSTILE)
    async def test_hostile_text_finds_nobody_and_breaks_nothing(self, desk: Desk, text: str) -> None:
        """Quotes, wildcards, operators of the search language, control characters, and what is far too long."""
        if text != "\0":  # which is nothing typed at all
            assert await addresses(desk, text) == []

    @pytest.mark.usefixtures("crowd")
    async def test_the_parts_are_found_by_their_index(self, desk: Desk) -> None:
        """No row of the table is read for what does not fit."""
        async with desk.db.transaction() as tx:
            await tx.execute("set local enable_bitmapscan = on")
            plan = await explained(
                tx, "select * from customer where email_parts(email) @@ '''lice@ex'':*'::tsquery"
            )
        assert "customer_email_parts" in plan
        assert "Seq Scan" not in plan


async def explained(tx: Tx, statement: str) -> str:
    rows = await (await tx.execute(sql.SQL("explain (costs off) {}").format(sql.SQL(statement)))).fetchall()  # type: ignore[arg-type]
    return "\n".join(row[0] for row in rows)


class TestStanding:
    """Frozen, thawed, put in a group, noted, keys revoked."""

    async def test_frozen_at_once_in_a_second_process(
        self, desk: Desk, settings: Settings, database_url: str, shop: Shop
    ) -> None:
        """A key that another process has in its memory opens nothing from the answer on, and again when it is thawed."""
        actor = await member(desk, "support")
        async with open_desk(settings, database_url) as elsewhere:
            ring = KeyRing(elsewhere)
            running = asyncio.create_task(elsewhere.feed.run())
            async with asyncio.timeout(5):
                while not elsewhere.feed.sound:
                    await asyncio.sleep(0.01)
            await ring.caller(f"Bearer {shop.alice_key}", None)
            await standing.freeze(desk, actor, shop.alice.customer_id, "abuse")
            await self._until(ring, shop.alice_key, refused=True)
            await ring.caller(f"Bearer {shop.bob_key}", None)
            await standing.thaw(desk, actor, shop.alice.customer_id, "talked")
            await self._until(ring, shop.alice_key, refused=False)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _until(self, ring: KeyRing, key: str, *, refused: bool) -> None:
        async with asyncio.timeout(2):
            while True:
                try:
                    await ring.caller(f"Bearer {key}", None)
                    is_refused = False
                except Forbidden:
                    is_refused = True
                if is_refused is refused:
                    return
                await asyncio.sleep(0.01)

    async def test_each_change_is_once_with_its_act(self, desk: Desk, shop: Shop) -> None:
        """What is so already is refused, and writes nothing."""
        actor, customer_id = await member(desk, "support"), shop.alice.customer_id
        await standing.freeze(desk, actor, customer_id, "  a\n reason ")
        with pytest.raises(ValidationFailed):
            await standing.freeze(desk, actor, customer_id, "again")
        with pytest.raises(ValidationFailed):
            await standing.thaw(desk, actor, customer_id, "  ")
        with pytest.raises(NotFound):
            await standing.freeze(desk, actor, 999_999, "nobody")
        found = await dossier.look(desk, customer_id)
        assert found.customer.frozen_at is not None
        assert [(each.act, each.reason, each.actor) for each in found.acts] == [
            ("customer.frozen", "a reason", actor.name)
        ]

    async def test_a_group(self, desk: Desk, shop: Shop) -> None:
        """The act says from where to where; a group that is not there changes nothing."""
        actor, customer_id = await member(desk, "finance"), shop.alice.customer_id
        async with desk.db.transaction() as tx:
            group_id = await customers.add_group(tx, "gold", "cost")
        await standing.put_in_group(desk, actor, customer_id, group_id)
        await standing.put_in_group(desk, actor, customer_id, group_id)
        with pytest.raises(ValidationFailed):
            await standing.put_in_group(desk, actor, customer_id, 999_999)
        found = await dossier.look(desk, customer_id)
        assert found.customer.group_id == group_id
        assert [(each.before, each.after) for each in found.acts] == [({"group": None}, {"group": "gold"})]
        assert await addresses(desk, "", group_id=group_id) == ["alice@example.org"]

    async def test_notes_are_added_and_the_log_does_not_repeat_them(self, desk: Desk, shop: Shop) -> None:
        """Newest first; the log says that there is one."""
        actor, customer_id = await member(desk, "support"), shop.alice.customer_id
        for text in ("called\r\nabout +62 895", "<b>again</b>"):
            await notes.add(desk, actor, customer_id, text)
        with pytest.raises(ValidationFailed):
            await notes.add(desk, actor, customer_id, " " * 10)
        with pytest.raises(NotFound):
            await notes.add(desk, actor, 999_999, "nobody")
        found = await dossier.look(desk, customer_id)
        assert [each.text for each in found.notes] == ["<b>again</b>", "called\nabout +62 895"]
        assert [each.act for each in found.acts] == ["note.added", "note.added"]
        # The actor's address is random hex, in which three digits do occur.
        said = str([(each.about, each.reason, each.before, each.after) for each in found.acts])
        assert "895" not in said
        assert "called" not in said
        assert "again" not in said

    async def test_a_key_of_somebody_else_is_not_revoked_by_this_page(self, desk: Desk, shop: Shop) -> None:
        """A key is named with its customer."""
        actor = await member(desk, "support")
        key = (await dossier.look(desk, shop.bob.customer_id)).keys[0]
        with pytest.raises(NotFound):
            await standing.revoke_key(desk, actor, shop.alice.customer_id, key.id, "wrong page")
        await standing.revoke_key(desk, actor, shop.bob.customer_id, key.id, "leaked")
        with pytest.raises(NotFound):
            await standing.revoke_key(desk, actor, shop.bob.customer_id, key.id, "again")
        keys = (await dossier.look(desk, shop.bob.customer_id)).keys
        assert [each.id for each in keys if each.revoked_at] == [key.id]


class TestPages:
    """Over HTTP."""

    async def test_list_and_detail(self, desk: Desk, shop: Shop) -> None:
        """What a member of the staff with this role sees and may press."""
        await buy(desk, shop.alice, Order(service="ig", country=6))
        actor = await member(desk, "support")
        await notes.add(desk, actor, shop.alice.customer_id, "<script>alert(1)</script>")
        page = f"/admin/customers/{shop.alice.customer_id}"
        async with opened(desk) as office:
            seen = {
                role: await (await office.employ(role)).get(page) for role in ("owner", "readonly", "finance")
            }
            owner = await office.employ("owner")
            listed = await owner.get("/admin/customers?q=alice")
            assert listed.names("data-customer") == [str(shop.alice.customer_id)]
        assert "<script>alert" not in seen["owner"].text
        assert f'action="{page}/freeze"' in seen["owner"].text
        assert f'action="{page}/adjust"' in seen["owner"].text
        assert "<form" not in seen["readonly"].text.partition("<main")[2].partition("</main>")[0]
        assert f'action="{page}/erase"' in seen["owner"].text
        assert f"{page}/data.json" not in seen["finance"].text
        assert f'action="{page}/freeze"' not in seen["finance"].text
        assert f'action="{page}/adjust"' in seen["finance"].text
        assert shop.alice_key not in seen["owner"].text

    async def test_the_forms_do_what_they_say(self, desk: Desk, shop: Shop) -> None:
        """A refused form keeps what was typed and stays open; a good one says what was done."""
        page = f"/admin/customers/{shop.alice.customer_id}"
        async with opened(desk) as office:
            owner = await office.employ("owner")
            empty = await owner.post(f"{page}/freeze", reason=" ")
            assert empty.status == 422
            assert 'id="freeze" open' in empty.text
            assert (await owner.post(f"{page}/freeze", reason="abuse")).status == 303
            assert (await owner.post(f"{page}/thaw", reason="talked")).status == 303
            assert (await owner.post(f"{page}/notes", text="a note")).status == 303
            assert (await owner.post(f"{page}/group", group="x")).status == 422
            acts = [each.act for each in (await dossier.look(desk, shop.alice.customer_id)).acts]
        assert acts == ["note.added", "customer.thawed", "customer.frozen"]

    async def test_a_spreadsheet_computes_nothing(self, desk: Desk, shop: Shop) -> None:
        """Cells of others' words begin with an apostrophe where they would be formulas; the act stands before the file."""
        async with desk.db.transaction() as tx:
            await tx.execute(
                "update customer set email = '=1+1@example.org' where id = %s", [shop.bob.customer_id]
            )
            group_id = await customers.add_group(tx, "@sum(a1)", "cost")
            await customers.put_in_group(tx, shop.bob.customer_id, group_id)
        async with opened(desk) as office:
            support = await office.employ("support")
            got = await support.get("/admin/customers.csv?q=example.org")
            (act,) = await office.acts("customers.exported")
        assert got.status == 200
        assert got.headers["Content-Type"].startswith("text/csv")
        assert "'=1+1@example.org,open,'@sum(a1)" in got.text
        assert act.after == {"text": True}

    async def test_data_taken_along_and_erased(self, desk: Desk, shop: Shop) -> None:
        """By an owner; what is given up is typed exactly, and then nobody is found by the address."""
        page = f"/admin/customers/{shop.bob.customer_id}"
        async with opened(desk) as office:
            owner = await office.employ("owner")
            taken = await owner.get(f"{page}/data.json")
            assert (taken.status, '"email": "bob@example.org"' in taken.text) == (200, True)
            assert (await owner.get("/admin/customers/999999/data.json")).status == 404
            assert (await owner.post(f"{page}/erase", reason="asked for", gives_up="99")).status == 422
            assert (await owner.post(f"{page}/erase", reason="asked for", gives_up="100")).status == 303
            assert len(await office.acts("customer.erased")) == 1
        assert await addresses(desk, "bob@example.org") == []
