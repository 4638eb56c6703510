"""The buy screen: find a service in a country, and one click."""

import hashlib
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet import favourites, ledger, metrics, money
from ringlet.activations import buy as sales
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.backoffice import welcome as first_run
from ringlet.db import Tx
from ringlet.errors import Forbidden, NotFound, Refusal, ValidationFailed
from ringlet.favourites import Cell
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.people.visitor import Visitor
from ringlet.velocity import Origin
from ringlet.web.pages import account, asked, faults, find, live_cards, referral, render, rules, visit
from ringlet.web.pages.asked import QUANTITY_MAX, Asked
from ringlet.web.pages.counter import Counter, Row, place, service_name
from ringlet.web.pages.visit import Form, Req, Visit

ONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Wish(msgspec.Struct, frozen=True):
    """What a form asks to buy; `shown` is the price that its button has named."""

    service: str
    country: int
    once: str
    quantity: int
    operator: str
    shown: Decimal | None
    most: Decimal | None

    @property
    def order(self) -> Order:
        """Never dearer than the button said, unless the buyer has named another limit."""
        operators = (self.operator,) if self.operator else ()
        limit = self.shown if self.most is None else self.most
        if self.most is not None and self.shown is not None:
            # A price may have a seventh place that is neither shown nor charged: who names the price that he sees means it.
            is_same = money.charge_micros(self.most) == money.charge_micros(self.shown)
            limit = max(self.most, self.shown) if is_same else self.most
        return Order(self.service, self.country, limit, operators)

    def key(self, wallet: Wallet, index: int) -> Once:
        """The idempotency key of one of the numbers. The same form means the same purchase."""
        content = repr((self.service, self.country, self.quantity, self.operator, self.most)).encode()
        name = f"web:{self.once}:{self.service}-{self.country}:{index}"
        return Once(wallet.id, name, hashlib.sha256(b"/buy\0" + content).digest())


class Done(msgspec.Struct, frozen=True):
    """What was bought, and why there is not more of it."""

    bought: Sequence[Bought]
    stopped: Refusal | None


@get("/", include_in_schema=False)
async def get_home(request: Req) -> Response[str]:
    """The shop; for strangers what it is."""
    seen = await visit.begin(request)
    if seen.visitor is None:
        if await first_run.awaits(seen.desk):
            return render.redirect(request, "/admin/welcome", seen.cookies)
        if via := request.query_params.get("via"):
            return referral.arrive(request, seen, via)
        return await render.page(request, seen, "landing.html")
    return await _home(request, seen, asked.read(request.query_params))


async def _home(request: Req, seen: Visit, wanted: Asked, status: int = 200, **more: Any) -> Response[str]:
    counter = await find.open_counter(request, seen)
    found = {"said": None, **(await find.context(counter, wanted)), **more}
    live = await _live(seen)
    return await render.page(
        request, seen, "buy.html", status, balance=live["panel"].balance, **found, **_chips(counter), **live
    )


async def _live(seen: Visit) -> dict[str, Any]:
    shown = await live_cards.panel(seen)
    return {"panel": shown, "cards": shown.cards, "clock": live_cards.clock}


def _chips(counter: Counter) -> dict[str, Any]:
    """Favourites, and what was bought last and is none."""
    recent = [each for each in counter.recent if each not in counter.starred]
    return {"favourites": counter.labels(counter.starred), "recent": counter.labels(recent)}


