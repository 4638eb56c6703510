"""How figures are written: each by its kind, and what changed since the period before."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from babel import dates, numbers, units

from ringlet import money
from ringlet.backoffice.figures import Figures
from ringlet.web.pages.words import Words

MONEY, COUNT, SHARE, SPAN = "money", "count", "share", "span"
#: each figure's kind, and whether more of it is better (None: neither)
KINDS: dict[str, tuple[str, bool | None]] = {
    "revenue": (MONEY, True), "margin": (MONEY, True), "sales": (COUNT, True), "success": (SHARE, True),
    "seconds_to_code": (SPAN, False), "cost": (MONEY, None), "share": (MONEY, None), "refund": (MONEY, False),
    "top_up": (MONEY, True), "debit": (MONEY, None),
}  # fmt: skip
HEADLINE: Sequence[str] = ("revenue", "margin", "sales", "success", "seconds_to_code")
REST: Sequence[str] = ("cost", "share", "refund", "top_up", "debit")
CENT = Decimal("0.01")
MINUTE_S = 60
#: a change that rounds to nothing is none
CHANGE_MIN = 0.0005
#: below this a tenth of a percent tells
SMALL_CHANGE = 0.1


class Change(msgspec.Struct, frozen=True):
    """Since the period before: how it is written (not at all: nothing changed), which way it went, whether that is good."""

    text: str
    is_up: bool
    is_good: bool | None


class Spelled:
    """The figures of one page in its language and currency."""

    def __init__(self, words: Words, currency: str) -> None:
        self.words = words
        self.currency = currency

    def exact(self, name: str, figures: Figures) -> str:
        """To the micro-unit; a dash where there is nothing to tell."""
        value = getattr(figures, name)
        if value is None:
            return "–"
        if KINDS[name][0] == MONEY:
            return self.words.micros(value, self.currency)
        return self._other(name, value)

    def short(self, name: str, figures: Figures) -> str:
        """As it stands in a headline: money to the cent, as long as there is any."""
        value = getattr(figures, name)
        if value is None or KINDS[name][0] != MONEY:
            return self.exact(name, figures)
        amount = money.to_amount(value)
        rounded = amount.quantize(CENT)
        return self.words.price(rounded or amount, self.currency)

    def axis(self, name: str, value: float) -> str:
        """A step of an axis, as short as it can be."""
        kind = KINDS[name][0]
        digits = 2 if abs(value) < 10 else 1  # noqa: PLR2004 - one digit before the point
        locale = self.words.locale
        if kind == MONEY:
            return numbers.format_compact_currency(
                value, self.currency, locale=locale, fraction_digits=digits
            )
        if kind == COUNT:
            return numbers.format_compact_decimal(value, locale=locale, fraction_digits=digits)
        return self._other(name, value)

    def change(self, name: str, now: Figures, before: Figures) -> Change | None:
        """What became of a figure; None where there is nothing to compare it with."""
        here, there = getattr(now, name), getattr(before, name)
        kind, more_is_better = KINDS[name]
        if here is None or there is None:
            return None
        if self.exact(name, now) == self.exact(name, before):  # also what is only written alike
            return Change("", is_up=False, is_good=None)
        if kind == SPAN:  # by what is written: from 0.00 s to 0.1 s it is not many times as long
            here, there = round(here, 1), round(there, 1)
        if kind != SHARE and not there:
            return None
        by = here - there if kind == SHARE else (here - there) / abs(there)
        if abs(by) < CHANGE_MIN:
            return Change("", is_up=False, is_good=None)
        is_up = by > 0
        good = None if more_is_better is None else is_up == more_is_better
        return Change(self._change(abs(by), kind), is_up, good)

    def _change(self, by: float, kind: str) -> str:
        if kind == SHARE:
            points = numbers.format_decimal(Decimal(f"{100 * by:.1f}"), locale=self.words.locale)
            return self.words.gettext("%(points)s points") % {"points": points}
        return numbers.format_percent(
            by, format="#,##0.0%" if by < SMALL_CHANGE else "#,##0%", locale=self.words.locale
        )

    def _other(self, name: str, value: float) -> str:
        kind = KINDS[name][0]
        if kind == COUNT:
            return self.words.number(int(value))
        if kind == SHARE:
            return numbers.format_percent(value, format="#,##0.#%", locale=self.words.locale)
        return self._seconds(value)

    def _seconds(self, value: float) -> str:
        """Seconds to the first minute with a half, minutes and seconds from there on."""
        if value < MINUTE_S:
            seconds = Decimal(f"{value:.1f}")
            return units.format_unit(seconds, "duration-second", "short", locale=self.words.locale)
        minutes, seconds_left = divmod(round(value), MINUTE_S)
        return f"{minutes}:{seconds_left:02}"

    def when(self, period: str, at: datetime, zone: ZoneInfo) -> str:
        """A time of a period in full: as the title of its bar and the head of its line."""
        skeleton = {"hours": "EHm", "days": "yMMMEd", "months": "yMMMM"}[period]
        return str(dates.format_skeleton(skeleton, at, tzinfo=zone, locale=self.words.locale))

    def label(self, period: str, at: datetime, zone: ZoneInfo) -> str:
        """The same under a bar."""
        skeleton = {"hours": "Hm", "days": "MMMd", "months": "MMM"}[period]
        return str(dates.format_skeleton(skeleton, at, tzinfo=zone, locale=self.words.locale))
