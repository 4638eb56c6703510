"""Receipts as PDF, with a font of their own inside, so that they look the same everywhere and for good.

DejaVu Sans (from npm, see `front/build.mjs`) has the letters of Latin, Cyrillic and Greek. It has none of Chinese, and
joining Arabic letters needs a shaping engine: receipts for readers of those are in English, and a name that cannot be
written is not put on paper as empty boxes (`covers`).
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from ringlet.errors import StartupError

#: what it is written in; everything else in English
LANGUAGES = frozenset({"en", "es", "ru"})
FAMILY = "DejaVu"
MARGIN_MM, LINE_MM, LABEL_MM, WIDTH_MM = 20, 7, 60, 170
GREY = 110
FROM_RIGHT = {"R", "AL"}


class Receipt(msgspec.Struct, frozen=True):
    """What is on it, in one language: who, what for, and the sums, the last of which is what was paid."""

    shop: str
    place: str
    title: str
    facts: Sequence[tuple[str, str]]
    sums: Sequence[tuple[str, str]]
    note: str


@cache
def _path(name: str) -> Path:
    path = Path(str(files("ringlet") / "static" / "fonts" / name))
    if not path.is_file():
        raise StartupError("the receipts' font is missing: run `make assets`")
    return path


@cache
def _letters() -> frozenset[int]:
    with TTFont(_path("DejaVuSans.ttf"), lazy=True) as font:
        return frozenset(font.getBestCmap())


def covers(text: str) -> bool:
    """Whether this can be written so that it can be read."""
    return all(
        ord(letter) in _letters() and unicodedata.bidirectional(letter) not in FROM_RIGHT for letter in text
    )


def draw(receipt: Receipt, language: str, at: datetime | None) -> bytes:
    """One sheet of A4. Takes some tenths of a second: call it in a thread."""
    sheet = FPDF(format="A4")
    sheet.set_title(f"{receipt.title} · {receipt.shop}")
    sheet.set_lang(language)
    sheet.set_creation_date(at)
    sheet.set_margin(MARGIN_MM)
    sheet.add_font(FAMILY, "", _path("DejaVuSans.ttf"))
    sheet.add_font(FAMILY, "B", _path("DejaVuSans-Bold.ttf"))
    sheet.add_page()
    _line(sheet, receipt.shop, 16, "B")
    _line(sheet, receipt.place, 9, grey=True)
    sheet.ln(LINE_MM)
    _line(sheet, receipt.title, 13, "B")
    sheet.ln(2)
    for label, text in receipt.facts:
        _pair(sheet, label, text, "L")
    sheet.ln(LINE_MM)
    for label, text in receipt.sums:
        _rule(sheet)
        _pair(sheet, label, text, "R")
    _rule(sheet)
    sheet.ln(LINE_MM)
    _line(sheet, receipt.note, 9, grey=True)
    return bytes(sheet.output())


def _line(sheet: FPDF, text: str, size: int, style: str = "", *, grey: bool = False) -> None:
    sheet.set_font(FAMILY, style, size)
    sheet.set_text_color(GREY if grey else 0)
    sheet.multi_cell(WIDTH_MM, LINE_MM, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _pair(sheet: FPDF, label: str, text: str, align: str) -> None:
    sheet.set_font(FAMILY, "", 10)
    sheet.set_text_color(GREY)
    top = sheet.get_y()
    sheet.multi_cell(LABEL_MM, LINE_MM, label, align="L", new_x=XPos.RIGHT, new_y=YPos.NEXT)
    under = sheet.get_y()
    sheet.set_text_color(0)
    sheet.set_xy(MARGIN_MM + LABEL_MM, top)
    sheet.multi_cell(WIDTH_MM - LABEL_MM, LINE_MM, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_xy(MARGIN_MM, max(under, sheet.get_y()))


def _rule(sheet: FPDF) -> None:
    sheet.set_draw_color(200)
    sheet.line(MARGIN_MM, sheet.get_y(), MARGIN_MM + WIDTH_MM, sheet.get_y())
