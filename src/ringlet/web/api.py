"""The REST API: every handler reads, calls one use case and spells the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.openapi.spec import OpenAPIType
from litestar.params import Parameter, QueryParameter

from ringlet import canon, ledger, metrics, money
from ringlet.activations import browse, cancel, capped, quote, resend
from ringlet.activations.browse import Wanted
from ringlet.activations.choose import Order
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ServiceUnavailable, ValidationFailed
from ringlet.success import Figures
from ringlet.suppliers import simulator
from ringlet.web import bodies, wire
from ringlet.web.auth import Caller, KeyRing
from ringlet.web.documents import respond
from ringlet.web.limits import Limits
from ringlet.web.prices import CodeLists, PriceTables
from ringlet.web.statuses import Statuses
from ringlet.web.streams import Streams

Req = Request[Any, Any, Any]
WAIT_MAX_S = 60
PAGE_MAX = 100_000
COUNTRY_MAX = 9_999

Service = Annotated[
    str, Parameter(pattern=r"^[a-z0-9_]{1,32}\Z", description="A service code of /services", examples=[])
]
Country = Annotated[int, Parameter(ge=0, le=COUNTRY_MAX, description="A country number of /countries")]
# Filters. Litestar checks constraints around the None, not inside of it, and takes the text "null" for a
# number that is None: so a country filter is read as text.
ServiceFilter = Annotated[
    str | None, Parameter(pattern=r"^[a-z0-9_]{1,32}\Z", description="A service code of /services")
]
CountryFilter = Annotated[
    str | None,
    Parameter(
        schema_extra={"type": OpenAPIType.INTEGER, "minimum": 0, "maximum": COUNTRY_MAX},
        description="A country number of /countries",
    ),
]


@dataclass(frozen=True, slots=True)
class Office:
    """What the handlers of one web process share."""

    desk: Desk
    keys: KeyRing
    limits: Limits
    statuses: Statuses
    streams: Streams
    figures: Figures
    tables: PriceTables
    codes: CodeLists


def office(request: Req) -> Office:
    """This process's office."""
    found: Office = request.app.state.office
    return found


def caller(request: Req, scope: str) -> Caller:
    """Whom the door let in. Refuses: Forbidden when the key lacks the scope."""
    found: Caller = request.scope["state"]["caller"]
    if scope not in found.key.scopes:
        raise Forbidden(f"This API key lacks the scope {scope}")
    return found


def about(request: Req, public_id: int) -> int:
    """Name the activation that this request is about in its log line."""
    request.scope["state"]["activation"] = str(public_id)
    return public_id


@get("/resell/price", operation_id="getPrice", summary="Price of one service in one country", tags=["Prices"])
async def get_price(request: Req, service: Service, country: Country) -> Response[wire.PriceAnswer]:
    """Base and sell price, for a dry run before a purchase."""
    wallet = caller(request, "prices:read").wallet
    found = quote.quote(office(request).desk, wallet, _country(country), _service(service, wallet))
    return wire.answer(wire.PriceAnswer(str(country), service, found.base_price, found.sell_price))


@get("/prices", operation_id="getPrices", summary="All prices", tags=["Prices"])
async def get_prices(
    request: Req, service: ServiceFilter = None, country: CountryFilter = None
) -> Response[wire.PricesAnswer]:
    """Country → service → base price, sell price and stock. Send the ETag back as If-None-Match."""
    table = office(request).tables.of(caller(request, "prices:read").wallet)
    if service is not None:
        return await respond(request, table.service(service, number_of(country)))  # type: ignore[return-value]
    if (number := number_of(country)) is not None:
        return await respond(request, table.country(number))  # type: ignore[return-value]
    return await respond(request, await table.full())  # type: ignore[return-value]


@post(
    "/resell/virtual/buy", operation_id="buy", summary="Buy a number", status_code=200, tags=["Activations"]
)
async def post_buy(request: Req) -> Response[wire.BuyAnswer]:
    """Lease a number for one message; its price is held until the code comes or the time is up."""
    who = caller(request, "activations:write")
    wallet = who.wallet
    body = await bodies.read(request, bodies.BuyBody)
    order = Order(
        service=_service(body.service, wallet),
        country=_country(body.country),
        max_price=bodies.max_price(body.max_price),
        operators=tuple(bodies.operators(body.operator)),
        exclude_prefixes=tuple(body.exclude_prefixes or ()),
        reference=body.reference,
    )
    desk = office(request).desk
    once, address = await bodies.once(request, wallet.id), request.client.host if request.client else None
    bought = await capped.buy(desk, wallet, order, once, who.key, address)
    if bought.replayed:
        seen = await browse.look(desk, wallet.id, bought.activation.public_id)
    else:
        seen = browse.Seen(bought.activation, ())
        metrics.SALES.labels(wallet.mode).inc()
    about(request, bought.activation.public_id)
    activation = wire.activation(seen)
    if bought.activation.state == State.ORDERING:
        raise ServiceUnavailable(
            "The outcome of this order is not known yet; ask for its status", activation=activation
        )
    return wire.answer(
        wire.BuyAnswer(
            activation=activation,
            order=wire.OrderRef(activation.activation_id, activation.reference),
            transaction=wire.TransactionRef(bought.posting_id),
        ),
        replayed=bought.replayed,
    )


