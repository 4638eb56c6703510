"""Code maps: what a supplier calls countries and services, and which of ours that is.

Words that are codes of the canonical tables are taken as such from suppliers that use them (they give no names);
other words are guessed by their English name. What the operator decided is never guessed again, and what nobody
knows is listed and never sold.
"""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, canon
from ringlet.acts import CLI, Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.suppliers.port import Named
from ringlet.supplying import known

COUNTRY, SERVICE = KINDS = ("country", "service")
WORD_LENGTH_MAX = 64
#: A supplier that makes up words without end fills no table of ours.
WORDS_MAX = 20_000
CODE_LENGTH_MAX = 3  # of a canonical service
ISO_LENGTH = 2


class Word(msgspec.Struct, frozen=True):
    """One word of a supplier; `ours` None is not mapped."""

    kind: str
    theirs: str
    ours: str | None
    is_decided: bool
    seen_at: datetime


async def load(tx: Tx, source_id: int) -> list[Word]:
    """Every word that we have seen of this supplier."""
    cursor = tx.cursor(row_factory=args_row(Word))
    await cursor.execute(_LOAD, [source_id])
    return await cursor.fetchall()


_LOAD: LiteralString = """
select kind, theirs, ours, is_decided, seen_at from code_map where source_id = %s order by kind, theirs
"""


class CodeMap(msgspec.Struct, frozen=True):
    """Theirs → ours of one kind, and what was learned with it: words to store, ours None where nobody knows."""

    ours: Mapping[str, str]
    learned: Mapping[str, str | None]


def known_map(kind: str, words: Sequence[Word]) -> CodeMap:
    """What we know, with nothing learned."""
    return CodeMap(
        {word.theirs: word.ours for word in words if word.kind == kind and word.ours is not None}, {}
    )


def learn(kind: str, words: Sequence[Word], seen: Iterable[str], names: Sequence[Named]) -> CodeMap:
    """Map what the supplier says now. Pure. A code of ours goes to one word; a better guess goes first."""
    before = {word.theirs: word for word in words if word.kind == kind}
    mapped = dict(known_map(kind, words).ours)
    called = {each.word: each.name for each in names}
    open_words = [
        theirs
        for theirs in dict.fromkeys([*called, *seen])
        if theirs not in mapped and not (theirs in before and before[theirs].is_decided) and _is_word(theirs)
    ]
    guesses = {theirs: _guess(kind, theirs, called) for theirs in open_words}
    taken, learned = set(mapped.values()), dict[str, str | None]()
    for theirs in sorted(open_words, key=lambda each: guesses[each][0]):
        _, ours = guesses[theirs]
        if ours is not None and ours not in taken:
            taken.add(ours)
            learned[theirs] = mapped[theirs] = ours
        elif theirs not in before and len(before) + len(learned) < WORDS_MAX:
            learned[theirs] = None
    return CodeMap(mapped, learned)


def _is_word(theirs: str) -> bool:
    return 0 < len(theirs) <= WORD_LENGTH_MAX and theirs.isprintable()


def _guess(kind: str, theirs: str, called: Mapping[str, str]) -> tuple[int, str | None]:
    """Ours for a word, with how bold the guess is (0 is sure)."""
    if _looks_canonical(kind, theirs, called):
        return 0, theirs if _is_canonical(kind, theirs) else None
    table = _names(kind)
    spelled = (plain(called.get(theirs, theirs)), plain(theirs))
    found = [table[each] for each in spelled if each in table]
    return min(found, default=(99, None))


def _looks_canonical(kind: str, theirs: str, called: Mapping[str, str]) -> bool:
    """A country's number that goes by no other name; a short service of a supplier that names none."""
    if kind == COUNTRY:
        return theirs.isdigit() and called.get(theirs, theirs) == theirs
    return not called and len(theirs) <= CODE_LENGTH_MAX


def _is_canonical(kind: str, theirs: str) -> bool:
    if kind == SERVICE:
        return theirs in canon.services()
    return (
        theirs.isascii()
        and theirs.isdigit()
        and str(int(theirs)) == theirs
        and int(theirs) in canon.countries()
    )


def plain(text: str) -> str:
    """Letters and digits only, without case and accents: "Côte d'Ivoire" → "cotedivoire"."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())


@cache
def _names(kind: str) -> Mapping[str, tuple[int, str]]:
    """Plain name → how bold, ours. Our own name first, then what suppliers say, then parts of our name."""
    table: dict[str, tuple[int, str]] = {}
    entries = _countries() if kind == COUNTRY else _services()
    for bold, name, ours in sorted(entries, key=lambda each: each[0]):
        table.setdefault(name, (bold, ours))
    return table


def _countries() -> Iterable[tuple[int, str, str]]:
    for country in canon.countries().values():
        yield 0, plain(country.name), str(country.id)
        yield 2, plain(country.iso), str(country.id)
    yield from _aliases("countries")


def _services() -> Iterable[tuple[int, str, str]]:
    for service in sorted(canon.services().values(), key=lambda each: each.rank):
        yield 0, plain(service.name), service.code
        parts = service.name.replace("+", "/").replace(",", "/").split("/")
        for place, part in enumerate(parts if len(parts) > 1 else ()):
            yield 2 + place, plain(part), service.code
    yield from _aliases("services")


def _aliases(section: str) -> Iterable[tuple[int, str, str]]:
    text = files("ringlet.data").joinpath("supplier_words.toml").read_text(encoding="utf-8")
    for ours, words in tomllib.loads(text)[section].items():
        for word in words:
            yield 1, word, ours


async def store(tx: Tx, source_id: int, kind: str, learned: Mapping[str, str | None]) -> None:
    """Keep what was learned; the operator's word, given meanwhile, stands."""
    values = {"source": source_id, "kind": kind, "theirs": list(learned), "ours": list(learned.values())}
    if learned:
        await tx.execute(_STORE_GUESSES, values)
        await tx.execute(_STORE_NEW, values)


