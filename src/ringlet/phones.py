"""Phone numbers: digits with the country code and without a plus, checked with Google's metadata."""

from collections.abc import Iterator

import phonenumbers

DIGITS_MIN, DIGITS_MAX = 5, 17
#: what people write between digits
_WRITTEN = str.maketrans("", "", " -().\u00a0\u202d\u202c\u2010\u2011")


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


def could_be(text: str) -> list[str]:
    """The digits that somebody may mean who writes a number with its country code or, in whatever country, without it.

    Blanks, dashes, brackets and a plus sign may stand in it. Nothing when it is no number.
    """
    bare = text.translate(_WRITTEN).removeprefix("+")
    if not (bare.isascii() and bare.isdigit() and DIGITS_MIN <= len(bare) <= DIGITS_MAX):
        return []
    found = {bare: None, bare.removeprefix("00"): None}
    if not text.strip().startswith(("+", "00")):
        found |= dict.fromkeys(_national(bare))
    return list(found)


def _national(digits: str) -> Iterator[str]:
    for region in phonenumbers.SUPPORTED_REGIONS:
        try:
            parsed = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            yield f"{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
