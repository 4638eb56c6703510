"""A reseller's own shop: name, prices, customers, earnings. For everybody else there is no such page."""

from decimal import Decimal, InvalidOperation

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import canon
from ringlet.acts import Actor
from ringlet.backoffice import shop as shops
from ringlet.brands import Brand
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.visitor import address_or_none
from ringlet.web.pages import account, records, render, visit
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req, Visit

PERCENT = 100
LENGTH_MAX = 20


@get("/shop", include_in_schema=False)
async def get_shop(request: Req) -> Response[str]:
    """The shop of who is signed in; of several the one in `?brand=`. Refuses: NotFound."""
    seen = await visit.begin(request)
    return await _page(request, seen, _brand(seen, request.query_params.get("brand", "")))


@get("/shop/{brand_id:int}/customers", include_in_schema=False)
async def get_customers(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """Who buys there, the newest first. Refuses: NotFound."""
    seen = await visit.begin(request)
    brand, before = _brand(seen, str(brand_id)), records.cursor(request, "before")
    part = await shops.buyers(seen.desk, seen.signed_in().customer_id, brand.id, before)
    return await render.page(
        request, seen, "shop_customers.html", brand=brand, part=part, is_first=before is None
    )


@post("/shop/{brand_id:int}/prices", include_in_schema=False, status_code=200)
async def post_price(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """One rule. Refuses: NotFound."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    brand = _brand(seen, str(brand_id))
    try:
        kind = form.text("kind")
        service, country = form.text("service") or None, form.text("country")
        await shops.set_price(
            seen.desk, _actor(request, seen), seen.signed_in().customer_id, brand.id, kind=kind,
            value=_value(seen, kind, form.text("value")), service=service,
            country=int(country) if country.isascii() and country.isdigit() else None,
        )  # fmt: skip
    except ValidationFailed as refused:
        return await _page(request, seen, brand, 422, form=form, refused=refused)
    return render.go(request, seen, f"/shop?brand={brand.id}", seen.words.gettext("Saved."))


def _value(seen: Visit, kind: str, text: str) -> Decimal:
    """A markup is typed in percent. Refuses: ValidationFailed."""
    try:
        value = Decimal(text.replace(",", ".")) if len(text) <= LENGTH_MAX else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValidationFailed(seen.words.gettext("A number such as 25 or 0.15"), field="value")
    return value / PERCENT if kind == "markup" else value


@post("/shop/{brand_id:int}/prices/{rule_id:int}/remove", include_in_schema=False, status_code=200)
async def post_remove(request: Req, brand_id: FromPath[int], rule_id: FromPath[int]) -> Response[str]:
    """Without this rule the next more general one counts. Refuses: NotFound."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    brand = _brand(seen, str(brand_id))
    await shops.remove_price(
        seen.desk, _actor(request, seen), seen.signed_in().customer_id, brand.id, rule_id
    )
    return render.go(request, seen, f"/shop?brand={brand.id}", seen.words.gettext("Removed."))


@post("/shop/{brand_id:int}/name", include_in_schema=False, status_code=200)
async def post_name(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """What the shop is called. Refuses: NotFound."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    brand = _brand(seen, str(brand_id))
    try:
        await shops.rename(
            seen.desk, _actor(request, seen), seen.signed_in().customer_id, brand.id, form.get("name", "")
        )
    except ValidationFailed as refused:
        return await _page(request, seen, brand, 422, form=form, refused=refused)
    return render.go(request, seen, f"/shop?brand={brand.id}", seen.words.gettext("Saved."))


def _brand(seen: Visit, asked: str) -> Brand:
    """One of the visitor's own, the first unless another one is asked for. Refuses: NotFound."""
    owned = seen.desk.brands.owned_by(seen.signed_in().customer_id)
    found = next((each for each in owned if not asked or str(each.id) == asked), None)
    if found is None:
        raise NotFound
    return found


def _actor(request: Req, seen: Visit) -> Actor:
    person = seen.signed_in()
    address, agent = account.sender(request)
    return Actor(person.email, "reseller", person.person_id, address_or_none(address), agent[:200])


async def _page(
    request: Req, seen: Visit, brand: Brand, status: int = 200, *, form: Form | None = None,
    refused: Refusal | None = None,
) -> Response[str]:  # fmt: skip
    person = seen.signed_in()
    found = await shops.shop(seen.desk, person.customer_id, brand.id, records.cursor(request, "before"))
    names = Names(seen.words)
    return await render.page(
        request, seen, "shop.html", status, brand=brand, found=found, names=names, form=form or Form([]),
        refused=refused, owned=seen.desk.brands.owned_by(person.customer_id), kinds=shops.KINDS,
        counted_max=shops.COUNTED_MAX, currency=seen.desk.settings.currency,
        services=sorted(((code, names.service(code)) for code in canon.services()), key=lambda pair: pair[1].lower()),
        countries=sorted(((number, names.country(number)) for number in canon.countries()), key=lambda pair: pair[1]),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_shop, get_customers, post_price, post_remove, post_name]
