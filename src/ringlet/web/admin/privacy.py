"""Privacy: what is kept for how long, the rules of use, domains of mailboxes for an hour, identity checks."""

from typing import Any

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import privacy
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.rules import agreed
from ringlet.web.pages.visit import Form, Req
from ringlet.webhooks import identity

HOME = "/admin/privacy"


@get(HOME, include_in_schema=False, opt=wants(Right.SEE))
async def get_privacy(request: Req) -> Response[str]:
    """How it is now."""
    return await _page(request)


async def _page(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None, **more: Any
) -> Response[str]:
    seen = gate.begin(request)
    found = await privacy.decided(seen.desk)
    return await render.page(
        request, seen, "admin/privacy.html", status, form=form or Form([]), found=found, refused=refused,
        answers_to=f"{seen.desk.settings.public_url}/hooks/identity", **{"secret": None, **more},
    )  # fmt: skip


@post(HOME + "/keep", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_keep(request: Req) -> Response[str]:
    """Days, and proof of work."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    try:
        await privacy.keep(
            seen.desk, gate.actor(request, seen), form.text("text_days"), form.text("number_days"),
            asks_for_work=form.text("asks_for_work") == "yes",
        )  # fmt: skip
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, HOME, seen.words.gettext("Saved."))


@post(HOME + "/rules", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_rules(request: Req) -> Response[str]:
    """A new version of the rules of use."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    try:
        version = await privacy.raise_rules(
            seen.desk, gate.actor(request, seen), form.get("rules", ""), after=agreed(form) or 0
        )
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    said = seen.words.gettext("Version %(version)s holds. Everybody accepts it before the next purchase.")
    return render.go(request, seen, HOME, said % {"version": version})


@post(HOME + "/domains", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_domains(request: Req) -> Response[str]:
    """Refuse a domain, allow one, or leave it to the list."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    actor, domain, wish = gate.actor(request, seen), form.text("domain"), form.text("do")
    try:
        if wish == "leave":
            await privacy.leave_domain(seen.desk, actor, domain)
        else:
            await privacy.decide_domain(seen.desk, actor, domain, is_refused=wish != "allow")
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, HOME, seen.words.gettext("Saved."))


@post(HOME + "/identity", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_identity(request: Req) -> Response[str]:
    """The address that is asked; its secret is on this answer alone."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    actor = gate.actor(request, seen)
    if form.text("do") == "drop":
        await identity.drop_hook(seen.desk, actor)
        return render.go(request, seen, HOME, seen.words.gettext("Nobody is asked any more."))
    try:
        secret = await identity.set_hook(seen.desk, actor, form.text("url"))
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return await _page(request, secret=secret)


HANDLERS: list[ControllerRouterHandler] = [get_privacy, post_keep, post_rules, post_domains, post_identity]
