"""A person's data: forgotten in time, taken along, and erased without a trace outside the ledger's amounts."""

import base64
import json
import subprocess

import pytest

from ringlet import acts, embedded, ledger
from ringlet.activations import buy, finish, give_back, history, resend
from ringlet.activations.choose import Order
from ringlet.activations.store import FORGOTTEN, Activation
from ringlet.acts import CLI
from ringlet.backoffice import people_data, retention, reveal
from ringlet.desk import Desk
from ringlet.errors import NotFound, ResendRejected, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.webhooks import endpoints
from tests.pages_rig import Person, serving, sign
from tests.people_rig import execute
from tests.site import Shop
from tests.suppliers_rig import customer, upstream

pytestmark = pytest.mark.usefixtures("breaches")

CODE = "739164"
TEXT = f"Your Example code is {CODE}, never share it"
ADDRESS = "198.51.100.77"
AGENT = "Peculiar Browser 9000"
REFERENCE = "order of Ms Peculiar"


async def lease(desk: Desk, shop: Shop, service: str = "ig", wallet: Wallet | None = None) -> Activation:
    """Bought, its message came, and it is finished."""
    order = Order(service=service, country=6, reference=REFERENCE)
    bought = (await buy.buy(desk, wallet or shop.alice, order)).activation
    await shop.push(desk, bought, TEXT, sender="+15550001111")
    return await finish.finish(desk, bought.wallet_id, bought.public_id)


async def _age(desk: Desk, days: int) -> None:
    """As if everything had happened so many days before."""
    await execute(desk, "update message set received_at = received_at - make_interval(days => %s)", days)
    await execute(
        desk, "update activation set closed_at = closed_at - make_interval(days => %s) where closed_at is not null", days
    )  # fmt: skip


async def _column(desk: Desk, statement: str) -> list[object]:
    async with desk.db.connection() as tx:
        return [row[0] for row in await (await tx.execute(statement.encode())).fetchall()]


async def test_texts_go_after_a_week_and_numbers_after_a_month(desk: Desk, shop: Shop) -> None:
    """Not a day earlier, in every place where they stand, and the rest stays as it was."""
    await endpoints.create(desk, shop.alice.id, endpoints.NewEndpoint("https://example.org/hook"))
    sold = await lease(desk, shop)
    await execute(
        desk,
        "insert into delivery_attempt (delivery_id, took_ms, answer) select id, 1, %s from delivery",
        TEXT,
    )
    await _age(desk, 6)
    assert await retention.forget_due(desk) == 0
    await _age(desk, 1)
    await execute(desk, "update message set received_at = received_at - interval '1 minute'")
    assert await retention.forget_due(desk) == 1
    assert await _column(desk, "select text from message") == [FORGOTTEN]
    assert await _column(desk, "select sender || code from message") == [""]
    assert await _column(desk, "select code from activation") == [""]
    assert set(await _column(desk, "select code from event where code is not null")) == {""}
    assert set(await _column(desk, "select answer from delivery_attempt")) == {None}
    assert await _column(desk, "select phone from activation") == [sold.phone]
    await _age(desk, 24)
    assert await retention.forget_due(desk) == 1
    assert sold.phone is not None
    masked = f"62{'*' * (len(sold.phone) - 4)}{sold.phone[-2:]}"
    assert (
        await _column(desk, "select phone from activation union all select phone from message")
        == [masked] * 2
    )
    assert await _column(desk, "select number_id from activation") == [None]
    assert await retention.forget_due(desk) == 0


async def test_the_operator_says_how_long(desk: Desk, shop: Shop) -> None:
    """What stands on the page counts before the settings, from the next round on."""
    await lease(desk, shop)
    await _age(desk, 3)
    assert await retention.forget_due(desk) == 0
    await execute(desk, "update privacy set text_days = 2, number_days = 2")
    assert await retention.forget_due(desk) == 2
    assert await retention.forget_due(desk) == 0


async def test_a_number_that_is_leased_is_never_masked(desk: Desk, shop: Shop) -> None:
    """However old the lease: its messages still have to find it."""
    bought = (await buy.buy(desk, shop.alice, Order(service="ig", country=6))).activation
    await execute(desk, "update activation set created_at = now() - interval '90 days'")
    assert await retention.forget_due(desk) == 0
    assert await _column(desk, "select phone from activation") == [bought.phone]


