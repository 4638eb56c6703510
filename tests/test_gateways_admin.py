"""Ways to pay, set up by the operator: keys go in and never come out, modes never mix, every change is noted."""

import json
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ringlet.acts import CLI
from ringlet.backoffice import gateways
from ringlet.backoffice.gateways import Conditions
from ringlet.cli.gateway import FRESH
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments import book
from tests import commands
from tests.fakes.tills import btcpay, stripe
from tests.office_rig import Office, opened
from tests.payments_rig import UNIT, acts, counter

pytestmark = pytest.mark.usefixtures("shop")
TERMS = {"label": "Card", "min": "5", "max": "500", "surcharge_percent": "2.5", "surcharge": "0.30",
         "on_over": "credit", "on_under": "review", "on_late": "review"}  # fmt: skip


def terms(**changes: Any) -> Conditions:
    return {**FRESH, "label": "Card", **changes}  # type: ignore[typeddict-item]


def keys(**changes: str) -> dict[str, str]:
    return {**stripe.config("http://127.0.0.1:9"), **changes}


async def secrets_in(desk: Desk) -> str:
    """Everything that the log of staff has, and the rows of gateways."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select to_jsonb(a)::text from staff_act a union all"
            " select (to_jsonb(g) - 'sealed_config')::text || encode(coalesce(sealed_config, ''), 'escape') from gateway g"
        )).fetchall()  # fmt: skip
    return "".join(row[0] for row in rows)


@pytest.fixture
async def office(desk: Desk) -> AsyncIterator[Office]:
    async with opened(desk) as found:
        yield found


async def test_from_the_first_key_to_on(desk: Desk, office: Office) -> None:
    """An owner adds it, finance tests and switches it on; its keys are on no page, in no log, in no row."""
    owner, finance = await office.employ("owner"), await office.employ("finance")
    assert "Stripe" in (await owner.get("/admin/payments/add")).text
    assert "Voucher<" not in (await owner.get("/admin/payments/add")).text
    assert 'type="password"' in (await owner.get("/admin/payments/add?kind=stripe")).text
    given = {f"key_{name}": value for name, value in keys().items()}
    assert (
        await finance.post("/admin/payments/add", kind="stripe", mode="live", **TERMS, **given)
    ).status == 403
    added = await owner.post("/admin/payments/add", kind="stripe", mode="live", **TERMS, **given)
    path = added.headers["Location"]
    page = await finance.get(path)
    assert f"/payments/stripe/{path.rpartition('/')[2]}" in page.text
    assert "key_secret_key" not in page.text
    assert (await finance.post(f"{path}/switch", on="yes")).status == 303
    shown = await owner.get(path)
    everything = shown.text + page.text + (await owner.get("/admin/payments")).text + await secrets_in(desk)
    assert [value for name, value in keys().items() if name != "url" and value in everything] == []
    assert [each.act for each in await acts(desk, "")][:2] == ["gateway.switched_on", "gateway.added"]
    (line,) = [each for each in await _lines(desk) if each.kind == "stripe"]
    assert (line.is_on, line.min_micros, line.surcharge_percent, line.surcharge_micros, line.on_under) == (
        True, 5 * UNIT, Decimal("2.50"), 300_000, "review",
    )  # fmt: skip


async def _lines(desk: Desk) -> list[gateways.Line]:
    async with desk.db.connection() as tx:
        return await gateways.lines(tx)


async def test_an_empty_secret_keeps_the_old_one(desk: Desk) -> None:
    """Another is sealed instead; of the change the log has the field's name alone, and of no change nothing."""
    gateway_id = await gateways.add(desk, CLI, "stripe", "live", terms(), keys())
    before = await _config(desk, gateway_id)
    assert await gateways.set_keys(desk, CLI, gateway_id, {"secret_key": "", "webhook_secret": " "}) == []
    assert await _config(desk, gateway_id) == before
    assert await gateways.set_keys(desk, CLI, gateway_id, {"webhook_secret": "whsec_another"}) == [
        "webhook_secret"
    ]
    assert await _config(desk, gateway_id) == {**before, "webhook_secret": "whsec_another"}
    (act,) = await acts(desk, "gateway.keys_changed")
    assert act.after == {"fields": ["webhook_secret"]}
    assert "whsec_another" not in await secrets_in(desk)


async def _config(desk: Desk, gateway_id: int) -> Any:
    async with desk.db.connection() as tx:
        found = await book.load(tx, gateway_id)
    assert found is not None
    return desk.gateways.config(found)


async def test_a_new_address_wants_the_key_again(desk: Desk) -> None:
    """Else whoever changes an address would be sent the key."""
    given = btcpay.config("http://127.0.0.1:9")
    gateway_id = await gateways.add(desk, CLI, "btcpay", "live", terms(), given)
    with pytest.raises(ValidationFailed):
        await gateways.set_keys(desk, CLI, gateway_id, {"url": "http://127.0.0.1:10"})
    await gateways.set_keys(desk, CLI, gateway_id, {**given, "url": "http://127.0.0.1:10"})
    assert (await _config(desk, gateway_id))["url"] == "http://127.0.0.1:10"


