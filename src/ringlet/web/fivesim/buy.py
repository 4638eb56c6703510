"""/v1/user/buy: lease a number."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from litestar import Request, Response, get

from ringlet import canon, metrics, money
from ringlet.activations import capped
from ringlet.activations.browse import Seen
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.quote import best
from ringlet.customers import ApiKey
from ringlet.desk import Desk
from ringlet.errors import MaxPriceExceeded, NoNumbers
from ringlet.ledger import Wallet
from ringlet.suppliers import simulator
from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders, words
from ringlet.web.fivesim.complaints import BAD_COUNTRY, BAD_OPERATOR, NO_PRODUCT, Complaint
from ringlet.web.fivesim.entry import Part
from ringlet.web.fivesim.words import ANY

Req = Request[Any, Any, Any]
COUNTRIES_TRIED_MAX = 3
#: A limit is meant at the six places of a charge: 0.111489 also allows the price 0.1114892, which costs just that.
CHARGE_ROUNDING = Decimal("0.0000004")
_OPERATOR = re.compile(r"[a-z0-9._-]{1,64}")
_REF = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@get("/buy/activation/{country:str}/{operator:str}/{product:str}")
async def buy_activation(request: Req, country: Part, operator: Part, product: Part) -> Response[Any]:
    """Lease a number for one product. An order whose number is not known yet is PENDING and has no phone."""
    who = caller(request, "activations:write")
    wallet = who.wallet
    desk = office(request).desk
    countries = _countries(country)
    operators = _operators(desk, wallet, countries, operator)
    service = _service(product, wallet)
    max_price, reference = _max_price(request), _reference(request)
    tried = [
        Order(service, each, max_price=max_price, operators=operators, reference=reference)
        for each in (countries or _best_countries(desk, wallet, service))
    ]
    bought = await _buy(desk, wallet, tried, who.key, request.client.host if request.client else None)
    metrics.SALES.labels(wallet.mode).inc()
    about(request, bought.activation.public_id)
    return orders.answer(orders.of_seen(Seen(bought.activation, ())))


@get("/buy/hosting/{country:str}/{operator:str}/{product:str}")
async def buy_hosting(request: Req, country: Part, operator: Part, product: Part) -> Response[Any]:  # noqa: ARG001
    """Numbers for days are not sold here."""
    caller(request, "activations:write")
    raise Complaint(NO_PRODUCT)


async def _buy(desk: Desk, wallet: Wallet, tried: list[Order], key: ApiKey, address: str | None) -> Bought:
    """From the first of these countries that has a number."""
    for order in tried[:-1]:
        try:
            return await capped.buy(desk, wallet, order, None, key, address)
        except (NoNumbers, MaxPriceExceeded):
            continue
    if not tried:
        raise NoNumbers
    return await capped.buy(desk, wallet, tried[-1], None, key, address)


def _countries(text: str) -> list[int]:
    """The country that is asked for; none when any will do."""
    if text == ANY:
        return []
    if (country := words.read_country(text)) is None:
        raise Complaint(BAD_COUNTRY)
    return [country]


def _best_countries(desk: Desk, wallet: Wallet, service: str) -> list[int]:
    """Where the service is cheapest, countries with stock first. Refuses: ServiceNotAllowed."""
    desk.policy.now.check_anywhere(wallet.customer_id, service)
    view = desk.prices.rules.view(wallet.customer_id, wallet.brand_id)
    found = []
    for country, services in desk.prices.shop.countries.items():
        quote = best(desk, view, services.get(service, {}).values())
        if quote is not None:
            found.append((quote.available == 0, quote.sell_price, country))
    if not found and wallet.mode == "test":
        return [next(iter(canon.countries()))]
    return [country for _, _, country in sorted(found)[:COUNTRIES_TRIED_MAX]]


def _operators(desk: Desk, wallet: Wallet, countries: list[int], text: str) -> tuple[str, ...]:
    """One operator, which somebody there must sell or may be asked for; none when any will do."""
    operator = text.lower()
    if operator == ANY:
        return ()
    if not _OPERATOR.fullmatch(operator):
        raise Complaint(BAD_OPERATOR)
    if wallet.mode == "live" and countries and not _is_sold(desk, countries[0], operator):
        raise Complaint(BAD_OPERATOR)
    return (operator,)


def _is_sold(desk: Desk, country: int, operator: str) -> bool:
    cells = desk.prices.shop.countries.get(country, {}).values()
    return any(
        offer.operator == operator or (offer.operator == ANY and desk.book.get(offer.source_id) is not None)
        for cell in cells
        for offer in cell.values()
    )


def _service(text: str, wallet: Wallet) -> str:
    if wallet.mode == "test" and text in simulator.MAGIC:
        return text
    if (service := words.read_product(text)) is None:
        raise Complaint(NO_PRODUCT)
    return service


def _max_price(request: Req) -> Decimal | None:
    """The limit holds with a named operator too: who names one never pays more than he said."""
    text = request.query_params.get("maxPrice", "")
    if not text:
        return None
    try:
        limit = Decimal(text[:40])
    except InvalidOperation:
        raise Complaint("maxPrice is incorrect") from None
    if not (limit.is_finite() and 0 <= limit <= money.PRICE_MAX):
        raise Complaint("maxPrice is incorrect")
    return limit + CHARGE_ROUNDING


def _reference(request: Req) -> str | None:
    text = request.query_params.get("ref", "")
    return text if _REF.fullmatch(text) else None
