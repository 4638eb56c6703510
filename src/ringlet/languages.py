"""The languages that we speak: their catalogues in `locale/` are read from the .po files; nothing is compiled or
committed twice.
"""

from functools import cache
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

#: language → its own name
LANGUAGES = {"en": "English", "es": "Español", "ru": "Русский", "zh": "简体中文", "ar": "العربية"}
#: language → its locale
LOCALES = {"en": "en", "es": "es", "ru": "ru", "zh": "zh_Hans", "ar": "ar"}


@cache
def catalogue(language: str) -> Catalog:
    """The texts of one of `LANGUAGES`; none where there is no file, as for English."""
    path = files("ringlet") / "locale" / f"{language}.po"
    if not path.is_file():
        return Catalog(locale=LOCALES[language])
    with path.open("rb") as file:
        return read_po(file, locale=LOCALES[language])


def said(language: str, text: str) -> str:
    """The text in this language; English where the catalogue lacks it, and for a language that we do not speak."""
    found = catalogue(language).get(text) if language in LANGUAGES else None
    return str(found.string) if found is not None and found.string and not found.fuzzy else text