@pytest.mark.parametrize(
    ("kind", "mode", "given", "changes"),
    [
        ("nothing", "live", {}, {}), ("voucher", "live", {}, {}), ("bank", "other", {"instructions": "x"}, {}),
        ("demo", "live", {}, {}), ("bank", "live", {}, {}), ("bank", "live", {"instructions": "x\0"}, {}),
        ("bank", "live", {"instructions": "x" * 8_001}, {}), ("stripe", "test", keys(), {}),
        *(("bank", "live", {"instructions": "x"}, {name: value}) for name, value in (
            ("label", " "), ("label", "x" * 61), ("min_micros", 0), ("min_micros", 1), ("max_micros", 4_000_000),
            ("surcharge_percent", Decimal("50.01")), ("surcharge_percent", Decimal(-1)),
            ("surcharge_percent", Decimal("0.001")), ("surcharge_micros", -1), ("on_late", "nothing"),
        )),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_not_added(
    desk: Desk, kind: str, mode: str, given: dict[str, str], changes: dict[str, Any]
) -> None:
    """Also live money by play money, and keys of the other mode."""
    before = await _lines(desk)
    with pytest.raises(ValidationFailed):
        await gateways.add(desk, CLI, kind, mode, terms(**changes), given)
    assert await _lines(desk) == before


async def test_the_order_is_what_payers_see(desk: Desk, office: Office) -> None:
    """Up and down by one place, noted; the ends stay where they are."""
    finance = await office.employ("finance")
    ids = [
        await gateways.add(desk, CLI, "bank", "live", terms(label=name), {"instructions": "x"})
        for name in "abc"
    ]
    for gateway_id in ids:
        await gateways.switch(desk, CLI, gateway_id, is_on=True)
    assert (await finance.post(f"/admin/payments/gateways/{ids[2]}/move", to="up")).status == 303
    assert (await finance.post(f"/admin/payments/gateways/{ids[2]}/move", to="up")).status == 303
    assert (await finance.post(f"/admin/payments/gateways/{ids[1]}/move", to="down")).status == 303
    async with desk.db.connection() as tx:
        assert [each.label for each in await book.on_offer(tx, "live")] == ["c", "a", "b"]
    assert len(await acts(desk, "gateway.moved")) == 2
    assert (await finance.post("/admin/payments/gateways/999999/move", to="up")).status == 404


async def test_changed_terms_stand_in_the_log(desk: Desk, office: Office) -> None:
    """What was and what is, of what has changed; a wrong one is told at its field and changes nothing."""
    finance = await office.employ("finance")
    gateway_id = await gateways.add(desk, CLI, "bank", "live", terms(), {"instructions": "x"})
    path = f"/admin/payments/gateways/{gateway_id}"
    assert (await finance.post(f"{path}/terms", **{**TERMS, "max": "750"})).status == 303
    (act,) = await acts(desk, "gateway.changed")
    assert (act.before["max_micros"], act.after["max_micros"]) == (500 * UNIT, 750 * UNIT)
    assert "min_micros" not in act.after
    wrong = await finance.post(f"{path}/terms", **{**TERMS, "max": "1"})
    assert (wrong.status, 'value="1"' in wrong.text, 'aria-invalid="true"' in wrong.text) == (422, True, True)
    assert len(await acts(desk, "gateway.changed")) == 1
    assert (await finance.post(f"{path}/keys", key_instructions="mine")).status == 403


async def test_the_test_button_says_what_the_gateway_says(desk: Desk, office: Office) -> None:
    """Good, or in its words what is wrong; off it can be tested too."""
    finance = await office.employ("finance")
    async with counter(desk, is_on=False) as card:
        path = f"/admin/payments/gateways/{card.gateway_id}/check"
        assert "The keys are good" in (await finance.post(path)).text
        card.till.error_share = 1.0
        assert "It does not work" in (await finance.post(path)).text


async def test_what_settled_within_30_days_is_counted(desk: Desk, alice: Wallet) -> None:
    """And no longer."""
    async with counter(desk) as card:
        await card.credited(alice)
        old = await card.credited(alice, once="b")
        async with desk.db.transaction() as tx:
            await tx.execute(
                "update topup set settled_at = now() - interval '31 days' where id = %s", [old.id]
            )
            line = await gateways.line(tx, card.gateway_id)
    assert (line.settled_count, line.settled_micros, line.currency) == (1, 5 * UNIT, "USD")


async def test_there_is_none_of_that_number(desk: Desk) -> None:
    """For every deed."""
    for deed in (
        gateways.change(desk, CLI, 999_999, terms()), gateways.set_keys(desk, CLI, 999_999, {}),
        gateways.switch(desk, CLI, 999_999, is_on=True), gateways.move(desk, CLI, 999_999, is_up=True),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await deed


def test_the_command_line_takes_no_secret_as_an_argument(database_url: str, tmp_path: Path) -> None:
    """From a file or standard input it does: add, list, set, check, on."""
    environment = {**os.environ, "RINGLET_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url}

    def call(*arguments: str, typed: str = "") -> str:
        done = commands.run(["gateway", *arguments], environment, typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    wrong = commands.run(["gateway", "add", "stripe", "--field", "secret_key=sk_live_1"], environment)
    assert (wrong.returncode, "--secret secret_key=FILE" in wrong.stderr) == (2, True)
    key = tmp_path / "key"
    key.write_text("sk_live_from_a_file\n", encoding="utf-8")
    argv = [
        "add",
        "stripe",
        "--label",
        "Card",
        "--secret",
        f"secret_key={key}",
        "--secret",
        "webhook_secret=-",
        "--json",
    ]
    gateway_id = str(json.loads(call(*argv, typed="whsec_from_stdin\n"))["id"])
    call("set", gateway_id, "--max", "900", "--surcharge-percent", "1.5")
    call("on", gateway_id)
    (line,) = [each for each in json.loads(call("list", "--json")) if each["kind"] == "stripe"]
    assert (line["max"], line["surcharge_percent"], line["state"]) == (900, 1.5, "on")
    assert "sk_live" not in call("list")
    call("off", gateway_id)