_STORE_GUESSES: LiteralString = """
update code_map m set ours = new.ours, seen_at = now()
from unnest(%(theirs)s::text[], %(ours)s::text[]) as new (theirs, ours)
where m.source_id = %(source)s and m.kind = %(kind)s and m.theirs = new.theirs
    and m.ours is null and not m.is_decided and new.ours is not null
    and not exists (select from code_map taken
        where (taken.source_id, taken.kind, taken.ours) = (m.source_id, m.kind, new.ours))
"""
_STORE_NEW: LiteralString = """
insert into code_map (source_id, kind, theirs, ours)
select %(source)s, %(kind)s, theirs, ours
from unnest(%(theirs)s::text[], %(ours)s::text[]) as new (theirs, ours)
on conflict do nothing
"""


# What the operator does.


async def unmapped(desk: Desk, supplier: str) -> list[Word]:
    """Words of this supplier that have no name of ours. Refuses: NotFound."""
    async with desk.db.connection() as tx:
        row = await known.terms(tx, supplier)
        return [word for word in await load(tx, row.source_id) if word.ours is None]


class Mapped(msgspec.Struct, frozen=True):
    """A decision: `lost` is the word that had this code of ours before."""

    kind: str
    theirs: str
    ours: str | None
    lost: str | None


async def map_code(
    desk: Desk, supplier: str, kind: str, theirs: str, ours: str | None, by: Actor = CLI
) -> Mapped:
    """Decide what a word means, or that it is not sold (None). Refuses: NotFound, ValidationFailed.

    Offers of every code whose meaning changes wait for the next sync.
    """
    return (await map_codes(desk, supplier, kind, {theirs: ours}, by))[0]


async def map_codes(
    desk: Desk, supplier: str, kind: str, decisions: Mapping[str, str | None], by: Actor = CLI
) -> list[Mapped]:
    """The same for several words (theirs → ours): all of them, or none."""
    for ours in decisions.values():
        _check(kind, ours)
    async with desk.db.transaction() as tx:
        source_id = (await known.terms(tx, supplier)).source_id
        await tx.execute(_WAIT_FOR_SYNC, [source_id])
        words = {word.theirs: word.ours for word in await load(tx, source_id) if word.kind == kind}
        before = {theirs: words.get(theirs) for theirs in decisions}
        mapped = [
            await _decide(tx, source_id, supplier, kind, words, theirs, ours)
            for theirs, ours in decisions.items()
        ]
        await acts.write(
            tx, by, "supplier.codes_mapped", f"supplier {supplier}",
            before={"kind": kind, **before}, after={"kind": kind, **decisions},
        )  # fmt: skip
        await announce(tx, "catalogue")
    return mapped


async def _decide(
    tx: Tx, source_id: int, supplier: str, kind: str, words: dict[str, str | None], theirs: str, ours: str | None
) -> Mapped:  # fmt: skip
    """One word; `words` (theirs → ours) is kept true for the next one."""
    if theirs not in words:
        raise NotFound(f"{supplier} has not named a {kind} {theirs!r} yet; ringlet supplier sync {supplier}")
    lost = next(
        (each for each, code in words.items() if ours is not None and code == ours and each != theirs), None
    )
    if lost is not None:
        await tx.execute(_TAKE_AWAY, [source_id, kind, lost])
        words[lost] = None
    await tx.execute(_DECIDE, [ours, source_id, kind, theirs])
    if words[theirs] != ours:
        await tx.execute(_EMPTY[kind], [source_id, [each for each in (words[theirs], ours) if each]])
    words[theirs] = ours
    return Mapped(kind, theirs, ours, lost)


def _check(kind: str, ours: str | None) -> None:
    if kind not in KINDS:
        raise ValidationFailed("country or service", field="kind")
    if ours is not None and not _is_canonical(kind, ours):
        raise ValidationFailed(f"{ours!r} is no {kind} of the code table", field="ours")


#: One writer of a supplier's words and offers at a time: whoever syncs takes it or leaves, the operator waits.
_WAIT_FOR_SYNC: LiteralString = "select pg_advisory_xact_lock(hashtextextended('supplier sync', %s))"
TRY_SYNC: LiteralString = "select pg_try_advisory_xact_lock(hashtextextended('supplier sync', %s))"

_TAKE_AWAY: LiteralString = """
update code_map set ours = null where source_id = %s and kind = %s and theirs = %s
"""
_DECIDE: LiteralString = """
update code_map set ours = %s, is_decided = true where source_id = %s and kind = %s and theirs = %s
"""
_EMPTY: Mapping[str, LiteralString] = {
    COUNTRY: """
update offer set available = 0, changed_at = clock_timestamp()
where source_id = %s and country::text = any (%s) and available is distinct from 0
""",
    SERVICE: """
update offer set available = 0, changed_at = clock_timestamp()
where source_id = %s and service = any (%s) and available is distinct from 0
""",
}
