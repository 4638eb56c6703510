"""Covering the parts of a message whose digits are no code: links, money, times, phones, card tails."""

import re
from functools import cache

from ringlet.activations.codes_words import any_of, word_lists

# Stands for a covered character: no letter, no digit, no space, and never in a plain text.
COVER = "\x1f"

# Each begins where no part of itself can stand before, so that a long run is walked only once.
_LINK = re.compile(
    r"(?:https?|ftp)://[!-~]{1,2000}"
    r"|(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
    r"|(?<![A-Za-z0-9.-])[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9-]{1,63}){1,8}/[!-~]{0,2000}"
    r"|(?<![A-Za-z0-9.-])(?:[A-Za-z0-9-]{1,64}\.){1,8}"
    r"(?:com|net|org|info|io|app|co|me|ru|ua|de|fr|es|it|pl|cz|tr|cn|jp|in|br|vn|id|ly|gg|tv|ai)(?![A-Za-z0-9])"
)
# The hash an Android app finds its message by: last, eleven characters, of at least two sorts.
_APP_HASH = re.compile(r"(?<![!-~])(?![0-9]{11}|[a-z]{11}|[A-Z]{11})[A-Za-z0-9+/]{11}\s*\Z")
_PHONE = re.compile(
    r"\+[0-9]{7,15}(?![0-9])"
    r"|\+ ?[0-9]{1,4}(?:[ .()-]{1,3}[0-9]{2,5}){2,5}(?![0-9])"
    r"|(?<![0-9A-Za-z-])(?:1[ .-])?\(?[0-9]{3}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}(?![0-9])"
    r"|(?<![0-9A-Za-z-])[81][ -]\(?[0-9]{3,4}\)?[ -][0-9]{2,4}[ -]?[0-9]{2,4}(?:[ -]?[0-9]{2})?(?![0-9-])"
    r"|(?<![0-9A-Za-z-])\(?0[0-9]{1,4}\)?[ -]{1,3}[0-9]{3,4}[ -][0-9]{2,4}(?:[ -][0-9]{2,4})?(?![0-9])"
    r"|(?<![0-9A-Za-z-])0[0-9](?:[ .-][0-9]{2}){4}(?![0-9])"
    r"|(?<![0-9A-Za-z-])\(?0[0-9]{1,4}\)?[ /-]{1,3}[0-9]{6,8}(?![0-9])"
    r"|(?<![0-9A-Za-z-])0[0-9]{8,10}(?![0-9])"
    r"|(?<![0-9A-Za-z-])1[38]00[ -]?[0-9]{2,3}[ -]?[0-9]{2,4}(?![0-9])"
    r"|\*[0-9][0-9*]{0,20}#"
    r"|(?i:(?<![A-Za-z])(?:text|reply|send|sms|forward|report)(?: [A-Za-z]{1,12}){1,4} to [0-9]{3,7}(?![0-9]))"
    r"|(?<![0-9A-Za-z-])0[0-9]{3,5} [0-9]{5,7}(?![0-9])|(?<![0-9A-Za-z-])0[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])"
)
_STREET = re.compile(
    r"(?<![0-9A-Za-z-])[0-9]{1,5} (?:[NSEW]\.? )?(?:[A-Z][a-z]{1,20} ){1,2}"
    r"(?:St|Street|Ave|Avenue|Rd|Road|Dr|Drive|Blvd|Ln|Lane|Way|Ct|Court|Pl|Place)(?![A-Za-z])"
)
_CARD_TAIL = re.compile(
    r"(?<![0-9A-Za-z])(?:[A-Z]{2})?[0-9]{0,8}(?:[xX]{1,16}|[*•·]{1,16}|(?<!\.)\.\.|(?<![^\s(:])\.{3})[0-9]{3,4}"
    r"(?![0-9*•·A-Za-z])"
    r"|(?<![0-9A-Za-z])[0-9]{0,8}(?:[xX]{2,16}|[*•·]{2,16})[ -]?[0-9]{2,6}(?![0-9*•·A-Za-z])"
    r"|(?<![0-9A-Za-z])[0-9]{2,6}[xX*•]{2,12}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z-])[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{8}(?![0-9])"
)
_YEAR = r"(?:(?:19|20|25|14|13)[0-9]{2}|[23][0-9])"
_DATE = re.compile(
    r"(?<![0-9A-Za-z/.-])(?:[0-9]{4}([-/.])[01]?[0-9]\1[0-3]?[0-9]"
    rf"|[0-3]?[0-9]([-/.])(?:[01]?[0-9]|[A-Za-z]{{3}})\2{_YEAR}"
    rf"|[01]?[0-9]([-/.])[0-3]?[0-9]\3{_YEAR})(?![0-9]|[-/.][0-9])"
    rf"|(?<![0-9A-Za-z])[0-3]?[0-9][A-Za-z]{{3}}{_YEAR}(?![0-9A-Za-z])"
    r"|(?<![0-9])[0-9]{4} ?[年년]|(?<![0-9/])[0-9]{1,4}(?:/[0-9]{1,4}){1,2}(?![0-9/])"
)
_CLOCK = re.compile(
    r"(?<![0-9])[0-9]{1,2}(?::[0-5][0-9]){1,2}(?![0-9:])(?: ?[aApP]\.?[mM](?![A-Za-z]))?"
    r"|(?<![0-9])[0-2]?[0-9][h.][0-5][0-9](?![0-9A-Za-z])"
)
_DECIMAL = re.compile(
    r"(?<![0-9.,])(?:[0-9]{1,3}(?:[.,][0-9]{3}){1,5}(?:[.,][0-9]{1,2})?|[0-9]{1,9}[.,][0-9]{1,2}"
    r"|[vV]?[0-9]{1,5}(?:\.[0-9]{1,5}){2,5})(?![0-9]|[.,][0-9])"
)
_RATE = re.compile(
    r"(?<![0-9])[0-9]{1,3} ?%|24/7|(?<![0-9])[0-9]{1,2}-step|2FA|(?<![A-Za-z0-9])B0?[0-9]{2,3}\s*\Z"
)


