"""Hostile logos and colours: what gets in is drawn anew or refused, and costs little."""

import io
import struct
import tracemalloc
import zlib
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from ringlet import brands, colours
from ringlet.backoffice import brand_dress
from ringlet.errors import ValidationFailed

PAYLOAD = b"<script>alert(1)</script><?php evil(); ?>"


def picture(width: int = 40, height: int = 20, kind: str = "PNG", **saved: object) -> bytes:
    made = io.BytesIO()
    Image.new("RGBA", (width, height), (200, 30, 30, 255)).save(made, kind, **saved)
    return made.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, packed: bytes, *more: bytes) -> bytes:
    """A PNG that says it is so large, whatever is in it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


BOMB = zlib.compress(b"\0" * 60_000_000, 9)
HOSTILE = {
    "empty": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect/></svg>',
    "svg with a mark": b'\xef\xbb\xbf<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif with a script": b"GIF89a/*" + PAYLOAD + b"*/=1;",
    "jpeg": None,
    "pixels": png(20_000, 20_000, zlib.compress(b"\0" * 100)),
    "unpacks to 60 MB": png(30_000, 500, BOMB),
    "a side of 2^31": png(2**31 - 1, 1, zlib.compress(b"\0")),
    "text that unpacks": png(4, 4, zlib.compress(b"\0" * 68), chunk(b"zTXt", b"a\0\0" + BOMB)),
    "cut short": picture(300, 300)[:60],
    "wrong sums": picture()[:40] + b"\xff" * 40,
    "only a head": b"\x89PNG\r\n\x1a\n",
    "webp of nothing": b"RIFF\x24\0\0\0WEBPVP8 ",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str) -> None:
    """With a sentence, and without unpacking what it promises."""
    file = HOSTILE[name]
    if file is None:
        made = io.BytesIO()
        Image.new("RGB", (9, 9)).save(made, "JPEG")
        file = made.getvalue()
    tracemalloc.start()
    with pytest.raises(ValidationFailed):
        brand_dress.redrawn(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8_000_000


def test_a_polyglot_leaves_its_other_half_behind() -> None:
    """Text in the file, behind it and in its pixels' company: nothing of it is in what we serve."""
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", PAYLOAD.decode())
    for file in (
        picture(pnginfo=said) + PAYLOAD, picture(kind="WEBP", exif=b"Exif\0\0" + PAYLOAD, xmp=PAYLOAD, lossless=True) + PAYLOAD,
    ):  # fmt: skip
        assert PAYLOAD in file
        made = brand_dress.redrawn(file)
        for served in (made.content, made.icon):
            assert b"script" not in served
            assert b"php" not in served
            found = Image.open(io.BytesIO(served))
            assert (found.format, found.info) == ("PNG", {})


def test_a_logo_is_made_to_fit() -> None:
    """Within the bounds, its shape kept, never larger than it was; the icon is square."""
    sizes = [
        (made.width, made.height)
        for made in map(brand_dress.redrawn, (picture(1000, 100), picture(10, 900), picture(5, 5)))
    ]
    assert sizes == [(480, 48), (1, 80), (5, 5)]
    assert Image.open(io.BytesIO(brand_dress.redrawn(picture(5, 5)).icon)).size == (64, 64)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=timedelta(seconds=1))
def test_any_bytes_are_a_picture_or_refused(noise: bytes) -> None:
    """Behind a good head too."""
    for file in (noise, picture()[:50] + noise):
        try:
            brand_dress.redrawn(file)
        except ValidationFailed:
            continue


def test_the_form_of_twelve_tokens() -> None:
    """Each in light and in dark; as they are by themselves they can be read, and are no change."""
    assert len(colours.DEFAULTS) == 12
    colours.check({})
    assert colours.palette({}) == {}
    typed = {"accent-light": " #0B5D1E ", "accent-dark": "OKLCH(80%  0.1 150)", "unknown-light": "}"}
    assert colours.palette(typed) == {"accent": ("#0b5d1e", "oklch(80% 0.1 150)")}


@pytest.mark.parametrize("text", [
    "red", "#fff", "#12345g", "#1234567", "rgb(1,2,3)", "oklch(50% 0.1)", "oklch(101% 0.1 10)", "oklch(50% 0.9 10)",
    "oklch(50% 0.1 361)", "oklch(nan% 0 0)", "oklch(50% -0.1 10)", "#000000;}body{display:none", "oklch(50% 0.1 10)}",
    "url(https://evil.example)", "var(--text)", "#000000/**/", "expression(alert(1))", "\\23 000000", "oklch(1e2% 0 0)",
    "</style><script>", "#００００００", "oklch(٥0% 0 0)",
])  # fmt: skip
def test_hostile_colours_are_refused(text: str) -> None:
    """Nothing but a colour is one."""
    with pytest.raises(ValidationFailed):
        colours.palette({"accent-light": text})


@given(
    st.dictionaries(
        st.sampled_from([f"{token}-{mode}" for token in colours.DEFAULTS for mode in colours.MODES]),
        st.text(max_size=40),
    )
)
def test_no_text_gets_into_the_sheet(typed: dict[str, str]) -> None:
    """Whatever is typed, the style sheet is of the shape that we write."""
    try:
        sheet = colours.sheet(colours.palette(typed))
    except ValidationFailed:
        return
    assert set(sheet) <= set("@layertokns{}:;-,#%(). \nightdcux0123456789bfwvpm")


@pytest.mark.parametrize(("typed", "refused"), [
    ({"text-light": "#8a8a8a"}, "text-light"), ({"page-dark": "#dddddd"}, "text-dark"), ({"edge-light": "#cccccc"}, "edge-light"),
    ({"accent-light": "#ffcc00"}, "accent-light"), ({"on-accent-dark": "#ffffff"}, "on-accent-dark"),
])  # fmt: skip
def test_a_contrast_that_is_too_small_is_refused_with_its_ratio(typed: dict[str, str], refused: str) -> None:
    """In the mode where it falls short, beside the field."""
    with pytest.raises(ValidationFailed) as said:
        colours.check(colours.palette(typed))
    (error,) = said.value.extra["errors"]  # type: ignore[misc]
    assert error["field"] == refused
    assert "has a contrast of " in error["message"]
    assert error["message"].endswith("is needed")


@pytest.mark.parametrize(("one", "other", "ratio"), [
    ("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.478), ("oklch(100% 0 0)", "#000000", 21.0),
    ("oklch(62.796% 0.2577 29.234)", "#ffffff", 3.998), ("#ff0000", "#ffffff", 3.998),
])  # fmt: skip
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """Known values; a colour of OKLCH is the same colour as its hex."""
    assert colours.ratio(one, other) == pytest.approx(ratio, abs=0.01)


def test_what_falls_short_is_not_shown_as_enough() -> None:
    """4.499 is written 4.49."""
    assert [colours.shown(each) for each in (4.4999, 4.5, 21.0)] == ["4.49", "4.50", "21.00"]


@pytest.mark.parametrize(("header", "name"), [
    ("Shop.Example", "shop.example"), ("shop.example:8080", "shop.example"), ("shop.example.", "shop.example"), ("", ""),
    ("[::1]:80", "[::1]"), ("shop.example:", "shop.example"),
])  # fmt: skip
def test_a_host_header_is_read(header: str, name: str) -> None:
    """Without its port, in small letters."""
    assert brands.without_port(header) == name
