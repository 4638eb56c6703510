"""What operators type for people to read: plain text with headings, paragraphs and lists, and nothing else in it."""

from itertools import groupby

import msgspec

POINT = "- "


class Part(msgspec.Struct, frozen=True):
    """A heading or a paragraph with one text, or a list with the text of each point. `kind`: heading, text, list."""

    kind: str
    texts: list[str]


def parts(body: str) -> list[Part]:
    """An empty line begins another paragraph, "# " at its beginning makes it a heading, "- " a line a point."""
    found: list[Part] = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        lines = block.strip().split("\n")
        if lines[0].startswith("# ") and len(lines) == 1:
            found.append(Part("heading", [lines[0].removeprefix("# ")]))
            continue
        for is_list, run in groupby(lines, lambda line: line.startswith(POINT)):
            texts = [line.removeprefix(POINT) if is_list else line for line in run]
            if any(texts):
                found.append(Part("list", texts) if is_list else Part("text", ["\n".join(texts)]))
    return found