async def test_a_message_that_nobody_had_leased_goes_with_its_number(desk: Desk, shop: Shop) -> None:
    """An orphan's number says nothing without its text."""
    sold = await lease(desk, shop)
    await shop.push(desk, sold, "an orphan of 428812")
    assert await _column(desk, "select count(*) from message where activation_id is null") == [1]
    await _age(desk, 8)
    await retention.forget_due(desk)
    orphan = await _column(desk, "select text || phone from message where activation_id is null")
    assert orphan == [f"{FORGOTTEN}62{'*' * 9}{str(sold.phone)[-2:]}"]


async def test_numbers_of_suppliers_are_masked_too(desk: Desk) -> None:
    """With an activation and without one; what the supplier has not ended keeps its number."""
    alice = await customer(desk)
    async with upstream(desk, "first") as first:
        sold = (await buy.buy(desk, alice, Order("ig", 6))).activation
        first.warehouse.sms(first.only(), TEXT, CODE)
        await first.sweep()
        await finish.finish(desk, alice.id, sold.public_id)
        assert await give_back.to_supplier(desk, first.supplier) == 1
        await execute(desk, _LOST, first.supplier.terms.source_id)
        await _age(desk, 40)
        await retention.forget_due(desk)
        shown = "select distinct phone from (select phone from activation union all select phone from message) as t"
        (masked,) = await _column(desk, shown)
        assert str(masked).count("*") == len(str(sold.phone)) - 4
        kept = "select phone from rental order by supplier_ref"
        assert set(await _column(desk, kept)) == {masked, "628120000001", "628120000002"}
        await execute(
            desk, "update rental set closed_at = now() - interval '31 days' where supplier_ref = 'lost'"
        )
        await retention.forget_due(desk)
        assert set(await _column(desk, kept)) == {masked, "62********01", "628120000002"}


#: one that was given back and had no activation, and one that the supplier has not ended yet
_LOST = """
insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, closed_at, wish, due_at)
select %s, ref, 6, 'ig', 'any', phone, 0, state::rental_state, case when state = 'returned' then now() end,
    case when state = 'closing' then 'cancel'::rental_wish end, case when state = 'closing' then now() end
from (values ('lost', '628120000001', 'returned'), ('slow', '628120000002', 'closing')) as t (ref, phone, state)
"""


async def test_a_masked_number_is_not_asked_again(desk: Desk, shop: Shop) -> None:
    """Neither own stock nor test mode leases a number that is not known any more."""
    for wallet in (shop.alice, shop.rehearsal):
        bought = (await buy.buy(desk, wallet, Order(service="wa", country=6))).activation
        await execute(desk, "update activation set state = 'received', code = '1' where id = %s", bought.id)
        message = "insert into message (source_id, source_sms_id, phone, sender, text, code, activation_id)"
        await execute(desk, f"{message} values (%s, %s, %s, '', 'x', '1', %s)", bought.source_id, bought.id, bought.phone, bought.id)  # fmt: skip
        await execute(desk, "update simulated_message set due_at = now() + interval '9 days'")
        async with desk.db.transaction() as tx:
            await ledger.capture(tx, wallet, bought.amount_micros, bought.id)
        await finish.finish(desk, wallet.id, bought.public_id)
        await _age(desk, 40)
        await retention.forget_due(desk)
        with pytest.raises(ResendRejected):
            await resend.resend(desk, wallet, bought.public_id)


