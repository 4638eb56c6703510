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
