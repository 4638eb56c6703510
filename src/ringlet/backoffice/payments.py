"""Every customer's payments as one list, and one of them with all that happened to it.

No statement looks at more than `LOOKED_AT_MAX` rows of what an index has found: a part may come back with few rows, and
says where to look on.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import ledger, money
from ringlet.backoffice import approve_topup, since
from ringlet.backoffice.approve_topup import Waiting
from ringlet.backoffice.since import Span
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Capabilities
from ringlet.topups import proof, refund, store
from ringlet.topups.proof import Proof
from ringlet.topups.refund import Refund
from ringlet.topups.store import Topup

PART = 50
BATCH = 1_000
LOOKED_AT_MAX = 5_000
NOTICES_MAX = 100
TEXT_LENGTH_MAX = 255
STATES = ("new", "open", "review", "credited", "failed", "expired", "rejected")


class Sought(msgspec.Struct, frozen=True):
    """Which payments. `text`: our id of one, its gateway's, or a customer's whole address."""

    text: str = ""
    state: str | None = None
    gateway_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


class Line(msgspec.Struct, frozen=True):
    """One payment and whose it is."""

    id: int
    public_id: str
    created_at: datetime
    customer_id: int
    email: str
    mode: str
    kind: str
    label: str
    state: str
    why: str
    currency: str
    amount_micros: int
    charge_micros: int
    settled_micros: int
    credited_micros: int
    bonus_micros: int
    fee_micros: int
    refunded_micros: int
    returned_micros: int
    external_id: str | None


class Part(msgspec.Struct, frozen=True):
    """Payments, newest first; `older` is the id to go on below."""

    lines: Sequence[Line]
    older: int | None = None


async def part(desk: Desk, sought: Sought, before: int | None = None) -> Part:
    """The newest payments below an id that fit. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        span = await since.topups(tx, sought.since, sought.until)
        return await _part(tx, sought, span, before, PART)


async def batches(desk: Desk, sought: Sought) -> AsyncIterator[Sequence[Line]]:
    """All of them, newest first, in batches; no connection is held between two. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        span = await since.topups(tx, sought.since, sought.until)

    async def below(before: int | None) -> tuple[Sequence[Line], int | None]:
        async with desk.db.connection() as tx:
            found = await _part(tx, sought, span, before, BATCH)
        return found.lines, found.older

    async for lines in since.in_batches(below):
        yield lines


async def _part(tx: Tx, sought: Sought, span: Span, before: int | None, limit: int) -> Part:
    high = span.high if before is None else min(before, span.high)
    ground = _ground(sought)
    filtered, more = _conditions(sought)
    values = {"low": span.low, "high": high, "looked_at": LOOKED_AT_MAX, "text": sought.text.lower(),
              "exact": sought.text, **more}  # fmt: skip
    cursor = tx.cursor(row_factory=args_row(Line))
    statement = f"{_HEAD}{ground}{_MIDDLE}{filtered}{_TAIL}"
    rows = await (await cursor.execute(statement, {**values, "limit": limit + 1})).fetchall()
    if len(rows) > limit:
        return Part(rows[:limit], rows[limit - 1].id)
    return Part(rows, await since.edge(tx, ground, values))


def _ground(sought: Sought) -> LiteralString:
    if "@" in sought.text:
        return _OF_EMAIL
    return _BY_TEXT if sought.text else _ALL


_ALL: LiteralString = """
select * from topup where id >= %(low)s and id < %(high)s order by id desc limit %(looked_at)s
"""
_OF_EMAIL: LiteralString = """
select of_wallet.* from customer c join wallet w on w.customer_id = c.id cross join lateral (
    select * from topup where (wallet_id, topup.id) >= (w.id, %(low)s) and (wallet_id, topup.id) < (w.id, %(high)s)
    order by wallet_id desc, topup.id desc limit %(looked_at)s
) of_wallet where c.email = %(text)s order by of_wallet.id desc limit %(looked_at)s
"""
_BY_TEXT: LiteralString = """
select * from (
    select * from topup where public_id = %(exact)s
    union
    select named.* from gateway g join topup named on named.gateway_id = g.id and named.external_id = %(exact)s
) as by_text where id >= %(low)s and id < %(high)s order by id desc limit %(looked_at)s
"""
_HEAD: LiteralString = """
select t.id, t.public_id, t.created_at, c.id, c.email, g.mode, g.kind, g.label, t.state::text, t.why, t.currency,
    t.amount_micros, t.charge_micros, t.settled_micros, t.credited_micros, t.bonus_micros, t.fee_micros,
    t.refunded_micros, t.returned_micros, t.external_id
