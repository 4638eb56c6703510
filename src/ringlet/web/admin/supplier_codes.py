"""What a supplier calls countries and services, and which of ours that is."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import canon
from ringlet.backoffice import supplier_codes, supplier_desk, supplier_health
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.supplying import codes
from ringlet.web.admin import gate, pricing_form
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import cell
from ringlet.web.admin.supplier import PATH
from ringlet.web.admin.trade import may_change, places
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req


@get(PATH + "/codes", include_in_schema=False, opt=wants(Right.SEE))
async def get_codes(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Words without a name of ours first: each with what it most likely means."""
    return await _page(request, source_id)


@post(PATH + "/codes", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_codes(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Decide about the words that were ticked: what they mean, or that they are not sold. All of them, or none."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    kind = form.text("kind")
    try:
        decisions = _decisions(form, kind)
        mapped = await codes.map_codes(seen.desk, terms.name, kind, decisions, gate.actor(request, seen))
    except (ValidationFailed, NotFound) as refused:
        return await _page(request, source_id, form=form, refused=refused)
    said = seen.words.ngettext(
        "%(n)s word is decided; its offers come with the next sync.",
        "%(n)s words are decided; their offers come with the next sync.", len(mapped),
    ) % {"n": len(mapped)}  # fmt: skip
    onward = f"/admin/suppliers/{source_id}/codes?kind={kind}"
    return render.go(request, seen, onward, said)


def _decisions(form: Form, kind: str) -> dict[str, str | None]:
    """Theirs → ours of every row that is ticked; None where it is not to be sold."""
    if kind not in codes.KINDS:
        raise NotFound
    ticked = [each for each in form.many("row") if each.isascii() and each.isdigit()]
    if not ticked:
        raise ValidationFailed("Tick the words that you decide about")
    if form.text("do") == "ignore":
        return {form.get(f"theirs-{row}", ""): None for row in ticked}
    return {form.get(f"theirs-{row}", ""): _ours(form.text(f"ours-{row}"), kind) for row in ticked}


def _ours(text: str, kind: str) -> str:
    read = pricing_form.country if kind == codes.COUNTRY else pricing_form.service
    found = read(text, "body")
    if found is None:
        raise ValidationFailed("A ticked word has nothing of ours beside it")
    return str(found)


async def _page(
    request: Req, source_id: int, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    asked = form if form is not None else request.query_params
    kind = asked.get("kind", "") if asked.get("kind", "") in codes.KINDS else codes.SERVICE
    shown = request.query_params.get("shown", "open")
    shown = shown if shown in supplier_codes.SHOWN else "open"
    health = await supplier_health.one(seen.desk, source_id)
    after = cell(request.query_params.get("after", ""), codes.WORD_LENGTH_MAX)
    found = await supplier_codes.words(seen.desk, source_id, kind, shown, after)
    ours = canon.countries() if kind == codes.COUNTRY else canon.services()
    return await render.page(
        request, seen, "admin/supplier_codes.html", 422 if refused else 200, may_change=may_change(seen), health=health, found=found, kind=kind,
        shown=shown, form=form, refused=refused, ours=ours, places=places(seen.words),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_codes, post_codes]
