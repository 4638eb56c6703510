"""One customer: what staff see and what they do."""

import re
import secrets
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import adjustments, dossier, notes, standing
from ringlet.backoffice.adjustments import Wish
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people import identity
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import amount_micros
from ringlet.web.pages import render
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req

_ONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@get("/admin/customers/{customer_id:int}", include_in_schema=False, opt=wants(Right.SEE))
async def get_customer(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """Everything about one customer. Refuses: NotFound."""
    return await page(request, customer_id)


async def page(
    request: Req, customer_id: int, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None,
    opened: str = "",
) -> Response[str]:  # fmt: skip
    """The page, with the form `opened` that was refused, as it was typed."""
    seen = gate.begin(request)
    found = await dossier.look(seen.desk, customer_id)
    rights = {right for right in Right if may(seen.signed_in().role, right)}
    return await render.page(
        request, seen, "admin/customer.html", status, dossier=found, customer=found.customer, rights=rights, Right=Right,
        form=form or Form([]), refused=refused, opened=opened, names=Names(seen.words), once=secrets.token_urlsafe(12),
        limit_micros=seen.desk.settings.adjustment_limit_micros, check=await identity.look(seen.desk, customer_id),
    )  # fmt: skip


@post(
    "/admin/customers/{customer_id:int}/adjust",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.MONEY),
)
async def post_adjust(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """Credit or debit; above the limit it waits for a second person."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _at(customer_id))
    try:
        wish = Wish(customer_id, _amount(form), form.text("reason"), _once(form))
        is_posted = await adjustments.ask(seen.desk, gate.actor(request, seen), wish)
    except ValidationFailed as refused:
        return await page(request, customer_id, 422, form=form, refused=refused, opened="adjust")
    _ = seen.words.gettext
    said = _("Posted.") if is_posted else _("It waits for a second person, at Money.")
    return render.go(request, seen, _at(customer_id), said)


def _amount(form: Form) -> int:
    """The amount with its sign, in micro-units; 0 is refused by whoever posts it. Refuses: ValidationFailed."""
    micros = amount_micros(form.text("amount"))
    if not micros:
        raise ValidationFailed("An amount such as 12.50", field="amount")
    return -micros if form.text("way") == "debit" else micros


def _once(form: Form) -> str:
    """Refuses: ValidationFailed."""
    if not _ONCE.fullmatch(form.text("once")):
        raise ValidationFailed("This page has become old: load it again, then send the form once more")
    return form.text("once")


@post(
    "/admin/customers/{customer_id:int}/freeze",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.SUPPORT),
)
async def post_freeze(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """Frozen at once, in every process."""
    return await _stand(request, customer_id, standing.freeze, "Frozen: nothing can be bought any more.")


@post(
    "/admin/customers/{customer_id:int}/thaw",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.SUPPORT),
)
async def post_thaw(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """As it was before."""
    return await _stand(request, customer_id, standing.thaw, "No longer frozen.")


async def _stand(request: Req, customer_id: int, change: Any, said: str) -> Response[str]:
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _at(customer_id))
    try:
        await change(seen.desk, gate.actor(request, seen), customer_id, form.text("reason"))
    except ValidationFailed as refused:
        return await page(request, customer_id, 422, form=form, refused=refused, opened="freeze")
    return render.go(request, seen, _at(customer_id), seen.words.gettext(said))


@post(
    "/admin/customers/{customer_id:int}/group",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.MONEY),
)
async def post_group(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """The prices of another group."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _at(customer_id))
    chosen = form.text("group")
    if chosen and not re.fullmatch(r"[0-9]{1,18}", chosen):
        raise ValidationFailed("No group is called that", field="group")
    await standing.put_in_group(
        seen.desk, gate.actor(request, seen), customer_id, int(chosen) if chosen else None
    )
    return render.go(request, seen, _at(customer_id), seen.words.gettext("Saved."))


@post(
    "/admin/customers/{customer_id:int}/notes",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.SUPPORT),
)
async def post_note(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """One more note."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    try:
        await notes.add(seen.desk, gate.actor(request, seen), customer_id, form.text("text"))
    except ValidationFailed as refused:
        return await page(request, customer_id, 422, form=form, refused=refused, opened="note")
    return render.go(request, seen, _at(customer_id) + "#notes", seen.words.gettext("Saved."))


@post(
    "/admin/customers/{customer_id:int}/keys/{key_id:int}/revoke", include_in_schema=False, status_code=200,
    opt=wants(Right.SUPPORT),
)  # fmt: skip
async def post_revoke(request: Req, customer_id: FromPath[int], key_id: FromPath[int]) -> Response[str]:
    """The key opens nothing any more, in every process."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _at(customer_id))
    try:
        await standing.revoke_key(
            seen.desk, gate.actor(request, seen), customer_id, key_id, form.text("reason")
        )
    except ValidationFailed as refused:
        return await page(request, customer_id, 422, form=form, refused=refused, opened=f"key-{key_id}")
    return render.go(request, seen, _at(customer_id) + "#keys", seen.words.gettext("Revoked."))


def _at(customer_id: int) -> str:
    return f"/admin/customers/{customer_id}"


HANDLERS: list[ControllerRouterHandler] = [
    get_customer, post_adjust, post_freeze, post_thaw, post_group, post_note, post_revoke,
]  # fmt: skip
