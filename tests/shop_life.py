"""What the shop's side has to look at in the demo: days of trade, a supplier that works and one that fails, rules and their
history, a reseller's brand, a report, and money that waits for a second person.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ringlet import accounts, customers, demo, embedded, ledger
from ringlet.activations import receive
from ringlet.activations.buy import buy
from ringlet.activations.cancel import cancel
from ringlet.activations.choose import Order
from ringlet.activations.receive import IncomingMessage
from ringlet.acts import CLI, Actor
from ringlet.app import open_desk
from ringlet.backoffice import (
    adjustments,
    brand_words,
    brands,
    gateways,
    notes,
    policy,
    pricing_change,
    reports,
    staff,
    vouchers,
)
from ringlet.backoffice.brands import Profile
from ringlet.backoffice.gateways import Conditions
from ringlet.backoffice.policy import Scope
from ringlet.backoffice.pricing_plan import Put
from ringlet.backoffice.pricing_rules import Owner
from ringlet.backoffice.supplier_desk import sync_now
from ringlet.brands import HOUSE
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.ledger import Wallet
from ringlet.people import persons
from ringlet.settings import load
from ringlet.topups import begin, proof, redeem
from tests.figures_rig import move_back
from tests.site import Site
from tests.suppliers_rig import Upstream, upstream

DAYS = 9
SUPPLIED = Order(service="fb", country=6)


@contextlib.asynccontextmanager
async def trading(site: Site) -> AsyncIterator[dict[str, str]]:
    """The shop while its suppliers answer; yields what stands in the addresses of its pages."""
    settings = replace(load({**site.environment, "RINGLET_PROOF_OF_WORK": "0"}), demo=True)
    with contextlib.ExitStack() as closing:
        url = settings.database_url
        if url is None:
            server = embedded.acquire(settings.home)
            closing.callback(server.release)
            url = server.dsn
        async with open_desk(settings, url) as desk, upstream(desk, "northern", cost="0.10") as up:
            await desk.refresh_prices()
            yield await _live(desk, up)


async def _live(desk: Desk, up: Upstream) -> dict[str, str]:
    async with desk.db.connection() as tx:
        owner = await persons.by_email(tx, demo.ADMIN_EMAIL, HOUSE)
        client = await customers.by_email(tx, demo.EMAIL)
        wallet = await ledger.wallet(tx, await accounts.wallet_id(tx, client.id, "live"))
    assert owner is not None
    actor = Actor(demo.ADMIN_EMAIL, "owner", owner.id)
    change_id = await _price(desk, actor, client.id)
    await _trade(desk, wallet)
    failing = await _suppliers(desk, up)
    order = await buy(desk, wallet, SUPPLIED)
    await _guard(desk, actor, client.id)
    return {
        "customer_id": str(client.id), "order_id": str(order.activation.public_id), "source_id": str(failing),
        "change_id": str(change_id), "brand_id": str(await _brand(desk, actor)), **(await _payments(desk, wallet)),
    }  # fmt: skip


async def _payments(desk: Desk, wallet: Wallet) -> dict[str, str]:
    """A transfer that waits for staff with its proof, and a batch of vouchers of which one was redeemed."""
    terms = Conditions(
        label="Bank transfer", min_micros=5_000_000, max_micros=900_000_000, surcharge_percent=Decimal(0),
        surcharge_micros=0, on_over="credit", on_under="credit", on_late="review",
    )  # fmt: skip
    gateway_id = await gateways.add(desk, CLI, "bank", "live", terms, {"instructions": "IBAN DE00 1234 5678"})
    await gateways.switch(desk, CLI, gateway_id, is_on=True)
    topup = await begin.begin(desk, wallet.id, gateway_id, 50_000_000, "transfer")
    await proof.attach(desk, wallet.id, topup.public_id, "transfer.pdf", b"%PDF-1.4\n%%EOF\n")
    made = await vouchers.make(desk, CLI, vouchers.Wish(10, 5_000_000, 365, "The fair", "fair"))
    await redeem.redeem(desk, wallet.id, made.codes[0])
    return {"gateway_id": str(gateway_id), "public_id": topup.public_id}


async def _price(desk: Desk, actor: Actor, customer_id: int) -> int:
    """A markup, one for a country that comes later, and a floor; returns the last change."""
    later = datetime.now(UTC) + timedelta(days=3)
    wishes = (
        Put(values={"markup": Decimal("0.3")}),
        Put(countries=(6, 7), services=("wa", "fb"), values={"markup": Decimal("0.25")}, starts_at=later),
        Put(owner=Owner(customer_id=customer_id), values={"min_margin": Decimal("0.01")}),
    )
    done = [await pricing_change.apply(desk, actor, wish, reason="The summer's prices") for wish in wishes]
    await desk.refresh_prices()
    assert done[-1].change_id is not None
    return done[-1].change_id


async def _trade(desk: Desk, wallet: Wallet) -> None:
    """Some days of it, each moved to its place; the worker counts none of it before."""
    marks = await _newest(desk)
    async with desk.db.transaction() as counting:
        await counting.execute("select 1 from figure_mark for update")
        for day in range(DAYS, -1, -1):
            for index in range(2 + (day + 1) * 5 % 4):
                bought = await buy(desk, wallet, Order(service=("wa", "tg", "ig")[index % 3], country=6))
                if index % 4 == 3:
                    await cancel(desk, wallet.id, bought.activation.public_id)
                    continue
                assert bought.activation.phone is not None
                told = IncomingMessage(
                    day * 100 + index, bought.activation.phone, "Example", f"Your code is 48{day}91{index}"
                )
                await receive.receive(desk, await _own(desk), told)
            await move_back(desk, marks, timedelta(days=day))


async def _newest(desk: Desk) -> dict[str, int]:
    async with desk.db.connection() as tx:
        return {
            table: (
                await (await tx.execute(f"select coalesce(max(id), 0) from {table}".encode())).fetchone()
                or (0,)
            )[0]
            for table in ("posting", "supplier_posting", "activation")
        }


async def _own(desk: Desk) -> int:
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select id from source where name = %s", [demo.OWNER])).fetchone()
    assert row is not None
    return int(row[0])


async def _suppliers(desk: Desk, up: Upstream) -> int:
    """One sells what the demo has not; the other one answers no more. Returns the one that fails."""
    up.warehouse.stock("6", "fb", "0.10", 40)
    await up.sync()
    async with upstream(desk, "harbour", cost="0.09", dialect="fivesim") as lost:
        failing = lost.supplier.terms.source_id
    for _ in range(3):
        with contextlib.suppress(ValidationFailed):
            await sync_now(desk, "harbour")
    await desk.refresh_prices()
    return failing


async def _brand(desk: Desk, actor: Actor) -> int:
    """The demo's customer sells under a name of his own."""
    profile = Profile(name="Rita's numbers", hosts=["numbers.reseller.example"], languages=("en", "ar"))
    brand_id = await brands.add(desk, actor, profile, demo.EMAIL)
    now = datetime.now(UTC)
    texts = {"en": "Indonesia is slow today: codes take some minutes longer.", "ar": "إندونيسيا بطيئة اليوم."}
    await brand_words.say(desk, actor, HOUSE, "waiting", texts, now, now + timedelta(days=2))
    await brand_words.say(desk, actor, brand_id, "info", texts, now, now + timedelta(days=2))
    await brand_words.set_page(desk, actor, brand_id, "terms", "en", "# Terms\n\nBe kind.")
    return brand_id


async def _guard(desk: Desk, actor: Actor, customer_id: int) -> None:
    """What the staff does on a day: a note, rules of protection, a report that came, and a credit that waits."""
    await notes.add(desk, actor, customer_id, "Called about the invoice of October.\nIs content.")
    await policy.set_rule(desk, actor, Scope(service="ub"), "The service asked for it", is_allowed=False)
    await policy.set_rule(desk, actor, Scope(country=98), "Sanctions", is_allowed=False)
    await policy.freeze(desk, actor, "me", "A wave of complaints")
    await policy.set_numbers(
        desk, actor, {"account_day": 500}, "Like their contract", customer_id=customer_id
    )
    await reports.report(desk, "+62 895 4000 037", "They called me at night.", "ann@example.org")
    await accounts.open_account(desk, "support@example.org", 0, actor="test")
    await staff.appoint(desk, CLI, "support@example.org", "support")
    once = "0" * 22
    for sum_micros in (5_000_000, desk.settings.adjustment_limit_micros):
        wish = adjustments.Wish(customer_id, sum_micros, "Paid by bank transfer", f"{once}{sum_micros}")
        await adjustments.ask(desk, actor, wish)
