"""API keys management: made, shown once, changed, rolled, revoked."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import money
from ringlet.customers import SCOPES
from ringlet.errors import Forbidden, Refusal, ValidationFailed
from ringlet.people import keys
from ringlet.people.keys import KeyLine, NewKey
from ringlet.people.visitor import Visitor
from ringlet.web.api import office
from ringlet.web.pages import asked, render, visit
from ringlet.web.pages.account import proven, refuse
from ringlet.web.pages.visit import Form, Req, Visit

HOME = "/profile"
_APART = re.compile(r"[\s,;]+")


def labels(seen: Visit) -> dict[str, str]:
    """What each scope lets a program do."""
    _ = seen.words.gettext
    return {
        "prices:read": _("See prices and stock"),
        "activations:read": _("See numbers and codes"),
        "activations:write": _("Buy, cancel, ask for another SMS"),
        "balance:read": _("See the balance"),
        "webhooks:write": _("Set up webhooks"),
    }


async def context(seen: Visit, *, form: Form | None = None, made: str | None = None) -> dict[str, Any]:
    """What the section shows: the keys, the form as it was sent, and the token of a key that was just made."""
    person = seen.signed_in()
    found = await keys.list_keys(seen.desk, person)
    return {
        "keys": [key for key in found if key.is_good], "ended": [key for key in found if not key.is_good],
        "made": made, "form": form if form is not None else _fresh_form(seen, person, len(found)),
        "scopes": labels(seen), "scopes_set": form.many("scopes") if form is not None else list(SCOPES),
        **_bounds(seen, person),
    }  # fmt: skip


def _bounds(seen: Visit, person: Visitor) -> dict[str, Any]:
    """What the bounds of a key are written with; `end_of`: a day that ends at midnight is called by its own name."""
    zone = ZoneInfo(person.time_zone)

    def end_of(key: KeyLine) -> str:
        assert key.expires_at is not None
        if key.expires_at.astimezone(zone).time() == time():
            return seen.words.day(key.expires_at - timedelta(seconds=1), person.time_zone)
        return seen.words.moment(key.expires_at, person.time_zone)

    return {"currency": seen.desk.settings.currency, "end_of": end_of}


def _fresh_form(seen: Visit, person: Visitor, count: int) -> Form:
    name = seen.words.gettext("Key %(number)s") % {"number": count + 1}
    return Form([("name", name), ("mode", person.mode)])


@post("/profile/keys", include_in_schema=False, status_code=200)
async def post_key(request: Req) -> Response[str]:
    """A new key, whose token this answer alone shows."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        new = NewKey(mode=form.text("mode", person.mode), **_wanted(form, person))
        made = await keys.create_key(seen.desk, person, new, translate=seen.words.gettext)
    except (ValidationFailed, Forbidden) as refused:
        return await _refuse_new(request, seen, form, refused)
    return await _shown(request, seen, made)


async def _refuse_new(request: Req, seen: Visit, form: Form, refused: Refusal) -> Response[str]:
    found = await context(seen, form=form)
    if visit.is_swap(request):
        return render.part(seen, "parts/account_keys.html", refused.status, refused=refused, **found)
    return await refuse(request, seen, "profile_keys.html", refused, **found)


async def _shown(request: Req, seen: Visit, made: str) -> Response[str]:
    found = await context(seen, made=made)
    if visit.is_swap(request):
        return render.part(seen, "parts/account_keys.html", **found)
    return await render.page(request, seen, "profile_keys.html", **found)


def _wanted(form: Form, person: Visitor) -> dict[str, Any]:
    """The bounds of a key as the form has them. Refuses: ValidationFailed."""
    addresses = [part for part in _APART.split(form.text("allowed_addresses")) if part]
    return {
        "name": form.text("name"),
        "scopes": form.many("scopes"),
        "expires_at": _end_of(form.text("expires_at"), person),
        "allowed_addresses": addresses or None,
        "daily_cap_micros": _cap(form.text("daily_cap")),
    }


