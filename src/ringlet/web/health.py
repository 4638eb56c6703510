"""Is it alive, is it ready, what does it count. None of these touches a customer's data."""

import hmac
import os
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ringlet import migrations
from ringlet.errors import NotFound, Refusal
from ringlet.settings import Settings
from ringlet.web.api import office

HTTP_UNAVAILABLE = 503
NEWEST_MIGRATION = max(migrations.known())


@get("/healthz", include_in_schema=False)
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@get("/readyz", include_in_schema=False)
async def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """The database answers and has this version's schema."""
    try:
        async with office(request).desk.db.connection() as tx:
            newest = await migrations.newest_applied(tx)
    except Refusal:
        return Response({"status": "database out of reach"}, status_code=HTTP_UNAVAILABLE)
    if newest < NEWEST_MIGRATION:
        return Response({"status": "migrations missing: ringlet migrate"}, status_code=HTTP_UNAVAILABLE)
    return Response({"status": "ready"})


@get("/metrics", include_in_schema=False)
async def get_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """For Prometheus, with the metrics key as bearer."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode("utf-8", "replace")
    if not hmac.compare_digest(given, metrics_key(office(request).desk.settings).encode()):
        raise NotFound("No such address")
    return Response(generate_latest(_registry()), media_type=CONTENT_TYPE_LATEST)


def metrics_key(settings: Settings) -> str:
    """The key that opens /metrics: set by the operator, or derived from the installation's secret."""
    return settings.metrics_key or hmac.digest(settings.secret, b"metrics", "sha256").hex()


def _registry() -> CollectorRegistry:
    """This process's figures, or those of all web processes together when they share a folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
