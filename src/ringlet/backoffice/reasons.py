"""Why staff do something: a sentence that stands in the log for ever, and, where money moves, in the customer's statement."""

from ringlet.errors import ValidationFailed

LENGTH_MAX = 200


def read(text: str) -> str:
    """The reason on one line. Refuses: ValidationFailed (none, or too long)."""
    reason = " ".join(text.split())
    if not 0 < len(reason) <= LENGTH_MAX or not reason.isprintable():
        raise ValidationFailed(f"A reason of 1 to {LENGTH_MAX} characters is needed", field="reason")
    return reason