@get(
    "/resell/virtual/{activation_id:str}/status",
    operation_id="getStatus",
    summary="Has the code come?",
    tags=["Activations"],
)
async def get_status(
    request: Req,
    activation_id: Annotated[str, Parameter(description="As the buy answered it")],
    wait: Annotated[
        int,
        Parameter(
            ge=0, le=WAIT_MAX_S, description="Hold the answer up to so many seconds until something changes"
        ),
    ] = 0,
) -> Response[wire.StatusAnswer]:
    """The state of an activation, its code and its messages."""
    wallet = caller(request, "activations:read").wallet
    public_id = about(request, wire.read_activation_id(activation_id))
    body = await office(request).statuses.answer(wallet, public_id, wait)
    return wire.encoded(body)


@post("/resell/virtual/resend", operation_id="resend", summary="Wait for another message", status_code=200,
      tags=["Activations"])  # fmt: skip
async def post_resend(request: Req) -> Response[wire.ResendAnswer]:
    """A new activation on the same number. Free while the lease runs, at `resend_price` afterwards."""
    wallet = caller(request, "activations:write").wallet
    body = await bodies.read(request, bodies.ResendBody)
    desk, public_id = office(request).desk, about(request, wire.read_activation_id(body.activation_id))
    resent = await resend.resend(desk, wallet, public_id, await bodies.once(request, wallet.id))
    office(request).statuses.changed(public_id)
    seen = await browse.look(desk, wallet.id, resent.activation.public_id)
    return wire.answer(wire.ResendAnswer(wire.activation(seen)), replayed=resent.replayed)


@post("/resell/virtual/cancel", operation_id="cancel", summary="Give a number back", status_code=200,
      tags=["Activations"])  # fmt: skip
async def post_cancel(request: Req) -> Response[wire.CancelAnswer]:
    """Before a code has come: the whole price is on the balance again when this answers `cancel_accepted`.

    A supplier that does not take a number back yet makes it `cancel_rejected` with `retry_after` seconds; with
    `when_allowed` it is `cancel_scheduled` instead, and done as soon as it may be.
    """
    wallet = caller(request, "activations:write").wallet
    body = await bodies.read(request, bodies.CancelBody)
    public_id = about(request, wire.read_activation_id(body.activation_id))
    done = await cancel.cancel(
        office(request).desk, wallet.id, public_id, await bodies.once(request, wallet.id),
        when_allowed=body.when_allowed,
    )  # fmt: skip
    office(request).statuses.changed(public_id)
    if done.in_s is not None:
        return wire.answer(wire.CancelAnswer(wire.CANCEL_SCHEDULED, wire.CANCEL_LATER, done.in_s))
    return wire.answer(wire.CancelAnswer(), replayed=done.replayed)


STATES_BY_WORD: dict[str, Sequence[State]] = {
    **{str(state): [state] for state in State},
    "completed": [State.RECEIVED, State.FINISHED],
    "cancelled": [State.CANCELLED, State.FAILED],
}


