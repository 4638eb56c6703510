"""Brands: one installation, several shops, each under its own host names. Decision 30.

Each process has a copy of them in memory (`Brands`), which the news "brands" keeps true. An unknown host is the
installation's own brand. The settings that a brand wears are made once, with the copy: whoever asks for the name, the
public address or the sender gets the brand's without knowing of brands.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, LiteralString
from urllib.parse import urlsplit

import msgspec

from ringlet.db import Tx
from ringlet.errors import NotFound, ValidationFailed
from ringlet.settings import Settings

HOUSE = 1  # the brand that is the installation itself
TOPIC = "brands"
#: "terms" and so on, in the order in which a footer shows them
PAGES = ("terms", "privacy", "imprint")
TONES = ("info", "good", "waiting", "bad")
HOST_LENGTH_MAX = 253
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


class Announcement(msgspec.Struct, frozen=True):
    """What all pages of a brand say for a while, by language."""

    id: int
    brand_id: int
    tone: str
    texts: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime

    def text(self, language: str) -> str:
        """In this language, else in English, else in any."""
        return self.texts.get(language) or self.texts.get("en") or next(iter(self.texts.values()), "")


class Brand(msgspec.Struct, frozen=True):
    """One shop. `customer_id` is the reseller whose it is, None the operator; `worn` are the settings with its name."""

    id: int
    name: str
    customer_id: int | None
    hosts: tuple[str, ...]
    colours: Mapping[str, tuple[str, str]]
    languages: tuple[str, ...]
    mail_from: str
    support_url: str
    version: int
    has_logo: bool
    #: (kind, language) of every legal page
    pages: frozenset[tuple[str, str]]
    announcements: tuple[Announcement, ...]
    worn: Settings

    def legal(self) -> list[str]:
        """The kinds of legal pages that there are."""
        return [kind for kind in PAGES if any(kind == each for each, _ in self.pages)]

    def said_now(self) -> list[Announcement]:
        """What is to be said at this moment, the oldest first."""
        now = datetime.now(UTC)
        return [each for each in self.announcements if each.starts_at <= now < each.ends_at]


class Brands:
    """The copy of one process. Until it was read there is the installation's own brand alone."""

    def __init__(self, settings: Settings) -> None:
        self._by_id: dict[int, Brand] = {}
        self._by_host: dict[str, Brand] = {}
        self.take([house(settings)])

    def take(self, brands: Iterable[Brand]) -> None:
        """These are all there are."""
        self._by_id = {each.id: each for each in brands}
        self._by_host = {host: each for each in self._by_id.values() for host in each.hosts}

    def get(self, brand_id: int) -> Brand:
        """The brand, or the installation's own for one that is not known here yet."""
        return self._by_id.get(brand_id) or self._by_id[HOUSE]

    def owned_by(self, customer_id: int) -> list[Brand]:
        """The shops of a reseller; none for everybody else."""
        return [each for each in self._by_id.values() if each.customer_id == customer_id]

    def of_host(self, host: str) -> Brand:
        """Whose pages a request asks for, by its Host header."""
        return self._by_host.get(without_port(host)) or self._by_id[HOUSE]


def house(settings: Settings) -> Brand:
    """The installation's own brand as it is before anybody has changed it."""
    return _brand((HOUSE, None, None, [], {}, [], "", "", 1, False, [], None), (), settings)


def without_port(host: str) -> str:
    """The name in a Host header, in small letters and without the dot at its end."""
    return host.strip().lower().rpartition(":")[0 if re.search(r":[0-9]*$", host) else 2].rstrip(".")


def host_name(text: str) -> str:
    """A host name as it is stored. Refuses: ValidationFailed, also for a port, a path or an address of numbers."""
    found = text.strip().lower().rstrip(".")
    if not _HOST.fullmatch(found) or found.rpartition(".")[2].isdigit():
        raise ValidationFailed(f"{text.strip()[:80]!r} is no host name", field="hosts")
    return found


