"""The figures: lines with what must hold, printed for a terminal, for the README, or as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.load import Part


@dataclass(frozen=True)
class Line:
    """One figure. `must` is empty for what is only told; `holds` is then None."""

    part: str
    what: str
    figure: str
    must: str = ""
    holds: bool | None = None


Rounds = Mapping[str, Sequence[Part]]


def alternate(rounds: int, runs: Mapping[str, Callable[[], Part]]) -> Rounds:
    """Each run once a round, forwards and backwards in turn, so that no run has the better place."""
    found: dict[str, list[Part]] = {name: [] for name in runs}
    for index in range(rounds):
        names = list(runs) if index % 2 == 0 else list(reversed(runs))
        for name in names:
            found[name].append(runs[name]())
    return found


def ratio(found: Rounds, above: str, below: str) -> float:
    """The median of the ratios of each round."""
    pairs = zip(found[above], found[below], strict=True)
    return statistics.median(a.per_s / b.per_s for a, b in pairs)


def rate(found: Rounds, name: str) -> str:
    parts = found[name]
    middle = [
        statistics.median(getattr(part, each) for part in parts) for each in ("per_s", "p50_ms", "p99_ms")
    ]
    return "{:,.0f}/s, p50 {:.2f} ms, p99 {:.2f} ms".format(*middle)


def at_least(part: str, what: str, value: float, least: float, aim: float | None = None) -> Line:
    must = f"≥ {least:.2f}" + (f", aim {aim:.2f}" if aim else "")
    return Line(part, what, f"{value:.3f}", must, holds=value >= least)


def told(part: str, what: str, figure: str) -> Line:
    return Line(part, what, figure)


def terminal(lines: Sequence[Line]) -> str:
    width = max(len(line.what) for line in lines)
    text, part = [], ""
    for line in lines:
        if line.part != part:
            part = line.part
            text.append(f"\n{part}")
        text.append(f"  {line.what:<{width}}  {_verdict(line):<5} {line.figure}  {line.must}".rstrip())
    return "\n".join(text)


def markdown(lines: Sequence[Line]) -> str:
    rows = [f"| {e.part} | {e.what} | {e.figure} | {e.must} | {_verdict(e)} |" for e in lines]
    head = ["| part | what | figure | must | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows, "", machine()])


def as_json(lines: Sequence[Line]) -> str:
    return json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=2)


def _verdict(line: Line) -> str:
    return "" if line.holds is None else "holds" if line.holds else "FAILS"


def machine() -> str:
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
