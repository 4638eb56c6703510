"""Refusals in the visitor's language, and where in a form each of them belongs."""

from ringlet.errors import Refusal
from ringlet.web.pages.words import Words

MOMENT_S = 60


def say(refusal: Refusal, spoken: Words) -> tuple[str, str]:
    """Title and sentence of a refusal in the visitor's language."""
    _ = spoken.gettext
    if refusal.code == "rate_limited" and refusal.values is not None:
        return _(
            "A limit is reached"
        ), f"{_(refusal.pattern) % _spelled(refusal, spoken)}. {_('Nothing was charged.')}"
    found = {
        "not_found": (_("Nothing here"), _("This page does not exist, or it is not yours.")),
        "forbidden": (_("Not allowed"), _(refusal.message)),
        "service_unavailable": (
            _("Back in a moment"), _("The shop cannot be reached right now. Your money and your numbers are safe."),
        ),
        "internal_error": (
            _("Something broke on our side"), _("We have noted it. Nothing was charged twice; look at your history."),
        ),
        "rate_limited": (
            (_("A limit is reached"), _("Nothing was charged. Look at /resting whether your account rests, or try again later."))
            if (refusal.retry_after_s or 0) > MOMENT_S else (_("Too fast"), _("Wait a moment, then try again."))
        ),
        "service_not_allowed": (_("Not sold here"), _("This shop does not sell numbers for this. Nothing was charged.")),
        "no_numbers": (_("No numbers"), _("No numbers for this right now. Nothing was charged.")),
        "insufficient_balance": (_("Not enough balance"), _("Your balance does not cover this. Nothing was charged.")),
    }  # fmt: skip
    return found.get(refusal.code, (_("That did not work"), _(refusal.message)))


def _spelled(refusal: Refusal, spoken: Words) -> dict[str, object]:
    """The values of a refusal, with numbers as the visitor writes them."""
    return {
        name: spoken.number(value) if isinstance(value, int) else value
        for name, value in (refusal.values or {}).items()
    }


def fault(refused: Exception | None, field: str | None, spoken: Words) -> str:
    """What a refusal says about this field of the form; with `None`, what belongs to no field."""
    if not isinstance(refused, Refusal):
        return ""
    errors = refused.extra.get("errors")
    if not isinstance(errors, list):
        return "" if field is not None else say(refused, spoken)[1]
    wanted = field or "body"
    said = next((str(each["message"]) for each in errors if each["field"] == wanted), "")
    if said and refused.values is not None:
        return spoken.gettext(refused.pattern) % _spelled(refused, spoken)
    return spoken.gettext(said) if said else ""
