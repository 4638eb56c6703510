"""Changing prices: a wish is planned again and done in one transaction, when nobody changed a price since it was seen.

Every version of every rule is kept by the database (sql/0016_pricing_history.sql); a change can be undone as long as
nobody has changed what it made.
"""

from collections.abc import Mapping
from typing import Any, LiteralString

import msgspec
from psycopg.errors import UniqueViolation

from ringlet import acts, pricing
from ringlet.acts import Actor
from ringlet.backoffice.pricing_plan import Edit, Wish, plan
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.pricing import PriceRule

REASON_LENGTH_MAX = 200
TOLD_MAX = 10  # rules in one line of the log; all of them are in the history

CHANGED_MEANWHILE = "Somebody has changed prices meanwhile: look at what it comes to now, and save again"
CHANGED_SINCE = "This cannot be undone: somebody has changed one of these rules since"


class Done(msgspec.Struct, frozen=True):
    """The change, None when everything stood already, and the rules as wished that are there now."""

    change_id: int | None
    rule_ids: list[int]


async def version(tx: Tx) -> int:
    """The number of the last change of prices."""
    row = await (await tx.execute("select coalesce(max(id), 0) from price_change")).fetchone()
    assert row is not None
    return int(row[0])


async def apply(desk: Desk, by: Actor, wish: Wish, *, seen: int | None = None, reason: str = "") -> Done:
    """Do what was wished. `seen`: the version that the preview showed; None (the command line) takes what there is.

    Refuses: ValidationFailed (also when prices were changed since), NotFound, ServiceUnavailable.
    """
    _check_reason(reason)
    async with desk.db.transaction() as tx:
        await tx.execute(_TURN)
        if seen is not None and await version(tx) != seen:
            raise ValidationFailed(CHANGED_MEANWHILE)
        edits = await plan(tx, wish)
        changes = [each for each in edits if each.is_change]
        standing = [each.rule.id for each in edits if not each.is_change]
        if not changes:
            return Done(None, standing)
        is_removal = all(each.after is None for each in changes)
        change_id = await begin(tx, by, "removed" if is_removal else "set", reason)
        made = [await _write(tx, each) for each in changes]
        await _note(tx, by, change_id, changes, reason)
        await announce(tx, "catalogue")
    return Done(change_id, standing + [each for each in made if each is not None])


# Taken by the trigger too; here before the version is read, and before the change has its number.
_TURN: LiteralString = "select pg_advisory_xact_lock(hashtext('price_rule'))"


async def begin(tx: Tx, by: Actor, act: str, reason: str = "", undoes: int | None = None) -> int:
    """A new change, to which the database counts every rule that this transaction writes; `act` is set, removed or
    undone. Waits until no other change is on its way. Whoever writes rules without it leaves a change of "system".
    """
    await tx.execute(_TURN)
    row = await (await tx.execute(_CHANGE, [by.name, act, reason, undoes])).fetchone()
    assert row is not None
    await tx.execute("select set_config('ringlet.price_change', %s, true)", [str(row[0])])
    return int(row[0])


_CHANGE: LiteralString = """
insert into price_change (actor, act, reason, undoes) values (%s, %s, %s, %s) returning id
"""


async def _write(tx: Tx, edit: Edit) -> int | None:
    rule = edit.after
    if rule is None:
        await pricing.remove_rule(tx, edit.rule.id)
        return None
    return await pricing.set_rule(
        tx, customer_id=rule.customer_id, group_id=rule.group_id, brand_id=rule.brand_id, country=rule.country,
        service=rule.service, kind=rule.kind, value=rule.value, starts_at=rule.starts_at, ends_at=rule.ends_at,
    )  # fmt: skip


async def _note(tx: Tx, by: Actor, change_id: int, edits: list[Edit], reason: str) -> None:
    told = edits[:TOLD_MAX]
    act = "price_rule.removed" if all(each.after is None for each in edits) else "price_rule.set"
    await acts.write(
        tx, by, act, f"price change {change_id}", reason=reason,
        before={"rules": [_told(each.before) for each in told if each.before]},
        after={"rules": [_told(each.after) for each in told if each.after], "count": len(edits)},
    )  # fmt: skip


def _told(rule: PriceRule) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in msgspec.structs.asdict(rule).items()
        if value is not None and value != 0
    }


async def undo(desk: Desk, by: Actor, change_id: int) -> int:
    """Put back what a change replaced; returns the number of the change that did it, which can be undone itself.

    Refuses: NotFound; ValidationFailed when a rule of it was changed since, or it was undone before.
    """
    async with desk.db.transaction() as tx:
        await tx.execute(_TURN)
        rows = await (await tx.execute(_IS_UNTOUCHED, [change_id])).fetchall()
        if not rows:
            raise NotFound(f"there is no price change {change_id}")
        if not all(is_untouched for (is_untouched,) in rows):
            raise ValidationFailed(CHANGED_SINCE)
        try:
            async with tx.transaction():
                made = await begin(tx, by, "undone", "", change_id)
                # First what goes: it may stand where something comes back.
                await tx.execute(_TAKE_AWAY, [change_id])
                await tx.execute(_PUT_BACK, [change_id])
        except UniqueViolation:
            # Undone already, or another rule stands now where a removed one stood.
            raise ValidationFailed(CHANGED_SINCE) from None
        about = f"price change {change_id}"
        await acts.write(tx, by, "price_rule.undone", about, after={"change": made, "count": len(rows)})
        await announce(tx, "catalogue")
    return made


# A column that a later version has added is null in both.
_IS_UNTOUCHED: LiteralString = """
select jsonb_strip_nulls(h.after) is not distinct from jsonb_strip_nulls(to_jsonb(r))
from price_rule_history h left join price_rule r on r.id = h.rule_id where h.change_id = %s
"""
_TAKE_AWAY: LiteralString = """
delete from price_rule r using price_rule_history h
where h.change_id = %s and h.before is null and r.id = h.rule_id
"""
_PUT_BACK: LiteralString = """
insert into price_rule (id, customer_id, group_id, brand_id, country, service, kind, value, starts_at, ends_at)
overriding system value
select r.id, r.customer_id, r.group_id, r.brand_id, r.country, r.service, r.kind, r.value, r.starts_at, r.ends_at
from price_rule_history h, jsonb_populate_record(null::price_rule, h.before) r
where h.change_id = %s and h.before is not null
on conflict (id) do update set kind = excluded.kind, value = excluded.value, ends_at = excluded.ends_at,
    created_at = now()
"""


def _check_reason(reason: str) -> None:
    if len(reason) > REASON_LENGTH_MAX or not (reason == "" or reason.isprintable()):
        raise ValidationFailed(f"At most {REASON_LENGTH_MAX} printable characters", field="reason")
