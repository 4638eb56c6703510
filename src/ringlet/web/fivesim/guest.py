"""/v1/guest: prices, products, countries; no key needed."""

from typing import Any

from litestar import Request, Response, get

from ringlet.web.documents import respond
from ringlet.web.fivesim import words
from ringlet.web.fivesim.complaints import COUNTRY_INCORRECT, PRODUCT_INCORRECT, Complaint
from ringlet.web.fivesim.entry import Part, foyer, view
from ringlet.web.wire import encoded

Req = Request[Any, Any, Any]


@get("/prices")
async def get_prices(request: Req) -> Response[Any]:
    """Country → product → operator; with a product alone: product → country → operator. Nothing: null."""
    table = foyer(request).tables.of(view(request))
    country_text, product_text = (request.query_params.get(name, "") for name in ("country", "product"))
    country = _country(country_text) if country_text else None
    product = _product(product_text) if product_text else None
    if country is not None and product is not None:
        return await respond(request, table.cell(country, product))
    if country is not None:
        return await respond(request, table.country(country))
    if product is not None:
        return await respond(request, table.service(product))
    return await respond(request, await table.full())


@get("/products/{country:str}/{operator:str}")
async def get_products(request: Req, country: Part, operator: Part) -> Response[Any]:
    """Product → category, quantity and price, for one country or any, one operator or any."""
    table = foyer(request).tables.of(view(request))
    found = None if country == words.ANY else _country(country)
    return await respond(request, await table.products(found, operator.lower()))


@get("/countries")
async def get_countries(request: Req) -> Response[Any]:
    """Every country with its codes and operators."""
    return await respond(request, foyer(request).tables.countries())


@get("/flash/{lang:str}")
async def get_flash(lang: Part) -> Response[Any]:  # noqa: ARG001 - of the address
    """The operator's notice: there is none."""
    return encoded(b'{"text":""}')


def _country(text: str) -> int:
    if (country := words.read_country(text)) is None:
        raise Complaint(COUNTRY_INCORRECT)
    return country


def _product(text: str) -> str:
    if (service := words.read_product(text)) is None:
        raise Complaint(PRODUCT_INCORRECT)
    return service
