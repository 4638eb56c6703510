"""The first run as pages: one for each step, in their order, each done when what it makes is there.

The first two stand before the gate: nobody is of the staff yet, and an owner without a second factor sees no page of
the shop. The others ask for an owner like every page here.
"""

import hashlib
from decimal import Decimal, InvalidOperation
from typing import Any

from litestar import Response, Router, get, post
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from ringlet import canon
from ringlet.activations.choose import Order
from ringlet.backoffice import brand_dress, brands, welcome
from ringlet.backoffice.first_shop import CURRENCIES, NewShop, dress, may_choose_currency
from ringlet.backoffice.first_stock import NewStock, load_stock
from ringlet.backoffice.welcome import Connected, Newcomer, NewSupplier
from ringlet.brands import HOUSE, Brand
from ringlet.errors import NotFound, RateLimited, Refusal, ValidationFailed
from ringlet.idempotency import Once
from ringlet.languages import LANGUAGES
from ringlet.people import totp
from ringlet.people.roles import Right
from ringlet.people.visitor import Visitor
from ringlet.suppliers import simulator
from ringlet.suppliers.protocols import PROTOCOLS
from ringlet.web.admin import gate
from ringlet.web.admin.brands_dress import UPLOAD_MAX
from ringlet.web.admin.gate import wants
from ringlet.web.pages import asked, errors, faults, find, live_cards, render, visit
from ringlet.web.pages.account import refuse, sender
from ringlet.web.pages.buy import ONCE
from ringlet.web.pages.security import drawn
from ringlet.web.pages.visit import Form, Req, SeeOther, Visit

START = "/admin/welcome"
ROWS_MAX = 8
#: an amount to show a currency by
SAMPLE = Decimal("1234.50")
OWNER = "admin/welcome/owner.html"
#: before there is anybody whose progress it could be
FIRST: dict[str, Any] = {"progress": None, "step": "owner"}


@get(START, include_in_schema=False)
async def get_welcome(request: Req) -> Response[str]:
    """The first form; an owner goes on where he was, everybody else signs in."""
    seen = await visit.begin(request)
    if seen.visitor is not None:
        return render.redirect(request, await _next(seen, _owner(seen)), seen.cookies)
    if not await welcome.is_open(seen.desk):
        raise SeeOther("/sign-in")
    return await render.page(request, seen, OWNER, form=Form([]), **FIRST)


@post(START, include_in_schema=False, status_code=200)
async def post_welcome(request: Req) -> Response[str]:
    """The owner's account, and signed in with it. Refuses: NotFound (there is staff already)."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    newcomer = Newcomer(
        form.text("code"), form.text("email"), form.get("password", ""), seen.words.language, *sender(request)
    )
    try:
        opened = await welcome.make_owner(seen.desk, newcomer)
    except (ValidationFailed, RateLimited) as refused:
        return await refuse(request, seen, OWNER, refused, form=form, **FIRST)
    seen.begin_session(opened.token)
    return render.redirect(request, f"{START}/factor", seen.cookies)


def _owner(seen: Visit) -> Visitor:
    """Refuses: NotFound for whoever is none."""
    person = seen.signed_in()
    if person.role != "owner":
        raise NotFound
    return person


async def _next(seen: Visit, person: Visitor) -> str:
    return f"{START}/{(await welcome.progress(seen.desk, person)).next_step}"


@get(f"{START}/factor", include_in_schema=False)
async def get_factor(request: Req) -> Response[str]:
    """A secret for the app; the same one when the page is opened again."""
    seen = await visit.begin(request)
    person = _owner(seen)
    if person.has_second_factor:
        return render.redirect(request, f"{START}/shop", seen.cookies)
    return await _factor(request, seen)


async def _factor(request: Req, seen: Visit, refused: Refusal | None = None) -> Response[str]:
    person = _owner(seen)
    offer = await totp.offered_totp(seen.desk, person) or await totp.begin_totp(seen.desk, person)
    return await _page(
        request, seen, "factor", 200 if refused is None else refused.status, refused=refused, **drawn(offer)
    )


@post(f"{START}/factor", include_in_schema=False, status_code=200)
async def post_factor(request: Req) -> Response[str]:
    """The first code of the app; the answer shows the recovery codes, this once."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = _owner(seen)
    try:
        codes = await totp.confirm_totp(seen.desk, person, form.text("code"), translate=seen.words.gettext)
    except (ValidationFailed, RateLimited) as refused:
        return await _factor(request, seen, refused)
    return await _page(request, seen, "codes", codes=codes)


