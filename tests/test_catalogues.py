"""Every visible text can be translated, and is: in each language, with its placeholders, in every plural form."""

import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from tests import catalogues

TEMPLATES = sorted((catalogues.ROOT / "templates").rglob("*.html"))
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
SAID = ("aria-label", "placeholder", "title", "alt", "data-copied", "data-offline")
#: what is the same in every language
NEUTRAL = re.compile(
    r"(?:curl|Python|JavaScript|PHP|JSON|CSV|API|URL|ID|OpenAPI|REST|SMS|TOTP|Webhook-Id|GET|POST|PATCH|DELETE|PUT|"
    r"PostgreSQL|p\d\d|Aa|w|wa|Ctrl|Enter|Esc|[A-Z]{2,4}|https?://\S*|/[\w./-]+|\W|\d)*"
)


class Visible(HTMLParser):
    """What a reader sees of a template once its expressions are taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[int, str]] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"code", "pre", "script", "style", "kbd", "samp"}:
            self._inside.append(tag)
        self.texts += [(self.getpos()[0], value) for name, value in attrs if name in SAID and value]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.texts.append((self.getpos()[0], data))


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda path: str(path.relative_to(catalogues.ROOT / "templates"))
)
def test_no_visible_text_escapes_translation(path: Path) -> None:
    """Words stand inside of `_()`, never bare between tags or in an attribute that is read out."""
    source = re.sub(r"\{% block width %\}\w*\{% endblock %\}", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", source, flags=re.DOTALL)
    seen = Visible()
    seen.feed(text)
    bare = [(line, each.strip()) for line, each in seen.texts if not NEUTRAL.fullmatch(each.strip())]
    assert bare == []


def _is_formed(text: str) -> bool:
    """Every text goes through `%`, also one without placeholders: a per cent sign is written twice."""
    try:
        _ = text % defaultdict(str)
    except (TypeError, ValueError):
        return False
    return True


def _faults(message: Message, forms: int) -> str:
    ids = message.id if isinstance(message.id, (tuple, list)) else [message.id]
    said = message.string if isinstance(message.string, (tuple, list)) else [message.string]
    if len(said) != (forms if len(ids) > 1 else 1) or not all(said):
        return "not translated"
    wanted = set(PLACEHOLDER.findall(str(ids[-1])))
    for each in said:
        names = set(PLACEHOLDER.findall(str(each)))
        if _is_formed(str(ids[-1])) and not _is_formed(str(each)):
            return f"a per cent sign that stands alone breaks the page: {each}"
        # A form for exactly one or two may leave the figure out.
        if names != wanted and not (len(ids) > 1 and names <= wanted):
            return f"placeholders {names} instead of {wanted}"
    return ""


@pytest.mark.parametrize("language", catalogues.LOCALES)
def test_every_text_is_translated(language: str) -> None:
    """Each text of the sources is in the catalogue, with the same placeholders and all plural forms."""
    catalog = catalogues.read(language)
    wrong = {}
    for message in catalogues.found():
        if message.id:
            known = catalog.get(message.id)
            fault = "missing" if known is None else _faults(known, catalog.num_plurals)
            if fault:
                wrong[str(message.id)[:80]] = fault
    assert wrong == {}


@pytest.mark.parametrize("language", catalogues.LOCALES)
def test_a_catalogue_holds_nothing_else(language: str) -> None:
    """What nobody says any more is gone, so that translators read what counts."""
    found = catalogues.found()
    assert [
        message.id for message in catalogues.read(language) if message.id and found.get(message.id) is None
    ] == []
