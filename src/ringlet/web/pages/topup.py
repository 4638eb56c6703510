"""Topping up: ask for a payment, and the page of one payment, which keeps itself true until it is over.

The form's answer leads to that page and never to a gateway at once: `form-action 'self'` holds for where a form's answer
leads too, so a browser would stop there. The page has a link to the gateway instead, which the policy does not mind.
"""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import ledger
from ringlet.errors import NotFound, RateLimited, ValidationFailed
from ringlet.people import redeem
from ringlet.topups import begin, proof, store
from ringlet.web.pages import account, add_credit, render, topup_shown, visit, wallet
from ringlet.web.pages.topup_shown import PUBLIC_ID, Shown
from ringlet.web.pages.visit import Req, Visit

#: the file, and what a form adds to it
UPLOAD_MAX = proof.FILE_MAX + 64 * 1024


@get("/wallet/top-up", include_in_schema=False)
async def get_payments(request: Req) -> Response[str]:
    """All payments, newest first; for the wallet's page the newest few, or nothing when nothing has changed since."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    before = request.query_params.get("before", "")
    async with seen.desk.db.connection() as tx:
        after = await store.of_wallet(tx, person.wallet_id, before) if PUBLIC_ID.fullmatch(before) else None
        found = await store.part(tx, person.wallet_id, after.id if after else None)
        balance = await ledger.balance(tx, person.wallet_id)
    if not visit.is_swap(request):
        return await render.page(
            request, seen, "topups.html", balance=balance, payments=found[: store.PART], is_first=after is None,
            older=found[store.PART - 1].public_id if len(found) > store.PART else "",
        )  # fmt: skip
    newest = found[: add_credit.SHOWN]
    version = add_credit.version(newest, balance.available_micros)
    if version == request.query_params.get("seen", ""):
        return Response("", status_code=204, headers=render.HEADERS)
    return render.part(
        seen, "parts/topups_answer.html", payments=newest, balance=balance, wallet=balance, payments_version=version,
        has_more_payments=len(found) > len(newest),
    )  # fmt: skip


@post("/wallet/top-up", include_in_schema=False, status_code=200)
async def post_topup(request: Req) -> Response[str]:
    """Ask for a payment; the same form sent twice asks once."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    try:
        wish = await add_credit.read(seen, form)
        topup = await begin.begin(seen.desk, person.wallet_id, wish.gateway_id, wish.amount_micros, wish.once)
    except ValidationFailed as refused:
        return await wallet.page(request, seen, 422, topup_form=form, refused=refused)
    return render.redirect(request, f"/wallet/top-up/{topup.public_id}", seen.cookies)


@get("/wallet/top-up/{topup_id:str}", include_in_schema=False)
async def get_topup(request: Req, topup_id: FromPath[str]) -> Response[str]:
    """One payment; its gateway is asked soon when somebody opens it. Refuses: NotFound, also for somebody else's."""
    seen = await visit.begin(request)
    if visit.is_swap(request):
        return await _again(request, seen, topup_id)
    found = await topup_shown.shown(seen, topup_id)
    if found.goes_on:
        async with seen.desk.db.connection() as tx:
            await store.nudge(tx, found.topup.wallet_id, topup_id)
    return await page(request, seen, found)


async def _again(request: Req, seen: Visit, topup_id: str) -> Response[str]:
    """The page asks whether anything has changed."""
    try:
        found = await topup_shown.shown(seen, topup_id)
    except NotFound:
        return render.redirect(request, "/wallet")  # the other mode was chosen elsewhere
    if found.version == request.query_params.get("seen", ""):
        return Response("", status_code=204, headers=render.HEADERS)
    return render.part(seen, "parts/topup_answer.html", balance=found.balance, **_told(found))


async def page(
    request: Req, seen: Visit, found: Shown, status: int = 200, *, refused: ValidationFailed | None = None
) -> Response[str]:
    """The page of one payment, with what was wrong about its form."""
    return await render.page(
        request, seen, "topup.html", status, balance=found.balance, refused=refused, **_told(found)
    )


def _told(found: Shown) -> dict[str, Any]:
    return {"shown": found, "topup": found.topup}


@post(
    "/wallet/top-up/{topup_id:str}/proof", include_in_schema=False, status_code=200, request_max_body_size=UPLOAD_MAX
)  # fmt: skip
async def post_proof(request: Req, topup_id: FromPath[str]) -> Response[str]:
    """A file that shows the transfer. Refuses: NotFound."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    try:
        name, content = await visit.upload_named(request, seen, "proof")
        await proof.attach(seen.desk, person.wallet_id, topup_id, name, content)
    except ValidationFailed as refused:
        return await page(request, seen, await topup_shown.shown(seen, topup_id), 422, refused=refused)
    return render.redirect(request, f"/wallet/top-up/{topup_id}", seen.cookies)


@post("/wallet/voucher", include_in_schema=False, status_code=200)
async def post_voucher(request: Req) -> Response[str]:
    """A code becomes credit at once; sent twice, once."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    try:
        address = account.sender(request)[0]
        topup = await redeem.redeem(seen.desk, person.wallet_id, form.text("voucher"), address)
    except (ValidationFailed, RateLimited) as refused:
        made = await wallet.page(request, seen, refused.status, topup_form=form, refused=refused)
        if refused.retry_after_s is not None:
            made.headers["Retry-After"] = str(refused.retry_after_s)
        return made
    return render.redirect(request, f"/wallet/top-up/{topup.public_id}", seen.cookies)


HANDLERS: list[ControllerRouterHandler] = [get_payments, post_topup, get_topup, post_proof, post_voucher]