def _end_of(text: str, person: Visitor) -> datetime | None:
    """The end of that day where the person lives."""
    if not text:
        return None
    try:
        after = date.fromisoformat(text) + timedelta(days=1)
        return datetime.combine(after, time(), ZoneInfo(person.time_zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationFailed("A day is needed, such as 2027-01-31", field="expires_at") from error


def _cap(text: str) -> int | None:
    """An amount in micro-units. Refuses: ValidationFailed."""
    if not text:
        return None
    micros = asked.micros(text)
    if micros is None or micros > keys.CAP_MAX_MICROS:
        raise ValidationFailed("An amount above zero is needed, such as 5.00", field="daily_cap")
    return micros


@get("/profile/keys", include_in_schema=False)
async def get_keys(request: Req) -> Response[str]:
    """Where a page that showed a token leads when it is loaded again."""
    return render.redirect(request, HOME + "#keys")


@get("/profile/keys/{key_id:int}", include_in_schema=False)
async def get_key(request: Req, key_id: FromPath[int]) -> Response[str]:
    """One key with all that can be done to it. Refuses: NotFound."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    key = await keys.look(seen.desk, person, key_id)
    return await render.page(request, seen, "profile_key.html", **_of_key(seen, person, key))


def _of_key(seen: Visit, person: Visitor, key: KeyLine, form: Form | None = None) -> dict[str, Any]:
    return {
        "key": key, "form": form if form is not None else _filled(key, person), "scopes": labels(seen),
        "scopes_set": form.many("scopes") if form is not None else key.scopes,
        **_bounds(seen, person),
    }  # fmt: skip


def _filled(key: KeyLine, person: Visitor) -> Form:
    """The form as it would have been sent for this key."""
    zone = ZoneInfo(person.time_zone)
    ends = key.expires_at and (key.expires_at.astimezone(zone) - timedelta(seconds=1)).date().isoformat()
    cap = key.daily_cap_micros and f"{money.to_amount(key.daily_cap_micros):f}"
    return Form([
        ("name", key.name), ("expires_at", ends or ""), ("daily_cap", cap or ""),
        ("allowed_addresses", "\n".join(key.allowed_addresses or ())),
    ])  # fmt: skip


@post("/profile/keys/{key_id:int}", include_in_schema=False, status_code=200)
async def post_change(request: Req, key_id: FromPath[int]) -> Response[str]:
    """Other bounds from now on, in every process."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, f"{HOME}/keys/{key_id}")
    key = await keys.look(seen.desk, person, key_id)
    try:
        wanted = _wanted(form, person)
        if form.text("expires_at") == _filled(key, person).text("expires_at"):
            del wanted["expires_at"]  # to the minute as it was, not the end of its day
        await keys.change_key(seen.desk, person, key_id, wanted)
        office(request).keys.forget()  # here from the answer on; the other processes hear it in a moment
    except (ValidationFailed, Forbidden) as refused:
        return await refuse(request, seen, "profile_key.html", refused, **_of_key(seen, person, key, form))
    return render.go(request, seen, f"{HOME}/keys/{key_id}", seen.words.gettext("Saved."))


@post("/profile/keys/{key_id:int}/roll", include_in_schema=False, status_code=200)
async def post_roll(request: Req, key_id: FromPath[int]) -> Response[str]:
    """A new key with the same bounds; the old one ends after the overlap."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, f"{HOME}/keys/{key_id}")
    overlap = form.text("overlap_s")
    seconds = int(overlap) if re.fullmatch(r"[0-9]{1,6}", overlap) else -1
    key = await keys.look(seen.desk, person, key_id)
    try:
        made = await keys.roll_key(seen.desk, person, key_id, seconds, translate=seen.words.gettext)
        office(request).keys.forget()
    except (ValidationFailed, Forbidden) as refused:
        return await refuse(request, seen, "profile_key.html", refused, **_of_key(seen, person, key))
    return await _shown(request, seen, made)


@post("/profile/keys/{key_id:int}/revoke", include_in_schema=False, status_code=200)
async def post_revoke(request: Req, key_id: FromPath[int]) -> Response[str]:
    """The key opens nothing any more. Refuses: NotFound."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    await keys.revoke_key(seen.desk, seen.signed_in(), key_id)
    office(request).keys.forget()
    return render.go(request, seen, HOME, seen.words.gettext("The key is revoked."))


HANDLERS: list[ControllerRouterHandler] = [
    post_key, get_keys, get_key, post_change, post_roll, post_revoke,
]  # fmt: skip