def cover(text: str, folded_text: str) -> str:
    """`text` with links, phone numbers, dates, spans of time, money and card tails covered, same length."""
    covered = list(text)
    for pattern, reads_folded in _layers():
        for match in pattern.finditer(folded_text if reads_folded else "".join(covered)):
            covered[match.start() : match.end()] = COVER * (match.end() - match.start())
    return "".join(covered)


def cover_links(text: str) -> str:
    """`text` with its links, addresses and domains covered, same length."""
    return _LINK.sub(lambda match: COVER * len(match[0]), text)


@cache
def _layers() -> tuple[tuple[re.Pattern[str], bool], ...]:
    """Patterns in the order they apply; True for those that read the folded text.

    Spans of time come before decimals: "1234,5分" is the code 1234 and five minutes.
    """
    return (
        (_LINK, False), (_APP_HASH, False), (_day_of_month(), True), (_span_of_time(), True), (_DATE, False), (_CLOCK, False), (_money(), True),
        (_CARD_TAIL, False), (_PHONE, False), (_STREET, False), (_DECIMAL, False), (_RATE, False),
    )  # fmt: skip


def _span_of_time() -> re.Pattern[str]:
    units: list[str] = word_lists()["time"]["after"]
    near, far = _by_length(units)
    return re.compile(rf"(?<![0-9A-Za-z])[0-9]{{1,3}}(?:[ -]{{0,2}}{any_of(far)}|{any_of(near)})")


def _day_of_month() -> re.Pattern[str]:
    """Days with the name of a month, and their year: "21 de novembro de 2025", "Nov 21, 2025"."""
    month = any_of(word_lists()["time"]["months"]) + r"[^\W\d_]{0,6}"
    name = rf"(?<![^\W\d_]){month}\.?"
    day = r"(?<![0-9A-Za-z])[0-3]?[0-9](?: ?- ?[0-3]?[0-9])?(?:st|nd|rd|th|er|\.|\u00ba)?"
    year = r"(?:,?(?: de| del|\.)? (?:20|25)[0-9]{2}(?![0-9]))?"
    return re.compile(rf"{day} ?(?:de |di )?{name}{year}|{name} {day}{year}(?![0-9])")


def _money() -> re.Pattern[str]:
    money = word_lists()["money"]
    sign = "[" + re.escape(money["signs"]) + "]"
    near, far = _by_length(money["after"])
    amount = r"(?:[0-9]{1,3}(?:[ .,'][0-9]{3}){1,4}|[0-9]{1,9})(?:[.,][0-9]{1,2})?"
    before = rf"(?:{sign}|(?<![^\W\d_]){any_of(money['before'])})\.? ?{amount}(?![0-9])"
    after = rf"(?<![0-9A-Za-z]){amount}(?: ?(?:{sign}|{any_of(far)})|{any_of(near)})"
    return re.compile(f"{before}|{after}")


def _by_length(written: list[str]) -> tuple[list[str], list[str]]:
    """Units of one Latin or Cyrillic letter, which must touch their number, and all others."""
    near = [word for word in written if len(word) == 1 and word < "\u0590"]
    return near, [word for word in written if word not in near]