async def _page(request: Req, seen: Visit, step: str, status: int = 200, **context: Any) -> Response[str]:
    progress = await welcome.progress(seen.desk, _owner(seen))
    return await render.page(
        request, seen, f"admin/welcome/{step}.html", status, progress=progress, step=step, **context
    )


@get(f"{START}/shop", include_in_schema=False, opt=wants(Right.OWN))
async def get_shop(request: Req) -> Response[str]:
    """What customers see."""
    return await _shop(request, Form([]))


async def _shop(request: Req, form: Form, refused: Refusal | None = None) -> Response[str]:
    seen = gate.begin(request)
    brand = await brands.one(seen.desk, HOUSE)
    return await _page(
        request, seen, "shop", 200 if refused is None else refused.status, form=form, refused=refused,
        brand=brand, chosen=form.many("languages") or brand.languages, monies=await _monies(seen, brand),
    )  # fmt: skip


async def _monies(seen: Visit, brand: Brand) -> list[tuple[str, str]]:
    """(letters, name and how an amount looks) of what accounts can be kept in: the present one first, and alone once
    money has moved.
    """
    codes = [brand.worn.currency]
    if await may_choose_currency(seen.desk):
        codes += [each for each in CURRENCIES if each not in codes]
    names = seen.words.locale.currencies
    return [(each, f"{names.get(each, each)} · {seen.words.price(SAMPLE, each)}") for each in codes]