async def test_every_door_says_that_it_is_forgotten(desk: Desk, shop: Shop) -> None:
    """API, handler door, pages and the table: nobody takes what is gone for what never came."""
    sold = await lease(desk, shop)
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        status = await _api(guest, shop, f"/api/v1/resell/virtual/{sold.public_id}/status")
        assert CODE in status  # and from here on it stands in the process's memory
        await _age(desk, 40)
        assert await retention.forget_due(desk) == 2
        status = await _api(guest, shop, f"/api/v1/resell/virtual/{sold.public_id}/status")
        told = json.loads(status)
        assert told["code"] is None
        assert told["activation"]["forgotten"] is True
        assert told["activation"]["messages"][0]["forgotten"] is True
        asked = f"/stubs/handler_api.php?api_key={shop.alice_key}&action=%s&id={sold.public_id}"
        assert (await guest.get(asked % "getStatus")).text == f"STATUS_OK:{FORGOTTEN}"
        assert (await guest.get(asked % "getFullSms")).text == f"FULL_SMS:{FORGOTTEN}"
        pages = [await alice.get(path) for path in (f"/history/{sold.public_id}", "/history", "/history.csv")]
    assert [each.status for each in pages] == [200] * 3
    assert "is forgotten" in pages[0].text
    assert "Forgotten" in pages[1].text
    assert FORGOTTEN in pages[2].text
    assert all(CODE not in each.text and str(sold.phone) not in each.text for each in pages)


async def _api(guest: Person, shop: Shop, path: str) -> str:
    head = {"Authorization": f"Bearer {shop.alice_key}"}
    async with guest.http.get(guest.url + path, headers=head) as answer:
        return await answer.text()


async def test_staff_read_a_message_with_a_reason_only(desk: Desk, shop: Shop) -> None:
    """Who has read it and why is in the log, and nothing of what he read."""
    sold = await lease(desk, shop)
    assert reveal.masked(CODE) == "••••••"
    assert len(reveal.masked(TEXT)) == reveal.SHOWN_MAX
    with pytest.raises(ValidationFailed):
        await reveal.reveal(desk, CLI, sold.public_id, "  ")
    with pytest.raises(NotFound):
        await reveal.reveal(desk, CLI, sold.public_id + 1, "customer asks")
    seen = await reveal.reveal(desk, CLI, sold.public_id, "customer asks")
    assert (seen.code, [each.text for each in seen.messages]) == (CODE, [TEXT])
    async with desk.db.connection() as tx:
        lines = await acts.search(tx, act="message.revealed")
    assert [(each.about, each.reason) for each in lines] == [
        (f"activation {sold.public_id}", "customer asks")
    ]
    assert CODE not in str(lines)


async def test_a_person_takes_everything_along(desk: Desk, shop: Shop) -> None:
    """One JSON document of one's own, nothing of others, and no key in it."""
    sold = await lease(desk, shop)
    await lease(desk, shop, wallet=shop.bob)
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        page, got = await alice.get("/profile/data"), await alice.get("/profile/data.json")
        await execute(desk, "update person_session set proven_at = now() - interval '2 hours'")
        late = await alice.get("/profile/data.json")
    assert (page.status, got.status) == (200, 200)
    assert late.headers["Location"].startswith("/prove")
    found = json.loads(got.text)
    assert found["account"]["email"] == "alice@example.org"
    assert [each["activation_id"] for each in found["activations"]] == [str(sold.public_id)]
    assert found["activations"][0]["messages"][0]["text"] == TEXT
    assert {each["kind"] for each in found["postings"]} == {"credit", "capture"}
    assert "bob@" not in got.text
    assert shop.alice_key not in got.text


async def test_an_account_with_something_open_is_not_erased(desk: Desk, shop: Shop) -> None:
    """Numbers are closed first, and money is given up by its amount or not at all; until then nothing changes."""
    customer_id = shop.alice.customer_id
    bought = (await buy.buy(desk, shop.alice, Order(service="ig", country=6))).activation
    with pytest.raises(ValidationFailed, match="open numbers"):
        await people_data.erase(desk, CLI, customer_id, "asked for", gives_up_micros=100_000_000)
    await shop.push(desk, bought, TEXT)
    await finish.finish(desk, bought.wallet_id, bought.public_id)
    left = (await people_data.left(desk, customer_id)).available_micros
    for wrong in (0, left - 1, left + 1):
        with pytest.raises(ValidationFailed, match="money"):
            await people_data.erase(desk, CLI, customer_id, "asked for", gives_up_micros=wrong)
    with pytest.raises(ValidationFailed):
        await people_data.erase(desk, CLI, customer_id, "", gives_up_micros=left)
    with pytest.raises(NotFound):
        await people_data.erase(desk, CLI, 999_999, "asked for")
    assert await _column(desk, f"select email from customer where id = {customer_id}") == [
        "alice@example.org"
    ]
    assert await _column(desk, "select count(*) from erasure") == [0]