@get("/resell/activations", operation_id="listActivations", summary="Your activations", tags=["Activations"])
async def get_activations(
    request: Req,
    page: Annotated[int, Parameter(ge=1, le=PAGE_MAX, description="Counted from 1")] = 1,
    per_page: Annotated[int, Parameter(ge=1, le=100, description="Activations on a page")] = 25,
    service: ServiceFilter = None,
    country: CountryFilter = None,
    status: Annotated[
        str | None,
        Parameter(
            schema_extra={"enum": sorted(STATES_BY_WORD)},
            description="Where it stands: the word of the status answer, or the activation's state",
        ),
    ] = None,
    since: Annotated[
        str | None,
        QueryParameter(
            name="from", schema_extra={"format": "date-time"}, description="From this time on, RFC 3339"
        ),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(
            name="to", schema_extra={"format": "date-time"}, description="Before this time, RFC 3339"
        ),
    ] = None,
    reference: Annotated[
        str | None,
        Parameter(pattern=r"^[^\x00-\x1f\x7f]{1,255}\Z", description="Your own, as the buy was given it"),
    ] = None,
    cursor: Annotated[
        str | None, Parameter(pattern=r"^[0-9]{1,18}\Z", description="`next_cursor` of the page before")
    ] = None,
) -> Response[wire.ListAnswer]:
    """Newest first. For deep lists follow `next_cursor` instead of counting pages."""
    wallet = caller(request, "activations:read").wallet
    if status is not None and status not in STATES_BY_WORD:
        raise ValidationFailed(f"one of {', '.join(sorted(STATES_BY_WORD))}", field="status")
    wanted = Wanted(
        page=page,
        per_page=per_page,
        before_id=None if cursor is None else int(cursor),
        service=service,
        country=number_of(country),
        states=STATES_BY_WORD[status] if status else (),
        since=_instant(since, "from"),
        until=_instant(until, "to"),
        reference=reference,
    )
    found = await browse.browse(office(request).desk, wallet.id, wanted)
    return wire.answer(_list(found, wanted))


def number_of(country: str | None) -> int | None:
    """A country filter as a number. Refuses: ValidationFailed."""
    if country is None:
        return None
    if not (country.isascii() and country.isdigit() and len(country) <= len(str(COUNTRY_MAX))):
        raise ValidationFailed(f"a whole number from 0 to {COUNTRY_MAX}", field="country")
    return int(country)


def _instant(text: str | None, field: str) -> datetime | None:
    try:
        return None if text is None else msgspec.convert(text, wire.Instant)
    except msgspec.ValidationError as error:
        raise ValidationFailed("a time with its zone, such as 2025-11-08T21:50:34Z", field=field) from error


def _list(found: browse.Page, wanted: Wanted) -> wire.ListAnswer:
    full = len(found.rows) == wanted.per_page
    return wire.ListAnswer(
        data=[wire.activation(seen) for seen in found.rows],
        meta=wire.ListMeta(
            page=wanted.page,
            per_page=wanted.per_page,
            total=found.total,
            last_page=-(-found.total // wanted.per_page),
            next_cursor=str(found.rows[-1].activation.id) if full else None,
            total_is_exact=found.total_is_exact,
        ),
    )


@get("/balance", operation_id="getBalance", summary="Your balance", tags=["Account"])
async def get_balance(request: Req) -> Response[wire.BalanceAnswer]:
    """What can be spent, and what is held for open activations."""
    wallet = caller(request, "balance:read").wallet
    async with office(request).desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return wire.answer(
        wire.BalanceAnswer(
            balance=money.to_amount(found.available_micros),
            held=money.to_amount(found.held_micros),
            currency=found.currency,
        )
    )


@get("/countries", operation_id="listCountries", summary="Canonical country codes", tags=["Codes"])
async def get_countries(request: Req) -> Response[wire.CountriesAnswer]:
    """Every country with what is available there."""
    caller(request, "prices:read")
    return await respond(request, office(request).codes.countries())  # type: ignore[return-value]


@get("/services", operation_id="listServices", summary="Canonical service codes", tags=["Codes"])
async def get_services(request: Req) -> Response[wire.ServicesAnswer]:
    """Every service with what is available for it."""
    caller(request, "prices:read")
    return await respond(request, office(request).codes.services())  # type: ignore[return-value]


@get("/operators", operation_id="listOperators", summary="Operators of a country", tags=["Codes"])
async def get_operators(request: Req, country: Country) -> Response[wire.OperatorsAnswer]:
    """The operators that have numbers on offer in this country."""
    caller(request, "prices:read")
    return await respond(request, office(request).codes.operators(_country(country)))  # type: ignore[return-value]


def _country(country: int) -> int:
    if country not in canon.countries():
        raise NotFound(f"No country {country}; /api/v1/countries lists them")
    return country


def _service(service: str, wallet: ledger.Wallet) -> str:
    if service in canon.services() or (wallet.mode == "test" and service in simulator.MAGIC):
        return service
    if service == canon.RENTAL:
        raise NotFound("'full' is a rental, not a service to buy")
    raise NotFound(f"No service {service!r}; /api/v1/services lists them")


router = Router(
    "/api/v1",
    route_handlers=[
        get_price, get_prices, post_buy, get_status, post_resend, post_cancel, get_activations, get_balance,
        get_countries, get_services, get_operators,
    ],
)  # fmt: skip
