"""The demo gateway's own page: buttons in the place of money. Only whose payment it is sees it."""

import re

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import NotFound
from ringlet.topups import demo_pay
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Req

PAGE = "/demo-pay/{external_id:str}"


@get(PAGE, include_in_schema=False)
async def get_demo_pay(request: Req, external_id: FromPath[str]) -> Response[str]:
    """What is to be paid, and what a payer may do. Refuses: NotFound, also for somebody else's."""
    seen = await visit.begin(request)
    found = await demo_pay.find(seen.desk, seen.signed_in().wallet_id, _name(external_id))
    return await render.page(
        request, seen, "demo_pay.html", payment=found, less_micros=demo_pay.less(found.amount_micros),
        more_micros=demo_pay.more(found.amount_micros),
    )  # fmt: skip


@post(PAGE, include_in_schema=False, status_code=200)
async def post_demo_pay(request: Req, external_id: FromPath[str]) -> Response[str]:
    """Pay, pay otherwise, turn away, or take it back; then to where the payer came from. Refuses: NotFound."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    found = await demo_pay.act(seen.desk, person.wallet_id, _name(external_id), form.text("do"))
    # A gateway would lead to `return_url`; it is one of ours, and this one is in the same house.
    return render.redirect(request, f"/wallet/top-up/{found.reference}", seen.cookies)


def _name(external_id: str) -> str:
    """A payment's name at the demo. Refuses: NotFound for what cannot be one."""
    if not re.fullmatch("demo_tu_[0-9A-Za-z]{22}", external_id):
        raise NotFound
    return external_id


HANDLERS: list[ControllerRouterHandler] = [get_demo_pay, post_demo_pay]
