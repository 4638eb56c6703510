"""Documents of the repository as pages: `docs/*.md`, shipped in the package, never anybody else's text."""

import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

import ringlet

#: what stands in a rendered text until it is shown
ORIGIN, KEY, SHOP = "%ORIGIN%", "%KEY%", "%SHOP%"

#: inline code up to this length is never broken: it fits on a phone
WHOLE_MAX = 30

#: address below /docs → file
PAGES = {
    "handler-api": "handler-api.md", "5sim": "fivesim-api.md", "webhooks": "webhooks.md", "events": "events.md",
    "client": "client.md", "errors": "api.md", "test-mode": "test-mode.md",
}  # fmt: skip
#: sections that are for the operator, or that another page shows better
LEFT_OUT = {"webhooks": ("For the operator",), "errors": ("A purchase",)}
_ADDRESSES = {file: f"/docs/{page}" for page, file in PAGES.items()}
#: what the documents write for the reader's address and key
_OURS = (
    ("$BASE", ORIGIN), ("https://numbers.example.org", ORIGIN), ("https://your.address", ORIGIN),
    ("$TEST_KEY", KEY), ("$KEY", KEY), ("RINGLET_API_KEY=rl_test_…", f"RINGLET_API_KEY={KEY}"),
)  # fmt: skip


class Heading(msgspec.Struct, frozen=True):
    """A heading below the title, and the anchor that leads to it."""

    anchor: str
    text: str


class Text(msgspec.Struct, frozen=True):
    """A page: its title, its contents, and the rest as HTML of our own making."""

    title: str
    headings: tuple[Heading, ...]
    html: Markup


@cache
def text(page: str, copy: str) -> Text:
    """A page of PAGES; `copy` labels the buttons beside code."""
    parser = _parser(copy)
    tokens = parser.parse(_source(page))
    headings = [
        Heading(str(token.attrs["id"]), _plain(inner))
        for token, inner in pairwise(tokens)
        if token.type == "heading_open" and token.tag != "h1"
    ]
    title = _plain(tokens[1])
    html = parser.renderer.render(tokens[3:], parser.options, {})
    return Text(title, tuple(headings), Markup(html))  # noqa: S704 - of our own files, with HTML switched off


def inline(words: str) -> Markup:
    """A sentence of ours with its `code` and *stress*."""
    return Markup(_parser("").renderInline(words))  # noqa: S704 - HTML is switched off


def block(words: str) -> Markup:
    """Some paragraphs of ours."""
    return Markup(_parser("").render(words))  # noqa: S704 - HTML is switched off


def filled(html: Markup, origin: str, key: str, shop: str) -> Markup:
    """With the installation's address, a key and the shop's name in their places; all three escaped."""
    return html.replace(ORIGIN, origin).replace(KEY, key).replace(SHOP, shop)


def _source(page: str) -> str:
    """The file without what does not belong on this page."""
    words = _read(PAGES[page])
    if page == "errors":  # the addresses and the examples stand in the reference
        words = re.sub(r"^\| request \|.*?\n\n", "", words, flags=re.MULTILINE | re.DOTALL)
        words = words.replace("# The API\n", "# Errors and states\n", 1)
    for section in LEFT_OUT.get(page, ()):
        words = re.sub(rf"^## {section}\n.*?(?=^## |\Z)", "", words, flags=re.MULTILINE | re.DOTALL)
    return words


def _read(name: str) -> str:
    shipped = files("ringlet") / "docs" / name
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (Path(ringlet.__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")


@cache
def _parser(copy: str) -> MarkdownIt:
    """CommonMark with tables, without HTML, rendered in our way."""
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    parser.core.ruler.push("ours", lambda state: _adapt(state.tokens))
    parser.core.ruler.push("labels", lambda state: _label_cells(state.tokens))
    parser.renderer.copy = copy  # type: ignore[attr-defined]
    return parser


def _adapt(tokens: list[Token]) -> None:
    """Anchors for headings, our addresses for links between documents, the shop's name for ours."""
    for token, inner in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and inner is not None:
            token.attrs["id"] = slug(_plain(inner))
        if token.type == "fence":
            token.content = _with_places(token.content)
        for each in token.children or ():
            if each.type == "text":
                each.content = re.sub(r"\bRinglet\b", SHOP, each.content)
            elif each.type == "code_inline":
                each.content = _with_places(each.content)
                if len(each.content) <= WHOLE_MAX and "%" not in each.content:
                    each.attrs["class"] = "nowrap"
            elif each.type == "link_open":
                _adapt_link(each)


def _label_cells(tokens: list[Token]) -> None:
    """Each cell of a table bears the heading of its column, which a phone shows where it has no room for columns."""
    labels: list[str] = []
    column = 0
    for token, inner in pairwise(tokens):
        if token.type == "table_open":
            labels = []
        elif token.type == "th_open":
            labels.append(_plain(inner))
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            if column and labels[column]:
                token.attrs["data-label"] = labels[column]
            column += 1


def _adapt_link(link: Token) -> None:
    target, _, anchor = str(link.attrs["href"]).partition("#")
    if target.startswith("https://"):
        link.attrs["rel"] = "noreferrer"
    elif target in _ADDRESSES:
        link.attrs["href"] = _ADDRESSES[target] + (f"#{anchor}" if anchor else "")
        if (target, anchor) == ("api.md", ""):
            link.attrs["href"] = "/docs/api"
    elif target:
        del link.attrs["href"]  # a document for operators: its name is enough


def _with_places(code: str) -> str:
    for theirs, ours in _OURS:
        code = code.replace(theirs, ours)
    return code


def _plain(inner: Token) -> str:
    return "".join(each.content for each in inner.children or ()).replace(SHOP, "").strip()


def slug(words: str) -> str:
    """An anchor as GitHub makes it, so that links hold in both places."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


class _Renderer(RendererHTML):
    """Code gets a button that copies it, tables the look of the pages."""

    copy = ""

    def fence(self, tokens: Any, idx: int, options: Any, env: Any) -> str:  # noqa: ARG002 - the library's signature
        """A block of code."""
        return self._code(tokens[idx].content)

    def code_block(self, tokens: Any, idx: int, options: Any, env: Any) -> str:  # noqa: ARG002
        """The same, indented."""
        return self._code(tokens[idx].content)

    def table_open(self, tokens: Any, idx: int, options: Any, env: Any) -> str:  # noqa: ARG002
        """A table in the look of the pages."""
        return '<table class="table">'

    def _code(self, content: str) -> str:
        return str(_CODE.format(content.rstrip("\n"), self.copy))


_CODE = Markup(
    '<div class="code"><pre tabindex="0"><code>{}</code></pre>'
    '<button type="button" class="button only-script" data-near data-copy="">{}</button></div>'
)
