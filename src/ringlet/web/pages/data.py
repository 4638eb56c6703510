"""A person's own data: to take along, and to have it forgotten."""

from typing import Any

from litestar import Response, get, post
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet.acts import Actor
from ringlet.backoffice import people_data, privacy
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.visitor import Visitor
from ringlet.web.pages import render, visit
from ringlet.web.pages.account import proven, refuse
from ringlet.web.pages.visit import Req, Visit

HOME = "/profile/data"


@get(HOME, include_in_schema=False)
async def get_data(request: Req) -> Response[str]:
    """What is kept, for how long, and the way out."""
    seen = await visit.begin(request)
    return await render.page(request, seen, "profile_data.html", **(await _context(seen)))


async def _context(seen: Visit) -> dict[str, Any]:
    person = seen.signed_in()
    return {
        "left": await people_data.left(seen.desk, person.customer_id),
        "kept": (await privacy.decided(seen.desk)).kept,
    }


@get("/profile/data.json", include_in_schema=False)
async def get_export(request: Req) -> Stream:
    """Everything, as one JSON document; who asks for it has proved within the hour who he is."""
    seen = await visit.begin(request)
    person = proven(seen, HOME)
    head = {**render.HEADERS, "Content-Disposition": 'attachment; filename="my-data.json"'}
    content = people_data.export(seen.desk, person.customer_id)
    return Stream(content, media_type="application/json", headers=head)


@post("/profile/data/erase", include_in_schema=False, status_code=200)
async def post_erase(request: Req) -> Response[str]:
    """The account is shut and forgotten, by the person himself and nobody who sits at his screen later."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        if form.text("email").lower() != person.email:
            raise ValidationFailed("Write the address of this account here", field="email")
        given_up = form.text("gives_up")
        await people_data.erase(
            seen.desk, _himself(person), person.customer_id, "asked for by the person",
            gives_up_micros=int(given_up) if given_up.isascii() and given_up.isdigit() else 0,
        )  # fmt: skip
    except Refusal as refused:
        return await refuse(request, seen, "profile_data.html", refused, **(await _context(seen)))
    seen.end_session()
    made = render.go(request, seen, "/", seen.words.gettext("Your account is closed and forgotten."))
    made.headers["Clear-Site-Data"] = '"cache", "storage"'
    return made


def _himself(person: Visitor) -> Actor:
    """Without address and browser: the log is kept for ever, and this person is not."""
    return Actor(f"customer {person.customer_id}", "customer")


HANDLERS: list[ControllerRouterHandler] = [get_data, get_export, post_erase]
