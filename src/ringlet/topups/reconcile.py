"""The daily comparison: what a gateway says has settled, and what we know of it (rule T5).

It moves no money. What differs is looked at (`look.py` asks for the truth of that payment), a payment that we do not know
and that names one of our top-ups is adopted as from a notice (`notices.adopt_due`), and the totals are kept for the
operator.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import msgspec
import structlog
from psycopg.types.json import Jsonb

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, StartupError, ValidationFailed
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Notice, Refused, Settled, Unreachable
from ringlet.topups import notices, store

BACK = timedelta(days=3)
#: what has just settled there may be on its way here
FRESH = timedelta(minutes=10)
EVERY_S = 24 * 3600.0
AGAIN_S = 3600.0
#: should this process die meanwhile
CLAIMED_S = 600.0
SHOWN_MAX = 20
WORDS_MAX = 300

log = structlog.get_logger("ringlet.topups")


class Known(msgspec.Struct, frozen=True):
    """What we know of a payment that a gateway lists."""

    external_id: str
    public_id: str
    state: str
    settled_micros: int
    refunded_micros: int
    currency: str
    #: staff have said what came
    by_staff: bool


class Difference(msgspec.Struct, frozen=True):
    """A payment of which we know something else. `what`: "unknown" (it names a top-up of ours, and is not the payment of
    one), "open" (not credited yet), "review" (waits for staff), "refused" (rejected by staff), "settled" or "refunded"
    (another amount), "currency", "missing" (credited here, and not listed there).
    """

    what: str
    external_id: str
    public_id: str = ""
    theirs_micros: int = 0
    ours_micros: int = 0


class Compared(msgspec.Struct, frozen=True):
    """What a comparison found: how many payments settled from `since` on and before `until`, how much that is, and where
    we differ. `error`: it came to no end.
    """

    since: datetime
    until: datetime
    theirs_count: int = 0
    theirs_micros: int = 0
    ours_count: int = 0
    ours_micros: int = 0
    differing: int = 0
    differences: Sequence[Difference] = ()
    error: str = ""


async def compare(desk: Desk, gateway_id: int) -> Compared:
    """Compare one now. Refuses: NotFound, ValidationFailed (it cannot list), ServiceUnavailable."""
    async with desk.db.connection() as tx:
        terms = await book.load(tx, gateway_id)
    if terms is None:
        raise NotFound("No such way to pay")
    if not KINDS[terms.kind].can.lists:
        raise ValidationFailed("This gateway does not tell what has settled")
    until = datetime.now(UTC) - FRESH
    since = until - BACK
    try:
        listed = await desk.gateways.adapter(terms).settled(since, until)
    except (Unreachable, Refused, StartupError) as error:
        return await _keep(desk, terms, Compared(since, until, error=str(error)[:WORDS_MAX]))
    listed = [each for each in listed if each.reference.startswith(store.ID_PREFIX)]
    async with desk.db.transaction() as tx:
        known = await _known(tx, terms, listed)
        found = await _missing(tx, terms, since, until, listed)
        for line in listed:
            differs = difference(line, known.get(line.external_id))
            if differs is not None:
                found.append(differs)
                await _pursue(tx, terms, differs, line)
    return await _keep(desk, terms, _totals(since, until, listed, known, found))


async def _known(tx: Tx, terms: Terms, listed: Sequence[Settled]) -> dict[str, Known]:
    ids = [each.external_id for each in listed]
    rows = await (await tx.execute(_KNOWN, [terms.id, ids])).fetchall()
    return {row[0]: Known(*row) for row in rows}


_KNOWN: LiteralString = """
select external_id, public_id, state::text, settled_micros, refunded_micros, currency,
    exists (select from topup_approval a where a.topup_id = t.id and a.state in ('posted', 'approved'))
