"""Who changed which price when: the changes, newest first, and every version of a rule."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.pricing import PriceRule

PAGE = 30
VERSIONS_SHOWN = 200
ID_MAX = 2**63 - 1


class Change(msgspec.Struct, frozen=True):
    """One change. `act` is set, removed or undone; `undone_by` the change that took it back."""

    id: int
    at: datetime
    actor: str
    act: str
    reason: str
    undoes: int | None
    undone_by: int | None
    rules: int


class Version(msgspec.Struct, frozen=True):
    """A rule before a change and after it; None where there was none."""

    rule_id: int
    before: PriceRule | None
    after: PriceRule | None

    @property
    def rule(self) -> PriceRule:
        """The rule after it, or the one that went. One that was made and removed at once is not there at all."""
        found = self.after or self.before
        assert found is not None
        return found


async def changes(desk: Desk, before: int | None = None, rule_id: int | None = None) -> list[Change]:
    """A page of changes and one more, newest first; of one rule when that is named. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Change))
        values = {"before": before or ID_MAX, "limit": PAGE + 1, "rule": rule_id}
        return await (await cursor.execute(_OF_RULE if rule_id else _CHANGES, values)).fetchall()


_CHANGES: LiteralString = """
select c.id, c.at, c.actor, c.act, c.reason, c.undoes, u.id,
    (select count(*) from price_rule_history h where h.change_id = c.id)
from price_change c left join price_change u on u.undoes = c.id
where c.id < %(before)s order by c.id desc limit %(limit)s
"""
_OF_RULE: LiteralString = """
select c.id, c.at, c.actor, c.act, c.reason, c.undoes, u.id,
    (select count(*) from price_rule_history h where h.change_id = c.id)
from price_rule_history of_rule join price_change c on c.id = of_rule.change_id
left join price_change u on u.undoes = c.id
where of_rule.rule_id = %(rule)s and of_rule.change_id < %(before)s order by of_rule.change_id desc limit %(limit)s
"""


async def change(desk: Desk, change_id: int) -> tuple[Change, list[Version]]:
    """One change with the first of its rules. Refuses: NotFound, ServiceUnavailable."""
    found = await changes(desk, change_id + 1)
    if not found or found[0].id != change_id:
        raise NotFound(f"there is no price change {change_id}")
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_VERSIONS, [change_id, VERSIONS_SHOWN])).fetchall()
    return found[0], [Version(rule_id, _rule(before), _rule(after)) for rule_id, before, after in rows]


def _rule(saved: Mapping[str, Any] | None) -> PriceRule | None:
    """To be shown; what is put back never leaves the database."""
    return None if saved is None else msgspec.convert(saved, PriceRule)


_VERSIONS: LiteralString = """
select rule_id, before, after from price_rule_history
where change_id = %s and num_nonnulls(before, after) > 0 order by rule_id limit %s
"""