async def test_an_erased_person_leaves_no_trace(
    desk: Desk, shop: Shop, database_url: str, settings: object
) -> None:
    """A dump of the database is searched for everything that was theirs, in every spelling that occurs in it."""
    await endpoints.create(desk, shop.alice.id, endpoints.NewEndpoint("https://hooks.peculiar.example/x"))
    sold = await lease(desk, shop)
    await execute(desk, "insert into delivery_attempt (delivery_id, took_ms, answer) select id, 1, %s from delivery", TEXT)  # fmt: skip
    keys = "update api_key set last_used_address = %s, name = 'key of Ms Peculiar' where wallet_id = %s"
    await execute(desk, keys, ADDRESS, shop.alice.id)
    await execute(desk, "insert into number_report (phone, story, email) values ('15550001111', 's', 'alice@example.org')")  # fmt: skip
    others = await lease(desk, shop, wallet=shop.bob)
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        await execute(desk, "update person_session set address = %s, user_agent = %s", ADDRESS, AGENT)
        traces = [str(sold.phone), TEXT, CODE, "alice@example.org", ADDRESS, AGENT, "Peculiar"]
        before = _dump(database_url)
        assert all(any(form in before for form in _forms(each)) for each in traces)
        left = (await people_data.left(desk, shop.alice.customer_id)).available_micros
        wrong = await alice.post("/profile/data/erase", email="somebody@example.org", gives_up=str(left))
        gone = await alice.post("/profile/data/erase", email="Alice@example.org", gives_up=str(left))
        after_all = await alice.get("/profile/data")
        refused = await _api(guest, shop, "/api/v1/balance")
    assert (wrong.status, gone.status) == (422, 303)
    assert after_all.headers["Location"].startswith("/sign-in")
    assert "unauthorized" in refused
    # The other customer's message has the same text: it goes first, so that what is found is this person's.
    await execute(desk, "update message set text = '', code = '1' where activation_id = %s", others.id)
    await execute(desk, "update activation set code = '1', reference = null where id = %s", others.id)
    dump = _dump(database_url)
    assert {each: [form for form in _forms(each) if form in dump] for each in traces} == {
        each: [] for each in traces
    }
    assert await _column(desk, "select done_at is not null from erasure") == [True]
    kept = f"select sum(amount_micros) from posting where wallet_id = {shop.alice.id} and kind = 'capture'"
    assert await _column(desk, kept) == [sold.amount_micros]


def _forms(text: str) -> list[str]:
    """As it is, in hexadecimal digits (bytea) and in base64; and as JSON writes it."""
    raw = text.encode()
    return [text, raw.hex(), base64.b64encode(raw).decode().rstrip("=")[:-1], json.dumps(text)[1:-1]]


def _dump(database_url: str) -> str:
    """Everything but the shelves: numbers of one's own stock are the operator's."""
    command = [str(embedded.wheel.find().install / "bin" / "pg_dump"), "--inserts", database_url]
    command += ["--exclude-table-data=number", "--exclude-table-data=stock"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


async def test_a_worker_ends_what_a_process_had_begun(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever dies after the account was shut leaves a row that says so, and batch by batch all of it goes."""
    monkeypatch.setattr(people_data, "BATCH", 2)
    for service in ("ig", "wa", "tg"):
        await lease(desk, shop, service)
    left = (await people_data.left(desk, shop.alice.customer_id)).available_micros
    whole = people_data._erase_batch

    async def die(*_: object) -> int:
        raise ConnectionError

    monkeypatch.setattr(people_data, "_erase_batch", die)
    with pytest.raises(ConnectionError):
        await people_data.erase(desk, CLI, shop.alice.customer_id, "asked for", gives_up_micros=left)
    monkeypatch.setattr(people_data, "_erase_batch", whole)
    assert await _column(desk, "select count(*) from message where not is_forgotten") == [3]
    assert [await people_data.erase_due(desk) for _ in range(4)] == [2, 1, 0, 0]
    assert await _column(desk, "select count(*) from message where not is_forgotten") == [0]
    assert await _column(desk, "select distinct reference from activation") == [None]
    assert len((await history.part(desk, shop.alice.id, history.Filter())).rows) == 3
