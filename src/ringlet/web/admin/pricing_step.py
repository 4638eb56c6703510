"""The two steps of every change of prices: look at what it does, then do just that."""

from collections.abc import Awaitable, Callable

import msgspec

from ringlet.backoffice import pricing_change
from ringlet.backoffice.pricing_plan import Wish
from ringlet.backoffice.pricing_preview import Preview, preview
from ringlet.desk import Desk
from ringlet.errors import Refusal, ValidationFailed
from ringlet.web.admin import gate
from ringlet.web.admin.pricing_form import seen_version
from ringlet.web.pages.visit import Form, Req


class Step(msgspec.Struct, frozen=True):
    """Done, or what the form shows next: a preview, a refusal, or both when prices were changed meanwhile."""

    is_done: bool = False
    shown: Preview | None = None
    refused: Refusal | None = None


async def take(request: Req, form: Form, read: Callable[[Desk, Form, str], Awaitable[Wish]]) -> Step:
    """`step` preview shows; save does it, when nobody changed prices since the preview."""
    seen = gate.begin(request)
    refused = None
    try:
        wish = await read(seen.desk, form, seen.signed_in().time_zone)
        if form.text("step") == "save":
            refused = await _save(request, form, wish)
            if refused is None:
                return Step(is_done=True)
        return Step(shown=await preview(seen.desk, wish), refused=refused)
    except ValidationFailed as error:
        return Step(refused=refused or error)


async def _save(request: Req, form: Form, wish: Wish) -> Refusal | None:
    seen = gate.begin(request)
    try:
        version, reason = seen_version(form), form.text("reason")
        await pricing_change.apply(seen.desk, gate.actor(request, seen), wish, seen=version, reason=reason)
    except ValidationFailed as error:
        return error
    return None
