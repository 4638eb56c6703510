"""The web application of one process: routes, the door before them, and what runs beside the requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from litestar import Litestar, Response, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from ringlet import brands
from ringlet.backoffice.presence import TOLD_EVERY_S, Presence
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.success import Figures
from ringlet.web import (
    agent,
    api,
    fivesim,
    health,
    hints,
    identity,
    listen,
    openapi,
    payments,
    refusals,
    statistics,
    webhooks,
)
from ringlet.web.admin import system, welcome
from ringlet.web.admin.routes import router as admin
from ringlet.web.api import Office, Req
from ringlet.web.auth import KeyRing
from ringlet.web.door import Door
from ringlet.web.handler import routes as handler
from ringlet.web.handler.tables import Tables
from ringlet.web.limits import Limits
from ringlet.web.pages import errors as page_errors
from ringlet.web.pages.routes import router as pages
from ringlet.web.prices import CodeLists, PriceTables
from ringlet.web.statuses import Statuses
from ringlet.web.streams import LISTENS_RENEWED_S, Streams

BODY_MAX = 64 * 1024
PRICES_PAUSE_S = 1.0
PRICES_AT_LEAST_S = 15.0
BRANDS_AT_LEAST_S = 60.0
KEYS_USED_S = 60.0
PRESENCE_LEAVES_S = 1.0

log = structlog.get_logger("ringlet.web")


def make(desk: Desk) -> Door:
    """The ASGI application. `desk` is open; prices are loaded before the first request is taken."""
    return at_desk(application(), desk)


def application() -> Litestar:
    """All routes; who works behind them comes with `at_desk`."""
    public: list[ControllerRouterHandler] = [
        api.router, listen.router, statistics.router, webhooks.router, agent.push_sms,
    ]  # fmt: skip
    return Litestar(
        route_handlers=[
            *public, *handler.HANDLERS, hints.take_hint, identity.take_answer, payments.take_notice, fivesim.router, _health(),
            system.get_reached, welcome.door, pages, admin, openapi.handler(public),
        ],
        exception_handlers={
            Refusal: refusals.render, HTTPException: _render, Exception: refusals.render,
        },
        request_max_body_size=BODY_MAX,
        openapi_config=None,  # our own document; Litestar's pages would load scripts from elsewhere
        lifespan=[_beside],
        logging_config=None,
        debug=False,
    )  # fmt: skip


def at_desk(app: Litestar, desk: Desk) -> Door:
    """The application with this desk behind it."""
    office = Office(
        desk=desk,
        keys=KeyRing(desk),
        limits=Limits(desk.settings.rate_limit),
        statuses=Statuses(desk),
        streams=Streams(desk),
        figures=Figures(desk.db),
        tables=PriceTables(desk),
        codes=CodeLists(desk),
    )
    app.state = State({"office": office, "handler_tables": Tables(desk)})
    return Door(app, office)


def _render(request: Req, error: HTTPException) -> Response[Any]:
    """An address that we do not have: a page for browsers, the contract's form for programs."""
    if page_errors.is_for_people(request, error):
        return page_errors.ErrorPage(request, error)
    return refusals.render(request, error)


def _health() -> Router:
    return Router("/", route_handlers=[health.healthz, health.readyz, health.get_metrics])


@contextlib.asynccontextmanager
async def _beside(app: Litestar) -> AsyncIterator[None]:
    """Keeps what is in memory fresh and tells of this process, for as long as the application runs."""
    office: Office = app.state.office
    tasks = [
        asyncio.create_task(_keep_prices(office.desk), name="prices"),
        asyncio.create_task(_keep_brands(office.desk), name="brands"),
        asyncio.create_task(_every(KEYS_USED_S, office.keys.note_use), name="keys used"),
        asyncio.create_task(office.streams.run(), name="streams"),
        asyncio.create_task(_tell_presence(office.desk), name="presence"),
        asyncio.create_task(_every(LISTENS_RENEWED_S, office.streams.renew), name="streams listen"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_prices(desk: Desk) -> None:
    changed = asyncio.Event()
    desk.feed.subscribe(lambda topic, _: changed.set() if topic == "catalogue" else None, changed.set)
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), min(PRICES_AT_LEAST_S, desk.prices.rules.changes_in_s()))
        changed.clear()
        await _try(desk.refresh_prices)
        await asyncio.sleep(PRICES_PAUSE_S)


async def _tell_presence(desk: Desk) -> None:
    presence = Presence("web")
    try:
        while True:
            await _try(lambda: presence.tell(desk))
            await asyncio.sleep(TOLD_EVERY_S)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PRESENCE_LEAVES_S):
                await _try(lambda: presence.leave(desk))


async def _keep_brands(desk: Desk) -> None:
    changed = asyncio.Event()
    desk.feed.subscribe(lambda topic, _: changed.set() if topic == brands.TOPIC else None, changed.set)
    while True:
        await _try(desk.refresh_brands)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), BRANDS_AT_LEAST_S)
        changed.clear()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _try(work)


async def _try(work: Callable[[], Awaitable[object]]) -> None:
    """What runs beside the requests outlives a database that is away."""
    try:
        await work()
    except Refusal as refusal:
        log.warning("beside", work=getattr(work, "__name__", ""), refused=refusal.code)
