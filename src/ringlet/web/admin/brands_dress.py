"""How a brand looks: its colours with what contrast they have, and its logo."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import colours
from ringlet.backoffice import brand_dress, brands
from ringlet.brands import Brand
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Form, Req

BRAND = "/admin/brands/{brand_id:int}"
#: of a form with a logo, above what a logo may have: a little too much is told in words
UPLOAD_MAX = 2 * brand_dress.FILE_MAX


@get(BRAND + "/colours", include_in_schema=False, opt=wants(Right.OWN))
async def get_colours(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """The colours as they are, with their contrasts. Refuses: NotFound."""
    return await _page(request, brand_id)


@post(BRAND + "/colours", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_colours(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """Wear them; the button "check" only shows what contrast they would have. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    if "check" in form:
        return await _page(request, brand_id, form=form)
    try:
        await brand_dress.recolour(seen.desk, gate.actor(request, seen), brand_id, form)
    except ValidationFailed as refused:
        return await _page(request, brand_id, 422, form=form, refused=refused)
    return render.go(request, seen, f"/admin/brands/{brand_id}/colours", seen.words.gettext("Saved."))


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
    form = form if form is not None else _form(brand)
    try:
        palette = colours.palette(form)
    except ValidationFailed as unread:
        palette, refused, status = dict(brand.colours), unread, 422
    return await render.page(
        request, seen, "admin/brand_colours.html", status, brand=brand, form=form, refused=refused, tab="colours",
        defaults=colours.DEFAULTS, worn={**colours.DEFAULTS, **palette}, contrasts=colours.contrasts(palette),
        shown=colours.shown, modes=colours.MODES,
    )  # fmt: skip


def _form(brand: Brand) -> Form:
    return Form([
        (f"{token}-{mode}", colour)
        for token, pair in brand.colours.items()
        for mode, colour in zip(colours.MODES, pair, strict=True)
        if colour not in colours.DEFAULTS[token]
    ])  # fmt: skip


@post(
    BRAND + "/logo",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.OWN),
    request_max_body_size=UPLOAD_MAX,
)
async def post_logo(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """Show this picture instead of the name. Refuses: NotFound."""
    seen = gate.begin(request)
    try:
        file = await visit.upload(request, seen, "logo")
        await brand_dress.set_logo(seen.desk, gate.actor(request, seen), brand_id, file)
    except ValidationFailed as refused:
        return await _logo_page(request, brand_id, 422, refused=refused)
    return render.go(request, seen, f"/admin/brands/{brand_id}/logo", seen.words.gettext("Saved."))


@get(BRAND + "/logo", include_in_schema=False, opt=wants(Right.OWN))
async def get_logo(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """The logo, and a form for another one. Refuses: NotFound."""
    return await _logo_page(request, brand_id)


@post(BRAND + "/logo/remove", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_remove_logo(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """The name again. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    await brand_dress.remove_logo(seen.desk, gate.actor(request, seen), brand_id)
    return render.go(request, seen, f"/admin/brands/{brand_id}/logo", seen.words.gettext("Removed."))


async def _logo_page(
    request: Req, brand_id: int, status: int = 200, *, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    brand = await brands.one(seen.desk, brand_id)
    return await render.page(
        request, seen, "admin/brand_logo.html", status, brand=brand, refused=refused, tab="logo",
        file_max_kib=brand_dress.FILE_MAX // 1024, width=brand_dress.WIDTH_MAX, height=brand_dress.HEIGHT_MAX,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_colours, post_colours, post_logo, get_logo, post_remove_logo]
