"""What operators type: headings, paragraphs and lists."""

import pytest

from ringlet.web.pages.plain import Part, parts


@pytest.mark.parametrize(("typed", "shown"), [
    ("", []),
    (" \n\n \n", []),
    ("one", [Part("text", ["one"])]),
    ("one\ntwo\n\nthree", [Part("text", ["one\ntwo"]), Part("text", ["three"])]),
    ("# Head\n\nbody", [Part("heading", ["Head"]), Part("text", ["body"])]),
    ("# no head\nof two lines", [Part("text", ["# no head\nof two lines"])]),
    ("#no head", [Part("text", ["#no head"])]),
    ("You do not\n- lie;\n- steal.", [Part("text", ["You do not"]), Part("list", ["lie;", "steal."])]),
    ("- a\r\n- b\r\n\r\nend", [Part("list", ["a", "b"]), Part("text", ["end"])]),
    ("- a\nmore\n- b", [Part("list", ["a"]), Part("text", ["more"]), Part("list", ["b"])]),
    ("-5 degrees\n--", [Part("text", ["-5 degrees\n--"])]),
    ("- ", [Part("text", ["-"])]),
    ("<ul>\n- <li>", [Part("text", ["<ul>"]), Part("list", ["<li>"])]),
])  # fmt: skip
def test_parts(typed: str, shown: list[Part]) -> None:
    """Nothing of a text is lost, and nothing but three marks means anything."""
    assert parts(typed) == shown
