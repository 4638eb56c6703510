"""Phone numbers: digits with the country code and without a plus, checked with Google's metadata."""

import phonenumbers


def read(text: str) -> str | None:
    """The digits of an international number, or None when it cannot be one.

    "Possible" (a length that the country code allows) is asked for, not "valid": number plans change faster
    than metadata, and an owner knows which SIM cards he holds.
    """
    try:
        parsed = phonenumbers.parse("+" + text.strip().lstrip("+"), None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).lstrip("+")


def spell(digits: str) -> tuple[str, str]:
    """How people write a number, for other countries and within its own: +62 812-3456-789 and 0812-3456-789."""
    try:
        parsed = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return "+" + digits, digits
    forms = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, forms.INTERNATIONAL), phonenumbers.format_number(
        parsed, forms.NATIONAL
    )
