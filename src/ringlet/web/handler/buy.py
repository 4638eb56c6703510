"""getNumber and its kind: buying."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from ringlet import canon, metrics
from ringlet.activations import capped, quote, several
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.errors import MaxPriceExceeded, NoNumbers, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.web import bodies
from ringlet.web.api import about
from ringlet.web.handler import spell
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import COUNTRY, Ask
from ringlet.web.handler.words import No

PREFIXES_MAX = 50
COUNTRIES_TRIED_MAX = 5
SERVICES_MAX = 20
#: Prices have seven places and charges six: who limits the price to what he was charged last time may buy again.
HALF_A_MICRO = Decimal("0.0000005")

T = TypeVar("T")

_PREFIX = re.compile(r"\+?([0-9]{1,15})")
_OPERATORS = re.compile(r"[A-Za-z0-9_.,-]{0,255}")


async def get_number(ask: Ask) -> Answer:
    """A number in one line."""
    row = await _bought(ask, ask.service())
    return Answer(f"ACCESS_NUMBER:{row.public_id}:{row.phone}")


async def get_number_v2(ask: Ask) -> Answer:
    """A number with its price and its times."""
    return Answer(spelled(await _bought(ask, ask.service()), ask))


async def get_multi_service_number(ask: Ask) -> Answer:
    """One number for several services: an activation for each, or nothing. Without forwarding."""
    services = _services(ask)
    _refuse_other_kinds(ask)
    if any(part.strip() not in {"", "0"} for part in ask.given.text("multiForward").split(",")):
        raise NoNumbers
    alone = len(services) == 1  # suppliers can serve that too
    rows = [await _bought(ask, services[0])] if alone else await _bought_together(ask, services)
    return Answer([{"phone": row.phone, "activation": row.public_id, "service": row.service} for row in rows])


def _services(ask: Ask) -> list[str]:
    """The services of `multiService`, each once. Refuses: No BAD_SERVICE."""
    named = [part.strip() for part in ask.given.text("multiService", "service").split(",")]
    services = list(dict.fromkeys(ask.known_service(text) for text in named))
    if len(services) > SERVICES_MAX:
        raise No("BAD_SERVICE", details=f"At most {SERVICES_MAX} services for one number")
    return services


async def _bought_together(ask: Ask, services: Sequence[str]) -> Sequence[Activation]:
    country, once, wishes = ask.country(), _once(ask), _wishes(ask)
    countries = _cheapest(ask, services[0]) if country is None else [country]
    bought = await _first(countries, lambda place: _together_in(ask, services, place, wishes, once))
    first = bought.activations[0]
    about(ask.request, first.public_id)
    if bought.replayed:
        raise _exists(first)
    metrics.SALES.labels(ask.wallet.mode).inc(len(bought.activations))
    return bought.activations


async def _together_in(
    ask: Ask, services: Sequence[str], country: int, wishes: dict[str, Any], once: Once | None
) -> several.Bought:
    orders = [Order(service, country, **wishes) for service in services]
    return await capped.several(ask.office.desk, ask.wallet, orders, once, ask.key, ask.address)


def spelled(row: Activation, ask: Ask) -> dict[str, Any]:
    """A fresh activation with everything that vendors tell."""
    ends_at: datetime = row.expires_at
    return {
        "activationId": row.public_id,
        "phoneNumber": row.phone,
        "activationCost": spell.paid(row.amount_micros),
        "currency": spell.currency(ask.wallet.currency),
        "countryCode": str(row.country),
        "countryPhoneCode": canon.countries()[row.country].prefix,
        "canGetAnotherSms": "1",
        "activationTime": spell.moment(row.created_at),
        "activationEndTime": spell.moment(ends_at),
        "activationOperator": row.operator,
        "serviceCode": row.service,
    }


async def _bought(ask: Ask, service: str) -> Activation:
    country = ask.country()
    _refuse_other_kinds(ask)
    once = _once(ask)
    wishes = _wishes(ask)
    countries = _cheapest(ask, service) if country is None else [country]
    bought = await _first(countries, lambda place: _in(ask, service, place, wishes, once))
    row = bought.activation
    about(ask.request, row.public_id)
    if bought.replayed:
        raise _exists(row)
    metrics.SALES.labels(ask.wallet.mode).inc()
    if row.state == State.ORDERING:
        raise ServiceUnavailable("The outcome of this order is not known yet")
    return row


def _exists(row: Activation) -> No:
    info = {"activationId": row.public_id}
    return No("ORDER_ALREADY_EXISTS", details="This orderId was used already", info=info)


def _refuse_other_kinds(ask: Ask) -> None:
    """Calls and forwarding are not sold here, and a number for messages is not what such a buyer wants."""
    given = ask.given
    if given.text("activationType") not in {"", "0"} or given.flag("forward") or given.flag("verification"):
        raise NoNumbers


def _once(ask: Ask) -> Once | None:
    order_id = ask.given.text("orderId")
    if not order_id:
        return None
    fingerprint = hashlib.sha256(order_id.encode()).digest()
    key = order_id if order_id.isascii() and order_id.isprintable() and len(order_id) <= 200 else None  # noqa: PLR2004
    return Once(ask.wallet.id, "handler:" + (key or fingerprint.hex()), fingerprint)


def _wishes(ask: Ask) -> dict[str, Any]:
    given = ask.given
    limit = given.price("maxPrice")
    operators = given.text("operator")
    if not _OPERATORS.fullmatch(operators):
        raise NoNumbers
    return {
        "max_price": None if limit is None else limit + HALF_A_MICRO,
        "operators": bodies.operators(operators),
        "exclude_prefixes": _prefixes(given.text("phoneException")),
        "reference": given.line("orderId", "userId", "ref"),
    }


def _prefixes(text: str) -> tuple[str, ...]:
    found = [_PREFIX.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    prefixes = tuple(each[1] for each in found if each is not None)
    if len(prefixes) != len(found) or len(prefixes) > PREFIXES_MAX:
        raise No("WRONG_EXCEPTION_PHONE", details="prefixes of digits, with commas between them")
    return prefixes


async def _in(ask: Ask, service: str, country: int, wishes: dict[str, Any], once: Once | None) -> Bought:
    order = Order(service, country, **wishes)
    return await capped.buy(ask.office.desk, ask.wallet, order, once, ask.key, ask.address)


async def _first(countries: Sequence[int], buy_in: Callable[[int], Awaitable[T]]) -> T:
    """What the first of these countries sells. Refuses: NoNumbers, MaxPriceExceeded."""
    too_dear: list[Decimal] = []
    for country in countries:
        try:
            return await buy_in(country)
        except NoNumbers:
            continue
        except MaxPriceExceeded as refusal:
            too_dear.append(refusal.extra["min_price"])
    raise MaxPriceExceeded(min(too_dear)) if too_dear else NoNumbers


def _cheapest(ask: Ask, service: str) -> list[int]:
    ask.office.desk.policy.now.check_anywhere(ask.wallet.customer_id, service)
    prices = ask.office.desk.prices
    view = prices.rules.view(ask.wallet.customer_id, ask.wallet.brand_id)
    found = [
        (best.available == 0, best.sell_price, country)
        for country, services in prices.shop.countries.items()
        if (best := quote.best(ask.office.desk, view, services.get(service, {}).values())) is not None
    ]
    if not found and ask.wallet.mode == "test":
        return [COUNTRY]
    return [country for _, _, country in sorted(found)[:COUNTRIES_TRIED_MAX]]
