"""The charts: pure functions from values to SVG that says them without colours."""

from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from ringlet.web.admin import charts
from ringlet.web.admin.charts import NARROW, WIDE, Bar


def drawn(values: list[float | None], frame: charts.Frame = WIDE, **more: bool) -> ET.Element:
    bars = [Bar(str(place), f"{place}: {value}", value, **more) for place, value in enumerate(values)]
    return ET.fromstring(charts.bars(bars, "Sales", lambda value: f"{value:g}", frame))


def rects(svg: ET.Element, kind: str) -> list[dict[str, str]]:
    return [each.attrib for each in svg.iter("rect") if each.get("class") == kind]


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 0, [0, 1]), (0, 1, [0, 0.25, 0.5, 0.75, 1]), (0, 97, [0, 25, 50, 75, 100]),
        (0, 0.03, [0, 0.01, 0.02, 0.03]), (-3, 8, [-5, 0, 5, 10]), (-40, 0, [-40, -30, -20, -10, 0]),
        (0, 12_345_678, [0, 5_000_000, 10_000_000, 15_000_000]),
    ],
)  # fmt: skip
def test_an_axis_has_round_steps_that_enclose_everything(low: float, high: float, marks: list[float]) -> None:
    """Between the first and the last step lies every value, and zero is one of them."""
    assert charts.ticks(low, high) == pytest.approx(marks)


def test_a_step_is_written_as_people_write_it() -> None:
    """0.3, and not what a sum of binary fractions makes of it."""
    assert [repr(step) for step in charts.ticks(0, 0.35)] == ["0.0", "0.1", "0.2", "0.3", "0.4"]


def test_bars_are_as_high_as_their_values() -> None:
    """Twice the value is twice the height; the smallest that is there can be seen, and what is not there has none."""
    found = rects(drawn([10, 20, 0.0001, 0, None]), "up")
    heights = [float(each["height"]) for each in found]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2:] == [1, 0, 0]
    assert {float(each["y"]) + float(each["height"]) for each in found} == {WIDE.height - charts.BOTTOM}


def test_below_zero_is_drawn_below_the_line_in_another_way() -> None:
    """A loss hangs from the line at zero, and its bar is empty, not only red."""
    svg = drawn([5, -5])
    (zero,) = [each for each in svg.iter("line") if each.get("class") == "zero"]
    (down,) = rects(svg, "down")
    assert down["y"] == zero.get("y1")
    assert float(down["height"]) > 10


def test_every_bar_says_its_value_and_what_runs_is_striped() -> None:
    """One title for each column, and the pattern is one of this chart's own."""
    svg = drawn([1, 2], frame=NARROW, is_open=True)
    assert [each.text for each in svg.iter("title")] == ["0: 1", "1: 2"]
    assert {each["fill"] for each in rects(svg, "open")} == {"url(#stripes-narrow)"}
    assert [each.get("id") for each in svg.iter("pattern")] == ["stripes-narrow"]


@pytest.mark.parametrize("frame", [WIDE, NARROW])
@pytest.mark.parametrize("count", [1, 12, 24, 30, 31])
def test_labels_have_room(count: int, frame: charts.Frame) -> None:
    """No two stand closer than they are wide, none leaves the chart, and the last bar has one."""
    svg = drawn([float(place) for place in range(count)], frame)
    labels = [each for each in svg.iter("text") if each.get("text-anchor") in {"middle", "end"}]
    under = [each for each in labels if float(each.get("y", 0)) == frame.height - 6]
    places = [float(each.get("x", 0)) for each in under]
    assert under[-1].text == str(count - 1)
    assert all(later - sooner >= 0.75 * charts.LABEL_WIDTH for sooner, later in pairwise(places))
    assert all(each <= frame.width for each in places)


def test_hostile_names_stay_text() -> None:
    """What comes into a title or a label is escaped."""
    evil = "</title><script>alert(1)</script>"
    text = charts.bars([Bar(evil, evil, 1.0)], evil, lambda _: evil)
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, _attrs: object) -> None:
            found.append(tag)

    Tags().feed(text)
    assert "script" not in found
    assert "style=" not in text
