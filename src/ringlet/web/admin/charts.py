"""Charts as SVG: pure, without colours of their own and readable without any.

Time runs from left to right in every language, as on a clock's tape; the words around a chart follow the language.
Each bar tells its value by a title, the axis has its steps in figures, and what is not over yet is striped. Colours
come from classes; nothing here needs a style or a script.
"""

import math
from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup

TICKS = 4
STEPS = (1, 2, 2.5, 5, 10)
LABEL_WIDTH = 58
TOP, BOTTOM = 10, 22
GAP = 0.25


class Bar(msgspec.Struct, frozen=True):
    """One value; `label` stands under it, `title` says all of it in words. None: there is nothing to show."""

    label: str
    title: str
    value: float | None
    is_open: bool = False


class Frame(msgspec.Struct, frozen=True):
    """How large a chart is, and how wide its axis; in pixels. `name` keeps two charts of one page apart."""

    name: str
    width: int = 960
    height: int = 240
    axis: int = 72


WIDE = Frame("wide")
NARROW = Frame("narrow", width=340, height=200, axis=64)


def bars(values: Sequence[Bar], label: str, spelled: Callable[[float], str], frame: Frame = WIDE) -> Markup:
    """Bars above (or below) a line at zero. `label` names the chart, `spelled` writes a value for the axis."""
    known = [each.value for each in values if each.value is not None]
    marks = ticks(min([0.0, *known]), max([0.0, *known]))
    scale = _Scale(marks[0], marks[-1], frame)
    drawn = [
        *(_mark(mark, spelled(mark), scale, frame) for mark in marks),
        *(_bar(place, each, len(values), scale, frame) for place, each in enumerate(values)),
        *_labels(values, frame),
    ]
    return _SVG.format(
        name=frame.name, width=frame.width, height=frame.height, label=label, drawn=Markup("").join(drawn)
    )


def ticks(low: float, high: float) -> list[float]:
    """Round figures that enclose both; two at least."""
    size = high - low
    if not size:
        return [low, low + 1.0]
    power = 10 ** math.floor(math.log10(size / TICKS))
    step = next(step * power for step in STEPS if step * power * TICKS >= size * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 2 - math.floor(math.log10(step))  # 3 × 0.1 is 0.30000000000000004
    return [round(place * step, digits) for place in range(first, max(last, first + 1) + 1)]


class _Scale(msgspec.Struct, frozen=True):
    low: float
    high: float
    frame: Frame

    def y(self, value: float) -> float:
        inner = self.frame.height - TOP - BOTTOM
        return round(TOP + inner * (self.high - value) / (self.high - self.low), 1)


def _mark(value: float, text: str, scale: _Scale, frame: Frame) -> Markup:
    y = scale.y(value)
    return _MARK.format(
        kind="zero" if value == 0 else "grid",
        x1=frame.axis,
        x2=frame.width,
        y=y,
        tx=frame.axis - 8,
        text=text,
    )


def _bar(place: int, bar: Bar, count: int, scale: _Scale, frame: Frame) -> Markup:
    room = (frame.width - frame.axis) / count
    x = frame.axis + room * place
    value = bar.value or 0.0
    top, foot = sorted((scale.y(value), scale.y(0.0)))
    # A value that is there is seen, however small beside the others.
    height = max(foot - top, 1.0) if value else 0
    kind = "open" if bar.is_open else "down" if value < 0 else "up"
    fill = Markup(' fill="url(#stripes-{})"').format(frame.name) if bar.is_open else ""
    return _BAR.format(
        title=bar.title, hx=round(x, 1), hw=round(room, 1), hy=TOP, hh=frame.height - TOP - BOTTOM,
        x=round(x + room * GAP / 2, 1), w=round(room * (1 - GAP), 1), y=round(foot - height if value >= 0 else top, 1),
        h=round(height, 1), kind=kind, fill=fill,
    )  # fmt: skip


def _labels(values: Sequence[Bar], frame: Frame) -> list[Markup]:
    """As many as have room, counted from the last one, which is now and ends with the chart."""
    room = (frame.width - frame.axis) / max(1, len(values))
    every = max(1, math.ceil(LABEL_WIDTH / room))
    return [
        _label(frame.axis + room * (place + 0.5), each.label, frame)
        for place, each in enumerate(values)
        if (len(values) - 1 - place) % every == 0
    ]


def _label(middle: float, text: str, frame: Frame) -> Markup:
    if middle + LABEL_WIDTH / 2 > frame.width:
        return _LABEL.format(x=frame.width, y=frame.height - 6, anchor="end", text=text)
    return _LABEL.format(x=round(middle, 1), y=frame.height - 6, anchor="middle", text=text)


_SVG = Markup(
    '<svg class="chart figures-chart {name}" viewBox="0 0 {width} {height}" role="img" aria-label="{label}"'
    ' direction="ltr"><defs><pattern id="stripes-{name}" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect class="stripe" width="3" height="6"/></pattern></defs>{drawn}</svg>'
)
_MARK = Markup(
    '<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>'
    '<text class="tick" x="{tx}" y="{y}" dy="4" text-anchor="end">{text}</text>'
)
# The whole column says its title, also where the bar is low or there is none.
_BAR = Markup(
    '<g class="column"><title>{title}</title><rect class="hit" x="{hx}" y="{hy}" width="{hw}" height="{hh}"/>'
    '<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}"{fill}/></g>'
)
_LABEL = Markup('<text class="tick" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>')