@post(f"{START}/shop", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_shop(request: Req) -> Response[str]:
    """Name, colour, languages."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    picked = [each for each in form.many("languages") if each in LANGUAGES]
    languages = [] if len(picked) == len(LANGUAGES) else picked
    wanted = NewShop(form.get("name", ""), languages, form.text("accent"), form.text("currency"))
    try:
        await dress(seen.desk, gate.actor(request, seen), wanted)
    except ValidationFailed as refused:
        return await _shop(request, form, refused)
    return render.go(request, seen, f"{START}/supplier")


@post(
    f"{START}/logo",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.OWN),
    request_max_body_size=UPLOAD_MAX,
)
async def post_logo(request: Req) -> Response[str]:
    """A picture instead of the name."""
    seen = gate.begin(request)
    try:
        file = await visit.upload(request, seen, "logo")
        await brand_dress.set_logo(seen.desk, gate.actor(request, seen), HOUSE, file)
    except ValidationFailed as refused:
        return await _shop(request, Form([]), refused)
    return render.go(request, seen, f"{START}/shop", seen.words.gettext("Saved."))


@get(f"{START}/supplier", include_in_schema=False, opt=wants(Right.OWN))
async def get_supplier(request: Req) -> Response[str]:
    """Where numbers come from."""
    return await _supplier(request, Form([]))


async def _supplier(
    request: Req, form: Form, *, refused: Refusal | None = None, connected: Connected | None = None
) -> Response[str]:
    status = 200 if refused is None else refused.status
    return await _page(
        request, gate.begin(request), "supplier", status, form=form, refused=refused, connected=connected,
        kinds=[kind for kind in sorted(PROTOCOLS) if kind != "agent"],
        countries=sorted(canon.countries().values(), key=lambda each: each.name),
    )  # fmt: skip


@post(f"{START}/supplier", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_supplier(request: Req) -> Response[str]:
    """Add it, ask it, and take over its price list; what it says is shown."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"{START}/supplier")
    wanted = NewSupplier(form.text("name"), form.text("kind"), form.text("url"), form.text("key"))
    try:
        connected = await welcome.connect(seen.desk, gate.actor(request, seen), wanted)
    except ValidationFailed as refused:
        return await _supplier(request, form, refused=refused)
    if connected.offers is None:
        return await _supplier(request, form, connected=connected)
    said = seen.words.ngettext(
        "%(name)s answers, and has %(num)s offer.", "%(name)s answers, and has %(num)s offers.", connected.offers
    ) % {"name": wanted.name, "num": seen.words.number(connected.offers)}  # fmt: skip
    return render.go(request, seen, f"{START}/margin", said)


@post(f"{START}/stock", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_stock(request: Req) -> Response[str]:
    """Own numbers, one a line."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"{START}/supplier")
    wanted = NewStock(form.text("owner"), form.text("country"), form.text("cost"), form.get("numbers", ""))
    try:
        added = await load_stock(seen.desk, gate.actor(request, seen), wanted)
    except ValidationFailed as refused:
        return await _supplier(request, form, refused=refused)
    said = seen.words.ngettext("%(num)s number is on sale.", "%(num)s numbers are on sale.", added)
    return render.go(request, seen, f"{START}/margin", said % {"num": seen.words.number(added)})


@get(f"{START}/margin", include_in_schema=False, opt=wants(Right.OWN))
async def get_margin(request: Req) -> Response[str]:
    """What is earned on each sale."""
    return await _page(request, gate.begin(request), "margin", form=Form([]))


@post(f"{START}/margin", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_margin(request: Req) -> Response[str]:
    """A markup for everybody."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"{START}/margin")
    try:
        percent = _percent(form.text("percent"))
        await welcome.set_margin(seen.desk, gate.actor(request, seen), percent)
    except ValidationFailed as refused:
        return await _page(request, seen, "margin", refused.status, form=form, refused=refused)
    return render.go(request, seen, f"{START}/purchase")


def _percent(text: str) -> Decimal:
    """Refuses: ValidationFailed."""
    try:
        return Decimal(text.replace(",", ".").removesuffix("%").strip())
    except InvalidOperation:
        raise ValidationFailed("A number such as 30", field="percent") from None


@get(f"{START}/purchase", include_in_schema=False, opt=wants(Right.OWN))
async def get_purchase(request: Req) -> Response[str]:
    """Something to buy; after it the number, which waits for its code live."""
    return await _purchase(request)


async def _purchase(request: Req, refused: Refusal | None = None) -> Response[str]:
    seen = gate.begin(request)
    counter = await find.open_counter(request, seen)
    found = await find.context(counter, asked.read(request.query_params))
    panel = await live_cards.panel(seen)
    told = None if refused is None else faults.say(refused, seen.words)[0]
    return await _page(
        request, seen, "purchase", 200 if refused is None else refused.status, panel=panel,
        clock=live_cards.clock, balance=panel.balance, told=told, offers=[row for row in found["rows"] if row.service not in simulator.MAGIC][:ROWS_MAX],
        **{name: found[name] for name in ("asked", "once", "currency", "is_test")},
    )  # fmt: skip


@post(f"{START}/purchase", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_purchase(request: Req) -> Response[str]:
    """Buy one; the same form sent twice buys once."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"{START}/purchase")
    person = seen.signed_in()
    cell, price = (
        asked.cell(f"{form.text('service')}-{form.text('country')}"),
        asked.amount(form.text("shown")),
    )
    if cell is None or price is None or not ONCE.fullmatch(form.text("once")):
        raise ValidationFailed("This page has become old: load it again, then send the form once more")
    once = Once(
        person.wallet_id,
        f"welcome:{form.text('once')}",
        hashlib.sha256(repr((cell, price)).encode()).digest(),
    )
    try:
        await welcome.try_purchase(seen.desk, gate.actor(request, seen), person, Order(*cell, price), once)
    except Refusal as refused:
        return await _purchase(request, refused)
    return render.go(request, seen, f"{START}/purchase")


@get(f"{START}/done", include_in_schema=False, opt=wants(Right.OWN))
async def get_done(request: Req) -> Response[str]:
    """What is there now, and where to go on."""
    return await _page(request, gate.begin(request), "done")


#: before the gate
door = Router(
    "/",
    route_handlers=[get_welcome, post_welcome, get_factor, post_factor],
    exception_handlers={
        Refusal: errors.ErrorPage, HTTPException: errors.ErrorPage, Exception: errors.ErrorPage,
    },
)  # fmt: skip
HANDLERS: list[ControllerRouterHandler] = [
    get_shop, post_shop, post_logo, get_supplier, post_supplier, post_stock, get_margin, post_margin, get_purchase, post_purchase, get_done,
]  # fmt: skip