from (select * from (
"""
_MIDDLE: LiteralString = ") as ground where "
_TAIL: LiteralString = """ order by id desc limit %(limit)s) as t
join gateway g on g.id = t.gateway_id join wallet w on w.id = t.wallet_id join customer c on c.id = w.customer_id
order by t.id desc
"""


def _conditions(sought: Sought) -> tuple[LiteralString, dict[str, Any]]:
    possible: list[tuple[LiteralString, str, object]] = [
        ("state = %(state)s::topup_state", "state", sought.state),
        ("gateway_id = %(gateway)s", "gateway", sought.gateway_id),
        ("created_at >= %(since)s", "since", sought.since),
        ("created_at < %(until)s", "until", sought.until),
    ]
    used = [each for each in possible if each[2] is not None]
    where: LiteralString = " and ".join(["true", *(each[0] for each in used)])
    return where, {each[1]: each[2] for each in used}


class Told(msgspec.Struct, frozen=True):
    """One notice of the gateway about a payment: that it came, never what it said."""

    event_id: str
    received_at: datetime


class Move(msgspec.Struct, frozen=True):
    """One posting of a payment."""

    id: int
    at: datetime
    kind: str
    amount_micros: int
    actor: str | None
    reason: str | None


class Said(msgspec.Struct, frozen=True):
    """What staff said about it."""

    settled_micros: int
    state: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class Moment(msgspec.Struct, frozen=True):
    """One thing that happened: "asked", "notice", "looked", "said", "approved", "refused" or "posting"."""

    kind: str
    at: datetime
    thing: Told | Move | Said | None = None


class Whole(msgspec.Struct, frozen=True):
    """A payment with all that happened to it."""

    topup: Topup
    waiting: Waiting
    can: Capabilities
    looked_at: datetime | None
    available_micros: int
    notices: Sequence[Told]
    moves: Sequence[Move]
    said: Sequence[Said]
    refunds: Sequence[Refund]
    proofs: Sequence[Proof]

    @property
    def story(self) -> list[Moment]:
        """All that happened, oldest first."""
        found = [Moment("asked", self.topup.created_at)]
        found += [Moment("notice", each.received_at, each) for each in self.notices]
        if self.looked_at is not None:
            found.append(Moment("looked", self.looked_at))
        for each in self.said:
            found.append(Moment("said", each.asked_at, each))
            if each.decided_at is not None:
                found.append(Moment(each.state, each.decided_at, each))
        found += [Moment("posting", each.at, each) for each in self.moves]
        return sorted(found, key=lambda each: each.at)

    @property
    def can_decide(self) -> bool:
        """Whether it waits for staff."""
        return approve_topup.can_decide(self.topup)

    @property
    def left_micros(self) -> int:
        """What of the payment may still be given back, as far as we know."""
        pledged = sum(each.amount_micros for each in self.refunds if each.state == "asked")
        done = sum(each.amount_micros for each in self.refunds if each.state == "done")
        return max(0, self.topup.settled_micros - max(self.topup.refunded_micros, done) - pledged)

    @property
    def left(self) -> str:
        """The same as it is typed."""
        return f"{money.to_amount(self.left_micros):f}"

    @property
    def can_refund(self) -> bool:
        """Whether the gateway can give something of it back."""
        return self.can.refunds and self.topup.posting_id is not None and self.left_micros > 0


async def whole(desk: Desk, public_id: str) -> Whole:
    """One payment. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        topup = await store.by_public_id(tx, public_id)
        if topup is None:
            raise NotFound("No such payment")
        row = await (await tx.execute("select looked_at from topup where id = %s", [topup.id])).fetchone()
        assert row is not None
        return Whole(
            topup, await approve_topup.one(tx, topup), KINDS[topup.kind].can, row[0],
            (await ledger.balance(tx, topup.wallet_id)).available_micros, await _notices(tx, topup),
            await _moves(tx, topup), await _said(tx, topup), await refund.of_topup(tx, topup.id),
            await proof.of_topup(tx, topup.id),
        )  # fmt: skip


async def _notices(tx: Tx, topup: Topup) -> list[Told]:
    values = {"gateway": topup.gateway_id, "external": topup.external_id or "", "reference": topup.public_id,
              "limit": NOTICES_MAX}  # fmt: skip
    cursor = tx.cursor(row_factory=args_row(Told))
    return await (await cursor.execute(_NOTICES, values)).fetchall()


_NOTICES: LiteralString = """
select event_id, received_at from (
    (select id, event_id, received_at from payment_notice where gateway_id = %(gateway)s and external_id = %(external)s
        and external_id <> '' order by id limit %(limit)s)
    union
    (select id, event_id, received_at from payment_notice where gateway_id = %(gateway)s and reference = %(reference)s
        order by id limit %(limit)s)
) as told order by id limit %(limit)s
"""


async def _moves(tx: Tx, topup: Topup) -> list[Move]:
    """What names it, and what a refused refund brought back."""
    values = {"wallet": topup.wallet_id, "public": topup.public_id, "topup": topup.id, "limit": NOTICES_MAX,
              "high": since.ID_MAX}  # fmt: skip
    cursor = tx.cursor(row_factory=args_row(Move))
    return await (await cursor.execute(_MOVES, values)).fetchall()


# Credits, fees and gifts by their reference; what was taken back among the wallet's newest of its kind, which are few.
_MOVES: LiteralString = """
select p.id, p.created_at, p.kind::text, p.amount_micros, p.actor, p.reason from (
    select * from posting where wallet_id = %(wallet)s and kind in ('credit', 'fee', 'bonus') and reference = %(public)s
    union all
    select taken.* from unnest('{chargeback,debt}'::posting_kind[]) as of_kind cross join lateral (
        select * from posting where posting.kind <> 'hold' and (wallet_id, posting.kind, id) >= (%(wallet)s, of_kind, 0)
            and (wallet_id, posting.kind, id) < (%(wallet)s, of_kind, %(high)s)
        order by wallet_id desc, posting.kind desc, id desc limit %(limit)s) as taken
    where split_part(taken.reference, ':', 1) = %(public)s
    union all
    select p.* from topup_refund r join posting p on p.wallet_id = %(wallet)s and p.kind = 'credit' and p.reference = r.key
    where r.topup_id = %(topup)s
) as p order by p.id limit %(limit)s
"""


async def _said(tx: Tx, topup: Topup) -> list[Said]:
    cursor = tx.cursor(row_factory=args_row(Said))
    return await (await cursor.execute(_SAID, [topup.id])).fetchall()


_SAID: LiteralString = """
select settled_micros, state, asked_by, asked_at, decided_by, decided_at from topup_approval where topup_id = %s order by id
"""


async def look_again(desk: Desk, public_id: str) -> None:
    """Have its gateway asked at once, where there is one to ask. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        topup = await store.by_public_id(tx, public_id)
        if topup is None:
            raise NotFound("No such payment")
        if KINDS[topup.kind].can.fetches:
            await tx.execute("update topup set due_at = now() where id = %s", [topup.id])


async def paper(desk: Desk, public_id: str, proof_id: int) -> proof.Paper:
    """One proof, with its content. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        found = await proof.read(tx, public_id, proof_id)
    if found is None:
        raise NotFound("No such file")
    return found
