"""How pages speak: texts from the catalogues, figures, money and dates as each language writes them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from gettext import c2py
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, lists, numbers

from ringlet import languages, money
from ringlet.languages import LANGUAGES, LOCALES

_RIGHT_TO_LEFT = {"ar"}
PRICE_PLACES_MIN = 2
#: around a price in a text that runs the other way, or its sign lands on the wrong side
LEFT_TO_RIGHT, ISOLATE_END = "\u2066", "\u2069"
#: of languages that end a sentence in their own way
FULL_STOPS = {"zh": "\u3002"}


class Words:
    """One language: `gettext` and its kin, and how it writes what is no text."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = Locale.parse(LOCALES[language])
        self.direction = "rtl" if language in _RIGHT_TO_LEFT else "ltr"
        self._catalog = languages.catalogue(language)
        self._form = c2py(str(self._catalog.plural_expr))

    def gettext(self, text: str) -> str:
        """The text in this language; English where the catalogue lacks it."""
        return languages.said(self.language, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The form of the text that goes with `n`."""
        found = self._catalog.get(one)
        if found is None or found.fuzzy or not isinstance(found.string, (tuple, list)):
            return one if n == 1 else many
        return str(found.string[self._form(n)] or (one if n == 1 else many))

    def number(self, value: int | Decimal) -> str:
        """1234567 → 1,234,567."""
        return numbers.format_decimal(value, locale=self.locale)

    def percent(self, share: float | Decimal) -> str:
        """0.94 → 94%."""
        return numbers.format_percent(share, locale=self.locale)

    def exact_percent(self, share: Decimal) -> str:
        """With the places that it has: 0.305 → 30.5%."""
        pattern = str(self.locale.percent_formats[None].pattern).replace("0", "0.####")
        return numbers.format_percent(share, format=pattern, locale=self.locale)

    def price(self, amount: Decimal, currency: str) -> str:
        """An amount with all the places that it has, two at least: 0.111489 → $0.111489."""
        text = _money(self.locale, amount, currency)
        return f"{LEFT_TO_RIGHT}{text}{ISOLATE_END}" if self.direction == "rtl" else text

    def micros(self, micros: int, currency: str) -> str:
        """Micro-units of a currency as an amount."""
        return self.price(money.to_amount(micros), currency)

    def moment(self, at: datetime, time_zone: str) -> str:
        """Day and minute in the reader's time zone."""
        return dates.format_datetime(at, "medium", tzinfo=ZoneInfo(time_zone), locale=self.locale)

    def moment_or_text(self, value: object, time_zone: str) -> str:
        """What a JSON holds: a time as `moment` writes it, everything else as it is."""
        text = str(value)
        try:
            at = datetime.fromisoformat(text) if "T" in text else None
        except ValueError:
            at = None
        return text if at is None or at.tzinfo is None else self.moment(at, time_zone)

    def day(self, at: datetime, time_zone: str) -> str:
        """The day in the reader's time zone."""
        local = at.astimezone(ZoneInfo(time_zone))
        return dates.format_date(local, "medium", locale=self.locale)

    def span(self, seconds: float) -> str:
        """How long, in the largest unit that fits: 3 minutes."""
        return dates.format_timedelta(timedelta(seconds=seconds), locale=self.locale, threshold=1)

    def ago(self, seconds: float) -> str:
        """3 minutes ago."""
        return dates.format_timedelta(
            timedelta(seconds=-seconds), add_direction=True, locale=self.locale, threshold=1
        )

    def listing(self, items: list[str]) -> str:
        """a, b and c."""
        return lists.format_list(items, locale=self.locale)

    def sentence(self, text: str) -> str:
        """A refusal, which programs read without a full stop, as a sentence that stands alone."""
        is_open = text[-1:].isalnum() or text[-1:] in {")", "”", "»", '"'}
        return text + (FULL_STOPS.get(self.language, ".") if is_open else "")

    def country(self, iso: str, english: str) -> str:
        """A country's name in this language."""
        return str(self.locale.territories.get(iso, english)) if iso else english


@lru_cache(maxsize=10_000)
def _money(locale: Locale, amount: Decimal, currency: str) -> str:
    """Kept for a while: of all that a page is made of this takes longest, and the same few amounts come again and again."""
    exponent = money.plain(amount).as_tuple().exponent
    places = max(PRICE_PLACES_MIN, -exponent if isinstance(exponent, int) else 0)
    pattern = locale.currency_formats["standard"].pattern.replace("0.00", "0." + "0" * places)
    return numbers.format_currency(amount, currency, format=pattern, locale=locale, currency_digits=False)


@cache
def words(language: str) -> Words:
    """The words of one of `LANGUAGES`."""
    return Words(language)


def choose(accepted: str, offered: Mapping[str, str] = LANGUAGES) -> str:
    """The first of the languages of an Accept-Language header that are offered; otherwise English, or the first one."""
    wanted = []
    for part in accepted[:500].split(","):
        name, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            weight = 0.0
        wanted.append((-weight, name.partition("-")[0].lower()))
    usual = "en" if "en" in offered else next(iter(offered))
    return next((name for weight, name in sorted(wanted, key=_weight) if weight and name in offered), usual)


def _weight(pair: tuple[float, str]) -> float:
    return pair[0]


def flag(iso: str) -> str:
    """The flag of a country as two regional letters; nothing where there is no such code."""
    if len(iso) != 2 or not iso.isascii() or not iso.isalpha():  # noqa: PLR2004 - ISO 3166-1 alpha-2
        return ""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in iso.upper())


def upper_first(text: str) -> str:
    """A sentence that is part of another one elsewhere, where it stands alone: "it refuses" → "It refuses"."""
    return text[:1].upper() + text[1:]


def filters(spoken: Words) -> dict[str, Any]:
    """What templates may write with."""
    return {
        "number": spoken.number, "percent": spoken.percent, "exact_percent": spoken.exact_percent, "price": spoken.price, "micros": spoken.micros,
        "moment": spoken.moment, "moment_or_text": spoken.moment_or_text, "day": spoken.day, "span": spoken.span, "ago": spoken.ago,
        "listing": spoken.listing, "sentence": spoken.sentence, "flag": flag, "upper_first": upper_first,
    }  # fmt: skip