@post("/buy", include_in_schema=False, status_code=200)
async def post_buy(request: Req) -> Response[str]:
    """One number, or several; the same form sent twice buys once."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    wanted = asked.read(form)
    if form.text("do") == "total":
        return await _total(request, seen, wanted, form)
    cell = asked.cell(f"{form.text('service')}-{form.text('country')}")
    if cell is None:
        raise NotFound
    await rules.check(seen, person)
    try:
        wish = _wish(form, cell)
        _check(person)
        async with seen.desk.db.connection() as tx:
            wallet = await ledger.wallet(tx, person.wallet_id)
        done = await _buy(seen, wallet, wish, Origin(address=account.sender(request)[0]))
    except Refusal as refusal:
        return await _refused(request, seen, wanted, cell, form, refusal)
    said = _said_of(seen, cell, done, wish.quantity)
    if not visit.is_swap(request):
        return render.go(request, seen, "/", said, "good" if done.stopped is None else "bad")
    counter = await find.open_counter(request, seen)
    row = counter.row(*cell)
    return render.part(
        seen, "parts/buy_done.html", said=said, is_whole=done.stopped is None, asked=wanted, chosen=row,
        once=find.once(), currency=wallet.currency, is_test=wallet.mode == "test", **_chips(counter),
        **find.panel(counter, row), **(await _live(seen)),
    )  # fmt: skip


async def _total(request: Req, seen: Visit, wanted: Asked, form: Form) -> Response[str]:
    """Without scripts: the page again, with what so many cost together."""
    counter = await find.open_counter(request, seen)
    row, panel = find.chosen_panel(counter, wanted.pick, form)
    return await _home(request, seen, wanted, **({} if row is None else {**panel, "chosen": row}))


def _wish(form: Form, cell: Cell) -> Wish:
    """What the form says. Refuses: ValidationFailed."""
    once, quantity, operator = form.text("once"), form.text("quantity", "1"), form.text("operator")
    if not ONCE.fullmatch(once):
        raise ValidationFailed("This page has become old: load it again, then send the form once more")
    if not (re.fullmatch("[0-9]{1,2}", quantity) and 1 <= int(quantity) <= QUANTITY_MAX):
        raise ValidationFailed("From 1 to 10", field="quantity")
    most = asked.amount(form.text("most")) if form.text("most") else None
    if form.text("most") and most is None:
        raise ValidationFailed("A price such as 0.15", field="most")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", operator):
        raise ValidationFailed("One of the list", field="operator")
    shown = asked.amount(form.text("shown"))
    return Wish(*cell, once, int(quantity), operator.lower(), shown, most)


def _check(person: Visitor) -> None:
    """Whether this person may buy now. Refuses: Forbidden."""
    if person.is_frozen:
        raise Forbidden("This account is frozen: it can read, but not buy. Nothing was charged.")
    if person.mode == "live" and not person.is_confirmed:
        raise Forbidden("Confirm your e-mail address to buy.", needs_confirmation=True)


async def _buy(seen: Visit, wallet: Wallet, wish: Wish, origin: Origin) -> Done:
    """One after the other, until it is enough or one is refused. Refuses what the first one is refused for."""
    bought: list[Bought] = []
    for index in range(1, wish.quantity + 1):
        try:
            one = await sales.buy(seen.desk, wallet, wish.order, wish.key(wallet, index), origin)
        except Refusal as refusal:
            if not bought:
                raise
            return Done(bought, refusal)
        if not one.replayed:
            metrics.SALES.labels(wallet.mode).inc()
        bought.append(one)
    return Done(bought, None)


def _said_of(seen: Visit, cell: Cell, done: Done, quantity: int) -> str:
    spoken, many = seen.words, len(done.bought)
    if done.stopped is not None:
        reason = faults.say(done.stopped, spoken)[0]
        return spoken.ngettext(
            "%(bought)s of %(quantity)s bought, then: %(reason)s. Only that one was charged.",
            "%(bought)s of %(quantity)s bought, then: %(reason)s. Only those were charged.", many,
        ) % {"bought": many, "quantity": quantity, "reason": reason}  # fmt: skip
    told = {"service": service_name(spoken, cell[0]), "country": place(spoken, cell[1]), "count": many}
    return spoken.ngettext(
        "Bought: %(service)s in %(country)s. It waits for its code.",
        "Bought: %(count)s numbers for %(service)s in %(country)s. They wait for their codes.", many,
    ) % told  # fmt: skip


async def _refused(
    request: Req, seen: Visit, wanted: Asked, cell: Cell, form: Form, refusal: Refusal
) -> Response[str]:
    """What was refused and what became of the money, with the price and the key as they are now."""
    counter = await find.open_counter(request, seen)
    row, panel = find.chosen_panel(counter, cell, form)
    told = await _told(counter, cell, row, refusal)
    if not visit.is_swap(request):
        picked = msgspec.structs.replace(wanted, pick=cell)
        return await _home(request, seen, picked, refusal.status, said=told, refused=refusal, **panel)
    made = render.part(
        seen, "parts/buy_refused.html", refusal.status, said=told, refused=refusal, asked=wanted, chosen=row,
        once=find.once(), currency=counter.wallet.currency, is_test=counter.wallet.mode == "test", **panel,
    )  # fmt: skip
    made.headers.update({"HX-Retarget": "#said", "HX-Reswap": "innerHTML"})
    return made


async def _told(counter: Counter, cell: Cell, row: Row | None, refusal: Refusal) -> dict[str, Any]:
    """What the sentence needs: which refusal it is, for what, and what there is instead."""
    elsewhere = counter.elsewhere(*cell)[:1] if refusal.code == "no_numbers" else []
    return {
        "code": "unconfirmed" if refusal.extra.get("needs_confirmation") else refusal.code,
        "text": faults.say(refusal, counter.seen.words)[1], "email": counter.seen.signed_in().email,
        "service": service_name(counter.seen.words, cell[0]), "country": place(counter.seen.words, cell[1]),
        "price": refusal.extra.get("min_price"), "row": row, "elsewhere": elsewhere[0] if elsewhere else None,
        "currency": counter.wallet.currency,
    }  # fmt: skip


@post("/favourite", include_in_schema=False, status_code=200)
async def post_favourite(request: Req) -> Response[str]:
    """The star of a row, put on or taken off."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    cell = asked.cell(f"{form.text('service')}-{form.text('country')}")
    if cell is None:
        raise NotFound
    async with seen.desk.db.connection() as tx:
        await _set_star(tx, person.person_id, cell, is_on=form.text("do") != "remove")
    if not visit.is_swap(request):
        return render.go(request, seen, visit.local(form.get("next")))
    counter = await find.open_counter(request, seen)
    row = counter.row(*cell)
    return render.part(seen, "parts/buy_star.html", row=row, asked=asked.read(form), **_chips(counter))


async def _set_star(tx: Tx, person_id: int, cell: Cell, *, is_on: bool) -> None:
    if not is_on:
        await favourites.unstar(tx, person_id, *cell)
    elif not await favourites.star(tx, person_id, *cell):
        raise ValidationFailed("You have as many favourites as can be kept: take a star off first")


HANDLERS: list[ControllerRouterHandler] = [get_home, post_buy, post_favourite, *find.HANDLERS]
