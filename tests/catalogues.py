"""The texts of pages and letters: found in the sources, and carried into each language's catalogue.

`python -m tests.catalogues [LANGUAGE…]` (`make messages`) brings `src/ringlet/locale/*.po` up to date: new texts come empty,
those that nobody says any more go.
"""

import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from ringlet.payments.kinds import KINDS

ROOT = Path(__file__).parent.parent / "src" / "ringlet"
LOCALES = {"es": "es", "ru": "ru", "zh": "zh_Hans", "ar": "ar"}
SOURCES = [
    ("web/pages/**.py", "python"), ("web/admin/**.py", "python"), ("people/**.py", "python"),
    ("backoffice/**.py", "python"), ("velocity.py", "python"), ("standing.py", "python"), ("activations/admit.py", "python"),
    ("topups/**.py", "python"),
    ("templates/**.html", "jinja2"),
]  # fmt: skip
OPTIONS = {"templates/**.html": {"trimmed": "false", "newstyle_gettext": "true", "silent": "false"}}
#: name → where its texts stand; a refusal's sentence is shown to people too
SINGLE = (
    "_",
    "gettext",
    "translate",
    "translatable",
    "ValidationFailed",
    "Forbidden",
    "NotFound",
    "RateLimited",
    "Unauthorized",
)
PASSES: list[Mapping[str, Any]] = [
    {**dict.fromkeys(SINGLE, (1,)), "ngettext": (1, 2), "Letter": (1,)},
    {"Letter": (2,)},
]


@functools.cache
def found() -> Catalog:
    """Every text that the sources say, with where."""
    catalog = Catalog()
    for keywords in PASSES:
        for name, line, text, comments, context in _extract(keywords):
            catalog.add(text, None, [(name, line)], auto_comments=comments, context=context)
    for kind in KINDS.values():
        for each in kind.fields:
            for text in filter(None, (each.label, each.help)):
                catalog.add(text, None, [(f"payments/{kind.kind}.py", 1)])
    return catalog


def _extract(keywords: Mapping[str, Any]) -> Iterator[tuple[str, int, Any, list[str], str | None]]:
    return extract_from_dir(
        ROOT, SOURCES, OPTIONS, keywords, comment_tags=("L10N:",), strip_comment_tags=True
    )


def path(language: str) -> Path:
    """The catalogue of a language."""
    return ROOT / "locale" / f"{language}.po"


def read(language: str) -> Catalog:
    """The catalogue as it lies there; an empty one when it does not yet."""
    if not path(language).exists():
        return Catalog(locale=LOCALES[language], project="Ringlet", charset="utf-8")
    with path(language).open("rb") as file:
        return read_po(file, locale=LOCALES[language])


def renew(language: str) -> Catalog:
    """The catalogue with the texts of now: translations kept, no guesses, nothing obsolete."""
    old = read(language)
    new = Catalog(
        locale=LOCALES[language], project="Ringlet", charset="utf-8", creation_date=old.creation_date,
        revision_date=old.revision_date,
    )  # fmt: skip
    for message in found():
        if message.id:
            known = old.get(message.id)
            new.add(message.id, known.string if known and known.string else None, flags=message.flags)
    return new


def main(languages: list[str]) -> None:
    for language in languages or LOCALES:
        catalog = renew(language)
        path(language).parent.mkdir(exist_ok=True)
        with path(language).open("wb") as file:
            write_po(file, catalog, width=0, omit_header=False, sort_output=True, no_location=True)
        missing = sum(1 for message in catalog if message.id and not _is_said(message.string))
        print(f"{language}: {len(catalog)} texts, {missing} not translated")


def _is_said(text: Any) -> bool:
    return all(text) if isinstance(text, (tuple, list)) else bool(text)


if __name__ == "__main__":
    main(sys.argv[1:])
