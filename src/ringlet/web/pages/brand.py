"""What a brand wears and says to everybody: its colours, its logo, its legal pages."""

from collections.abc import Awaitable, Callable

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import brands, colours
from ringlet.brands import Brand
from ringlet.errors import NotFound
from ringlet.web.pages import plain, render, visit
from ringlet.web.pages.assets import FOREVER
from ringlet.web.pages.visit import Req, Visit

DIGITS_MAX = 9


@get("/brand/{name:str}", include_in_schema=False)
async def get_dress(request: Req, name: FromPath[str]) -> Response[bytes]:
    """2-7.css, 2-7.png, 2-7-icon.png: of brand 2 in its version 7. Refuses: NotFound."""
    seen = await visit.begin(request)
    numbers, _, suffix = name.replace("-icon.", ".icon.").partition(".")
    made = _MADE.get(suffix)
    brand_id, _, version = numbers.partition("-")
    if made is None or not all(
        each.isascii() and each.isdigit() and len(each) <= DIGITS_MAX for each in (brand_id, version)
    ):
        raise NotFound
    brand = seen.desk.brands.get(int(brand_id))
    if brand.id != int(brand_id):
        raise NotFound
    # Another process may know a newer version already: what is asked for under another number is not kept.
    kept = FOREVER if brand.version == int(version) else "no-store"
    media_type, read = made
    return Response(await read(seen, brand), media_type=media_type, headers={"Cache-Control": kept})


async def _sheet(_: Visit, brand: Brand) -> bytes:
    return colours.sheet(brand.colours).encode()


async def _logo(seen: Visit, brand: Brand) -> bytes:
    async with seen.desk.db.connection() as tx:
        return (await brands.logo(tx, brand.id)).content


async def _icon(seen: Visit, brand: Brand) -> bytes:
    async with seen.desk.db.connection() as tx:
        return (await brands.logo(tx, brand.id)).icon


_MADE: dict[str, tuple[str, Callable[[Visit, Brand], Awaitable[bytes]]]] = {
    "css": ("text/css; charset=utf-8", _sheet),
    "png": ("image/png", _logo),
    "icon.png": ("image/png", _icon),
}


@get([f"/{kind}" for kind in brands.PAGES], include_in_schema=False)
async def get_page(request: Req) -> Response[str]:
    """A legal page in the reader's language, or in the one that there is. Refuses: NotFound."""
    seen = await visit.begin(request)
    kind = request.scope["path"].strip("/")
    async with seen.desk.db.connection() as tx:
        body, language = await brands.page(tx, seen.brand.id, kind, seen.words.language)
    return await render.page(
        request, seen, "legal.html", kind=kind, parts=plain.parts(body), language=language
    )


HANDLERS: list[ControllerRouterHandler] = [get_dress, get_page]