async def load(tx: Tx, settings: Settings) -> list[Brand]:
    """All brands, with what they announce now or later."""
    told = [Announcement(*row) for row in await (await tx.execute(_ANNOUNCEMENTS)).fetchall()]
    rows = await (await tx.execute(f"{_LOAD} order by b.id")).fetchall()
    return [_brand(row, [each for each in told if each.brand_id == row[0]], settings) for row in rows]


async def by_id(tx: Tx, brand_id: int, settings: Settings) -> Brand:
    """As it is now, whatever the copies say. Refuses: NotFound."""
    row = await (await tx.execute(f"{_LOAD} where b.id = %s", [brand_id])).fetchone()
    if row is None:
        raise NotFound("No such brand")
    return _brand(row, (), settings)


_LOAD: LiteralString = """
select b.id, b.name, b.customer_id, array(select h.host from brand_host h where h.brand_id = b.id order by h.place),
    b.colours, b.languages, b.mail_from, b.support_url, b.version,
    exists (select from brand_logo l where l.brand_id = b.id),
    array(select array[p.kind, p.language] from brand_page p where p.brand_id = b.id),
    (select currency from brand where id = 1)
from brand b
"""


async def currency(tx: Tx, settings: Settings) -> str:
    """The currency of every wallet: what the owner has chosen, else the one of the settings. For who opens a wallet:
    nobody changes it before the end of the transaction.
    """
    row = await (await tx.execute("select currency from brand where id = 1 for share")).fetchone()
    return row[0] if row is not None and row[0] else settings.currency


_ANNOUNCEMENTS: LiteralString = """
select id, brand_id, tone, texts, starts_at, ends_at from announcement where ends_at > now() order by id
"""


async def page(tx: Tx, brand_id: int, kind: str, language: str) -> tuple[str, str]:
    """A legal page and the language it is in: this one, else English, else any. Refuses: NotFound."""
    row = await (await tx.execute(_PAGE, [brand_id, kind, language])).fetchone()
    if row is None:
        raise NotFound("No such page")
    return str(row[0]), str(row[1])


_PAGE: LiteralString = """
select body, language from brand_page where brand_id = %s and kind = %s
order by language <> %s, language <> 'en', language limit 1
"""


class Picture(msgspec.Struct, frozen=True):
    """A brand's logo as we have written it: the picture itself, and a square one for tabs."""

    width: int
    height: int
    content: bytes
    icon: bytes


async def logo(tx: Tx, brand_id: int) -> Picture:
    """Refuses: NotFound."""
    row = await (await tx.execute(_LOGO, [brand_id])).fetchone()
    if row is None:
        raise NotFound("This brand has no logo")
    return Picture(*row)


_LOGO: LiteralString = "select width, height, content, icon from brand_logo where brand_id = %s"


def _brand(row: tuple[Any, ...], told: Iterable[Announcement], settings: Settings) -> Brand:
    (
        brand_id, name, customer_id, hosts, colours, languages, mail_from, support, version, has_logo, pages, money,
    ) = row  # fmt: skip
    worn = _worn(
        replace(settings, currency=money or settings.currency), name or settings.name, hosts, mail_from
    )
    return Brand(
        brand_id, worn.name, customer_id, tuple(hosts), {token: (pair[0], pair[1]) for token, pair in colours.items()},
        tuple(languages), mail_from, support, version, has_logo, frozenset((kind, each) for kind, each in pages),
        tuple(told), worn,
    )  # fmt: skip


def _worn(settings: Settings, name: str, hosts: list[str], mail_from: str) -> Settings:
    """The settings in the brand's words. Its pages are where the installation's are, under its first host name."""
    public = urlsplit(settings.public_url)
    port = f":{public.port}" if public.port else ""
    return replace(
        settings,
        name=name,
        public_url=f"{public.scheme}://{hosts[0]}{port}" if hosts else settings.public_url,
        mail_from=mail_from or settings.mail_from,
    )
