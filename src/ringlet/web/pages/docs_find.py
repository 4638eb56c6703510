"""Search over all docs: operations, headings, codes of refusal, countries and services."""

import re
from functools import cache

import msgspec

from ringlet import errors
from ringlet.finding import Names
from ringlet.web.pages import docs_api, docs_codes, docs_text
from ringlet.web.pages.docs_codes import fold
from ringlet.web.pages.words import Words
from ringlet.web.prices import CodeLists

CODES_MAX = 8
FOUND_MAX = 30


class Hit(msgspec.Struct, frozen=True):
    """A place in the docs: its address, what it is called, and a word about what it is."""

    href: str
    title: str
    about: str
    #: what it is found by, folded
    words: str


class Found(msgspec.Struct, frozen=True):
    """What a search has found."""

    hits: tuple[Hit, ...]
    services: tuple[docs_codes.ServiceRow, ...]
    countries: tuple[docs_codes.CountryRow, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing at all."""
        return not (self.hits or self.services or self.countries)


def find(codes: CodeLists, spoken: Words, names: Names, query: str) -> Found:
    """Places where every word of the query stands, those whose title has them first."""
    wanted = fold(query).split()
    fitting = [each for each in _places() if all(word in each.words for word in wanted)]
    fitting.sort(key=lambda each: not all(word in fold(each.title) for word in wanted))
    services = docs_codes.find_services(docs_codes.services(codes), names, query)
    countries = docs_codes.find_countries(docs_codes.countries(codes, spoken), names, query)
    return Found(tuple(fitting[:FOUND_MAX]), tuple(services[:CODES_MAX]), tuple(countries[:CODES_MAX]))


@cache
def _places() -> tuple[Hit, ...]:
    """Everything that can be found, but for the codes of countries and services."""
    made = [
        _hit(
            f"/docs/api#{each.id}",
            each.summary,
            f"{each.method} {each.path}",
            f"{each.id} {each.text} {each.tag}",
        )
        for each in docs_api.operations().values()
    ]
    for page in docs_text.PAGES:
        text = docs_text.text(page, "")
        made.append(_hit(f"/docs/{page}", text.title, "", re.sub(r"<[^>]*>", " ", text.html)))
        made += [_hit(f"/docs/{page}#{each.anchor}", each.text, text.title, "") for each in text.headings]
    made += [
        _hit("/docs/errors#codes-of-refusal", each.code, str(each.status), each.message)
        for each in sorted(errors.Refusal.__subclasses__(), key=lambda each: each.status)
    ]
    return tuple(made)


def _hit(href: str, title: str, about: str, more: str) -> Hit:
    return Hit(href, title, about, fold(f"{title} {about} {more}"))
