"""What a brand says: its legal pages, language by language, and its announcements."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import brand_words, brands
from ringlet.brands import PAGES, TONES
from ringlet.errors import Refusal, ValidationFailed
from ringlet.languages import LANGUAGES
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req, Visit

BRAND = "/admin/brands/{brand_id:int}"
#: a legal page is longer than any other form
PAGE_MAX = 512 * 1024


@get(BRAND + "/pages", include_in_schema=False, opt=wants(Right.OWN))
async def get_pages(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """The legal pages that there are, and one of them to write. Refuses: NotFound."""
    return await _pages(request, brand_id)


@post(
    BRAND + "/pages",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.OWN),
    request_max_body_size=PAGE_MAX,
)
async def post_page(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """This text; without a text there is no such page. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    kind, language = form.text("kind"), _language(seen, form)
    try:
        await brand_words.set_page(
            seen.desk, gate.actor(request, seen), brand_id, kind, language, form.get("body", "")
        )
    except ValidationFailed as refused:
        return await _pages(request, brand_id, 422, form=form, refused=refused)
    onward = f"/admin/brands/{brand_id}/pages?kind={kind}&language={language}"
    return render.go(request, seen, onward, seen.words.gettext("Saved."))


def _language(seen: Visit, form: Form) -> str:
    """One that pages come in, or the one that is shown."""
    language = form.text("language")
    return language if language in LANGUAGES else seen.words.language


async def _pages(
    request: Req,
    brand_id: int,
    status: int = 200,
    *,
    form: Form | None = None,
    refused: Refusal | None = None,
) -> Response[str]:
    seen = gate.begin(request)
    brand, written = await brands.one(seen.desk, brand_id), await brand_words.pages(seen.desk, brand_id)
    asked = form if form is not None else request.query_params
    kind = asked["kind"] if asked.get("kind") in PAGES else PAGES[0]
    language = asked["language"] if asked.get("language") in LANGUAGES else seen.words.language
    body = form.get("body", "") if form is not None else written.get((kind, language), "")
    return await render.page(
        request, seen, "admin/brand_pages.html", status, brand=brand, written=written, kinds=PAGES, kind=kind,
        language=language, body=body, all_languages=LANGUAGES, refused=refused, tab="pages",
    )  # fmt: skip


@get(BRAND + "/announcements", include_in_schema=False, opt=wants(Right.OWN))
async def get_announcements(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """What is said, was said and will be. Refuses: NotFound."""
    return await _announcements(request, brand_id)


@post(BRAND + "/announcements", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_announcement(request: Req, brand_id: FromPath[int]) -> Response[str]:
    """Say it on every page for a while. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    texts = {language: form.text(f"text-{language}") for language in LANGUAGES}
    try:
        starts_at, ends_at = (_moment(seen, form, name) for name in ("from", "until"))
        await brand_words.say(
            seen.desk, gate.actor(request, seen), brand_id, form.text("tone"), texts, starts_at, ends_at
        )
    except ValidationFailed as refused:
        return await _announcements(request, brand_id, 422, form=form, refused=refused)
    return render.go(request, seen, f"/admin/brands/{brand_id}/announcements", seen.words.gettext("Saved."))


def _moment(seen: Visit, form: Form, name: str) -> datetime:
    """As a browser writes it, in the reader's time zone; an empty beginning is now. Refuses: ValidationFailed."""
    typed = form.text(name)
    if not typed and name == "from":
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(seen.signed_in().time_zone))
    except ValueError:
        raise ValidationFailed(seen.words.gettext("A day and a time are needed"), field=name) from None


@post(
    BRAND + "/announcements/{said_id:int}/end", include_in_schema=False, status_code=200, opt=wants(Right.OWN)
)
async def post_unsay(request: Req, brand_id: FromPath[int], said_id: FromPath[int]) -> Response[str]:
    """Say it no longer. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    await brand_words.unsay(seen.desk, gate.actor(request, seen), brand_id, said_id)
    return render.go(request, seen, f"/admin/brands/{brand_id}/announcements", seen.words.gettext("Removed."))


async def _announcements(
    request: Req,
    brand_id: int,
    status: int = 200,
    *,
    form: Form | None = None,
    refused: Refusal | None = None,
) -> Response[str]:
    seen = gate.begin(request)
    brand, said = await brands.one(seen.desk, brand_id), await brand_words.announcements(seen.desk, brand_id)
    return await render.page(
        request, seen, "admin/brand_announcements.html", status, brand=brand, said=said, form=form or Form([]),
        tones=TONES, all_languages=LANGUAGES, refused=refused, tab="announcements",
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    get_pages, post_page, get_announcements, post_announcement, post_unsay,
]  # fmt: skip
