"""Brands: the list, a new one, and what each is called and where it is found."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import brands
from ringlet.backoffice.brands import Profile
from ringlet.brands import Brand
from ringlet.errors import Refusal, ValidationFailed
from ringlet.languages import LANGUAGES
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req

LIST = "/admin/brands"
DIGITS_MAX = 9


@get(LIST, include_in_schema=False, opt=wants(Right.OWN))
async def get_brands(request: Req) -> Response[str]:
    """All brands, and a form for another one."""
    return await _list(request)


@post(LIST, include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_brand(request: Req) -> Response[str]:
    """Open a brand: its reseller gets money from its sales, so it asks who you are."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, LIST)
    try:
        reseller = form.text("reseller")
        brand_id = await brands.add(seen.desk, gate.actor(request, seen), _profile(form), reseller)
    except ValidationFailed as refused:
        return await _list(request, 422, form=form, refused=refused)
    return render.go(request, seen, f"{LIST}/{brand_id}", seen.words.gettext("The brand is open."))


@get(LIST + "/{brand_id:int}", include_in_schema=False, opt=wants(Right.OWN))
async def get_brand(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """One brand. Refuses: NotFound."""
    return await _page(request, brand_id)


@post(LIST + "/{brand_id:int}", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_change(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """Name, hosts, languages, sender, support. Refuses: NotFound."""
    seen = gate.begin(request)
    onward = f"{LIST}/{brand_id}"
    form = await gate.sensitive(request, seen, onward)
    typed = form.text("version")
    version = int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= DIGITS_MAX else 0
    try:
        await brands.change(seen.desk, gate.actor(request, seen), brand_id, version, _profile(form))
    except ValidationFailed as refused:
        return await _page(request, brand_id, 422, form=form, refused=refused)
    return render.go(request, seen, onward, seen.words.gettext("Saved."))


def _profile(form: Form) -> Profile:
    chosen = [each for each in form.many("languages") if each in LANGUAGES]
    return Profile(
        name=form.get("name", ""), hosts=form.get("hosts", "").split(),
        # All that there are is what a brand has that chooses none: a language that is added later comes to it.
        languages=[] if len(chosen) == len(LANGUAGES) else chosen,
        mail_from=form.text("mail_from"), support_url=form.text("support_url"),
    )  # fmt: skip


async def _list(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    found = await brands.everything(seen.desk)
    return await render.page(
        request, seen, "admin/brands.html", status, brands=found, house=seen.desk.brands.get(1).name,
        counted_max=brands.COUNTED_MAX, form=form or Form([]), refused=refused,
    )  # fmt: skip


async def _page(
    request: Req,
    brand_id: int,
    status: int = 200,
    *,
    form: Form | None = None,
    refused: Refusal | None = None,
) -> Response[str]:
    seen = gate.begin(request)
    brand = await brands.one(seen.desk, brand_id)
    return await render.page(
        request, seen, "admin/brand.html", status, brand=brand, form=form or _form(brand),
        all_languages=LANGUAGES, refused=refused, tab="",
    )  # fmt: skip


def _form(brand: Brand) -> Form:
    shown = [("languages", each) for each in brand.languages or LANGUAGES]
    return Form([
        ("name", brand.name), ("hosts", "\n".join(brand.hosts)), ("mail_from", brand.mail_from),
        ("support_url", brand.support_url), ("version", str(brand.version)), *shown,
    ])  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_brands, post_brand, get_brand, post_change]
