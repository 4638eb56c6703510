"""What the pages about an account share: where a request comes from, proof before sensitive acts, refused forms."""

from typing import Any
from urllib.parse import quote

from litestar import Response

from ringlet.errors import Refusal
from ringlet.people.visitor import Visitor, needs_proof
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Req, SeeOther, Visit

USER_AGENT = "user-agent"


def sender(request: Req) -> tuple[str | None, str]:
    """Address and browser, as they stand in the list of sessions."""
    return (request.client.host if request.client else None), request.headers.get(USER_AGENT, "")


def with_next(path: str, onward: str) -> str:
    """A page that leads on to another one afterwards."""
    return path if onward == "/" else f"{path}?next={quote(onward, safe='/')}"


def proven(seen: Visit, onward: str) -> Visitor:
    """The person, who has proved within the hour that he is it; otherwise he does so first (SeeOther)."""
    person = seen.signed_in()
    if needs_proof(person):
        raise SeeOther(with_next("/prove", onward))
    return person


async def refuse(request: Req, seen: Visit, template: str, refused: Refusal, **context: Any) -> Response[str]:
    """The form once more, with what was wrong in its place."""
    made = await render.page(request, seen, template, refused.status, refused=refused, **context)
    if refused.retry_after_s is not None:
        made.headers["Retry-After"] = str(refused.extra.get("retry_after", refused.retry_after_s))
    return made


def onward_of(request: Req) -> str:
    """Where `?next=` leads: a page of ours, or the start."""
    return visit.local(request.query_params.get("next"))
