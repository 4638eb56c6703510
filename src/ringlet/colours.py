"""Colours of a brand: read, written, and whether people can tell them apart.

A colour comes as #rrggbb or as oklch(L% C H) and leaves as one of these, made anew: nothing of what was typed gets
into a style sheet. Contrast is that of WCAG 2.2.
"""

import math
import re
from collections.abc import Mapping

import msgspec

from ringlet.errors import ValidationFailed

TEXT_MIN, EDGE_MIN = 4.5, 3.0
MODES = ("light", "dark")
#: what a brand may change, with what it is by itself: in light, in dark (front/css/tokens.css)
DEFAULTS: Mapping[str, tuple[str, str]] = {
    "page": ("oklch(98.4% 0.0036 255)", "oklch(17% 0.012 255)"),
    "surface": ("oklch(100% 0 0)", "oklch(22% 0.012 255)"),
    "raised": ("oklch(100% 0 0)", "oklch(29% 0.012 255)"),
    "sunken": ("oklch(96% 0.006 255)", "oklch(14.5% 0.012 255)"),
    "line": ("oklch(92% 0.0084 255)", "oklch(32% 0.012 255)"),
    "edge": ("oklch(62% 0.012 255)", "oklch(56% 0.012 255)"),
    "text": ("oklch(22% 0.012 255)", "oklch(94% 0.004 255)"),
    "muted": ("oklch(49% 0.012 255)", "oklch(73% 0.012 255)"),
    "accent": ("oklch(50% 0.17 260)", "oklch(74% 0.13 258)"),
    "accent-hover": ("oklch(44% 0.17 260)", "oklch(79% 0.12 258)"),
    "on-accent": ("oklch(99% 0.005 260)", "oklch(19% 0.04 260)"),
    "accent-soft": ("oklch(95.5% 0.022 260)", "oklch(29% 0.05 260)"),
}
#: what must stand out from what, and how far
PAIRS: tuple[tuple[str, str, float], ...] = (
    *((front, behind, TEXT_MIN) for front in ("text", "muted") for behind in ("page", "surface", "raised", "sunken")),
    *(("accent", behind, TEXT_MIN) for behind in ("page", "surface", "accent-soft")),
    *(("on-accent", behind, TEXT_MIN) for behind in ("accent", "accent-hover")),
    ("text", "accent-soft", TEXT_MIN),
    *(("edge", behind, EDGE_MIN) for behind in ("page", "surface")),
)  # fmt: skip
_HEX = re.compile(r"#([0-9a-f]{6})")
_NUMBER = r"([0-9]{1,3}(?:\.[0-9]{1,4})?|\.[0-9]{1,4})"
_OKLCH = re.compile(rf"oklch\( ?{_NUMBER}% {_NUMBER} {_NUMBER}(?:deg)? ?\)")
_CHROMA_MAX, _HUE_MAX = 0.5, 360.0
# Björn Ottosson's OKLab, as CSS Color 4 has it.
_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292), (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)  # fmt: skip
_LUMINANCE = (0.2126, 0.7152, 0.0722)

#: token → its colours in light and in dark; what is not named is as it is by itself
Palette = Mapping[str, tuple[str, str]]


class Contrast(msgspec.Struct, frozen=True):
    """How far `front` stands out from `behind` in one mode, and how far it must."""

    front: str
    behind: str
    mode: str
    ratio: float
    least: float

    @property
    def is_enough(self) -> bool:
        """As it is written: 4.499 is shown as 4.49 and refused."""
        return self.ratio >= self.least


def read(text: str, field: str) -> str:
    """The colour as we write it. Refuses: ValidationFailed."""
    spelt = re.sub(r"\s+", " ", text.strip().lower())
    if _HEX.fullmatch(spelt):
        return spelt
    found = _OKLCH.fullmatch(spelt)
    if found is not None:
        lightness, chroma, hue = map(float, found.groups())
        if lightness <= 100 and chroma <= _CHROMA_MAX and hue <= _HUE_MAX:  # noqa: PLR2004 - percent
            return f"oklch({lightness:g}% {chroma:g} {hue:g})"
    raise ValidationFailed("A colour is #rrggbb or oklch(50% 0.17 260)", field=field)


def palette(typed: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """A form's colours, `accent-light`, `accent-dark` and so on: those that differ from what they are by themselves.

    Refuses: ValidationFailed, for what is no colour; contrast is `check`'s.
    """
    found = {}
    for token, by_itself in DEFAULTS.items():
        fields = [f"{token}-{mode}" for mode in MODES]
        read_ = [
            read(text, name) if (text := typed.get(name, "").strip()) else given
            for name, given in zip(fields, by_itself, strict=True)
        ]
        if (read_[0], read_[1]) != by_itself:
            found[token] = (read_[0], read_[1])
    return found


def check(colours: Palette) -> None:
    """Refuses: ValidationFailed with the ratio, for the first pair that people could not tell apart."""
    for each in contrasts(colours):
        if not each.is_enough:
            said = (
                f"{each.front} on {each.behind} in {each.mode} has a contrast of {shown(each.ratio)}:1;"
                f" {each.least:g}:1 is needed"
            )
            raise ValidationFailed(said, field=f"{each.front}-{each.mode}")


def contrasts(colours: Palette) -> list[Contrast]:
    """Every pair that is checked, in light and in dark."""
    whole = {**DEFAULTS, **colours}
    return [
        Contrast(front, behind, mode, ratio(whole[front][index], whole[behind][index]), least)
        for index, mode in enumerate(MODES)
        for front, behind, least in PAIRS
    ]


def shown(ratio: float) -> str:
    """Rounded down, so that what falls short never looks as if it did not."""
    return f"{math.floor(ratio * 100) / 100:.2f}"


def ratio(one: str, other: str) -> float:
    """The contrast of two colours as `read` writes them, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def sheet(colours: Palette) -> str:
    """The tokens as a style sheet. In the layer of the tokens: test mode keeps its violet."""
    lines = [f"--{token}:light-dark({light},{dark});" for token, (light, dark) in sorted(colours.items())]
    if "accent" in colours:
        lines.append("--accent-line:color-mix(in oklch,var(--accent) 35%,var(--surface));")
    return f"@layer tokens{{:root{{{''.join(lines)}}}}}\n" if lines else ""


def _luminance(colour: str) -> float:
    return sum(part * weight for part, weight in zip(_linear(colour), _LUMINANCE, strict=True))


def _linear(colour: str) -> tuple[float, ...]:
    """Linear sRGB from 0 to 1; what no screen shows is cut off."""
    found = _OKLCH.fullmatch(colour)
    if found is None:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        return tuple(each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)  # noqa: PLR2004 - sRGB
    lightness, chroma, hue = map(float, found.groups())
    lab = lightness / 100, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    lms = [sum(a * b for a, b in zip(row, lab, strict=True)) ** 3 for row in _LMS]
    return tuple(min(1.0, max(0.0, sum(a * b for a, b in zip(row, lms, strict=True)))) for row in _RGB)
