"""A supplier's words beside ours: what has no name of ours, with what it most likely means."""

from functools import cache
from typing import LiteralString

import msgspec

from ringlet import canon
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.supplying.codes import COUNTRY, KINDS, plain
from ringlet.words_near import Near

PAGE = 50
#: what may be shown: what nobody has decided about, what is not sold by decision, what has a name of ours
SHOWN = ("open", "ignored", "mapped")


class Word(msgspec.Struct, frozen=True):
    """One word of theirs; `suggestion` is a code of ours that it may mean, for words without one."""

    theirs: str
    ours: str | None
    suggestion: str | None


class Words(msgspec.Struct, frozen=True):
    """A page of words, how many of each sort there are, and where the next page begins."""

    words: list[Word]
    counts: dict[str, int]
    after: str | None


async def words(desk: Desk, source_id: int, kind: str, shown: str, after: str = "") -> Words:
    """Words of one kind (country or service) and sort. Refuses: NotFound, ServiceUnavailable."""
    if kind not in KINDS or shown not in SHOWN:
        raise NotFound
    values = {"source": source_id, "kind": kind, "shown": shown, "after": after, "limit": PAGE + 1}
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_WORDS, values)).fetchall()
        counts = dict(await (await tx.execute(_COUNTS, [source_id, kind])).fetchall())
    found = [Word(theirs, ours, None if ours else suggest(kind, theirs)) for theirs, ours in rows[:PAGE]]
    return Words(
        found, {each: counts.get(each, 0) for each in SHOWN}, rows[PAGE - 1][0] if len(rows) > PAGE else None
    )


_WORDS: LiteralString = """
select theirs, ours from code_map
where source_id = %(source)s and kind = %(kind)s and theirs > %(after)s
    and case when ours is not null then 'mapped' when is_decided then 'ignored' else 'open' end = %(shown)s
order by theirs limit %(limit)s
"""
_COUNTS: LiteralString = """
select case when ours is not null then 'mapped' when is_decided then 'ignored' else 'open' end, count(*)::int
from code_map where source_id = %s and kind = %s group by 1
"""


def suggest(kind: str, theirs: str) -> str | None:
    """The code of ours whose name is nearest to this word; None when nothing is near. Pure."""
    table, near = _names(kind)
    spelled = plain(theirs)
    if spelled in table:
        return table[spelled]
    best = max(near.to(spelled), key=lambda each: each[1], default=None)
    if best is not None:
        return table[best[0]]
    begun = next(near.beginning_with(spelled), None) if len(spelled) >= BEGUN_MIN else None
    return None if begun is None else table[begun]


BEGUN_MIN = 4


@cache
def _names(kind: str) -> tuple[dict[str, str], Near]:
    """Plain names and their parts → our codes, and the names to look for near ones; what is asked for most wins."""
    table: dict[str, str] = {}
    if kind == COUNTRY:
        for country in canon.countries().values():
            table.setdefault(plain(country.name), str(country.id))
            table.setdefault(plain(country.iso), str(country.id))
    else:
        for service in sorted(canon.services().values(), key=lambda each: each.rank):
            for name in (
                service.name,
                *service.name.replace("+", "/").replace(",", "/").split("/"),
                service.code,
            ):
                table.setdefault(plain(name), service.code)
    table.pop("", None)
    return table, Near(table)
