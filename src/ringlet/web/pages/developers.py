"""Developers: keys, webhooks, docs and test mode in one place, and a first request that runs."""

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ringlet.people import keys
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Req
from ringlet.webhooks import endpoints


@get("/developers", include_in_schema=False)
async def get_developers(request: Req) -> Response[str]:
    """Where a program begins."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    good = [key for key in await keys.list_keys(seen.desk, person) if key.is_good]
    live_hooks = await endpoints.list_endpoints(seen.desk, person.live_wallet_id)
    test_hooks = await endpoints.list_endpoints(seen.desk, person.test_wallet_id)
    return await render.page(
        request, seen, "developers.html", live=[key for key in good if key.mode == "live"],
        test=[key for key in good if key.mode == "test"], live_hooks=len(live_hooks), test_hooks=len(test_hooks),
        base=seen.desk.settings.public_url,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_developers]
