"""The rules of use: to read, and to accept when there is a version that one has not accepted yet."""

from typing import Any

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.errors import ValidationFailed
from ringlet.people import acceptable_use
from ringlet.people.visitor import Visitor
from ringlet.web.pages import plain, render, visit
from ringlet.web.pages.account import onward_of, refuse, with_next
from ringlet.web.pages.visit import Form, Req, SeeOther, Visit

HOME = "/acceptable-use"
DIGITS_MAX = 9


def agreed(form: Form) -> int | None:
    """The version that this form accepts."""
    text = form.text(acceptable_use.FIELD)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None


async def check(seen: Visit, person: Visitor, onward: str = "/") -> None:
    """Before a purchase on the pages: who has not accepted the rules that hold now does so first (SeeOther)."""
    if await acceptable_use.is_owed(seen.desk, person.person_id):
        raise SeeOther(with_next(HOME, onward))


@get(HOME, include_in_schema=False)
async def get_rules(request: Req) -> Response[str]:
    """The rules that hold now, for everybody."""
    seen = await visit.begin(request)
    return await render.page(request, seen, "rules.html", **(await _context(seen)), onward=onward_of(request))


async def _context(seen: Visit) -> dict[str, Any]:
    person = seen.visitor
    is_owed = person is not None and await acceptable_use.is_owed(seen.desk, person.person_id)
    rules = await acceptable_use.shown(seen.desk)
    return {"rules": rules, "parts": plain.parts(rules.text), "is_owed": is_owed}


@post(HOME, include_in_schema=False, status_code=200)
async def post_rules(request: Req) -> Response[str]:
    """Accepted, and on to where somebody was going."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    onward = visit.local(form.get("next"))
    try:
        await acceptable_use.accept(seen.desk, seen.signed_in().person_id, agreed(form))
    except ValidationFailed as refused:
        return await refuse(request, seen, "rules.html", refused, **(await _context(seen)), onward=onward)
    return render.go(request, seen, onward, seen.words.gettext("Accepted. You can go on."))


HANDLERS: list[ControllerRouterHandler] = [get_rules, post_rules]