from topup t where gateway_id = %s and external_id = any (%s)
"""


async def _missing(
    tx: Tx, terms: Terms, since: datetime, until: datetime, listed: Sequence[Settled]
) -> list[Difference]:
    """What is credited here and not listed there: of the payments that were made and credited within the time, so that
    it does not matter by which of the two a gateway lists.
    """
    values = {"gateway": terms.id, "since": since, "until": until, "listed": [each.external_id for each in listed],
              "limit": SHOWN_MAX}  # fmt: skip
    rows = await (await tx.execute(_MISSING, values)).fetchall()
    return [
        Difference("missing", external_id, public_id, 0, micros) for external_id, public_id, micros in rows
    ]


_MISSING: LiteralString = """
select external_id, public_id, settled_micros from topup
where gateway_id = %(gateway)s and settled_at >= %(since)s and settled_at < %(until)s and created_at >= %(since)s
    and parent_id is null and external_id <> all (%(listed)s) order by settled_at limit %(limit)s
"""


def difference(line: Settled, known: Known | None) -> Difference | None:
    """In what way we know a payment otherwise than its gateway does; None when we agree."""
    if known is None:
        return Difference("unknown", line.external_id, theirs_micros=line.settled_micros)
    what = _what(line, known)
    if what is None:
        return None
    theirs, ours = line.settled_micros, known.settled_micros
    if what == "refunded":
        theirs, ours = line.refunded_micros, known.refunded_micros
    return Difference(what, line.external_id, known.public_id, theirs, ours)


def _what(line: Settled, known: Known) -> str | None:
    if line.currency != known.currency:
        return "currency"
    if known.state == "credited":
        if line.settled_micros != known.settled_micros and not known.by_staff:
            return "settled"
        return "refunded" if line.refunded_micros > known.refunded_micros else None
    if line.refunded_micros >= line.settled_micros:
        return None  # nothing of it is there any more
    return {"review": "review", "rejected": "refused"}.get(known.state, "open")


async def _pursue(tx: Tx, terms: Terms, found: Difference, line: Settled) -> None:
    """Have it looked at: the comparison itself believes nothing that is not fetched."""
    if found.what == "unknown":
        notice = Notice(f"listed:{line.external_id}", line.external_id, line.reference)
        await notices.keep(tx, terms.id, notice, b"")
    elif found.what in {"open", "settled", "refunded"}:
        await tx.execute(_LOOK, [terms.id, line.external_id])


_LOOK: LiteralString = "update topup set due_at = now() where gateway_id = %s and external_id = %s"


def _totals(
    since: datetime, until: datetime, listed: Sequence[Settled], known: dict[str, Known], found: Sequence[Difference]
) -> Compared:  # fmt: skip
    credited = [each for each in known.values() if each.state == "credited"]
    return Compared(
        since, until, len(listed), sum(each.settled_micros for each in listed), len(credited),
        sum(each.settled_micros for each in credited), len(found), found[:SHOWN_MAX],
    )  # fmt: skip


async def _keep(desk: Desk, terms: Terms, compared: Compared) -> Compared:
    again_s = AGAIN_S if compared.error or compared.differing else EVERY_S
    values = [Jsonb(msgspec.to_builtins(compared)), again_s, terms.id]
    async with desk.db.transaction() as tx:
        await tx.execute(_KEEP, values)
    if compared.error or compared.differing:
        log.warning("gateway_differs", gateway=terms.kind, differing=compared.differing, why=compared.error)
    return compared


_KEEP: LiteralString = """
update gateway set compared_at = now(), compared = %s, compare_due_at = now() + make_interval(secs => %s) where id = %s
"""


async def compare_due(desk: Desk) -> int:
    """Compare those whose day is over, one after the other; returns how many. Refuses: ServiceUnavailable."""
    lists = [kind for kind, each in KINDS.items() if each.can.lists]
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_CLAIM, [CLAIMED_S, lists])).fetchone()
    if row is None:
        return 0
    await compare(desk, row[0])
    return 1


# Also one that is off: what was begun by it goes on. One that was never on has nothing to compare.
_CLAIM: LiteralString = """
update gateway set compare_due_at = now() + make_interval(secs => %s)
where id = (select id from gateway g where compare_due_at <= now() and kind = any (%s)
    and (is_on or exists (select from topup t where t.gateway_id = g.id)) order by compare_due_at limit 1
    for update skip locked)
returning id
"""
