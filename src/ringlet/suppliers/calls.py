"""What became of the questions to suppliers: counted in memory, added up by the hour once every few seconds.

Never a row for a question. What a process has counted and not yet written is lost with it: figures for people, not money.
"""

import asyncio
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString, TypeVar

import structlog

from ringlet.db import Database, Tx
from ringlet.errors import Refusal
from ringlet.suppliers.port import Cell, Held, Named, NotSent, Port, Refused, Rented, Traits, Wanted

T = TypeVar("T")
Key = tuple[int, datetime, str, str, int]  # source, hour, question, outcome, within so many milliseconds

ANSWERED, NOT_SENT, UNKNOWN = "answered", "not_sent", "unknown"
WITHIN_MS = (25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 102_400)
WRITTEN_EVERY_S = 5.0
KEPT_DAYS = 8
SAID_LENGTH_MAX = 200
_DIGITS = re.compile(r"\d{6,}")  # phone numbers, refs: none of them is needed to see what is wrong

log = structlog.get_logger("ringlet.suppliers")


class Calls:
    """What this process has counted since it last wrote."""

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()
        self.errors: dict[tuple[int, str, str], tuple[str, datetime]] = {}

    def note(self, source_id: int, question: str, outcome: str, took_s: float, said: str = "") -> None:
        """One question and how it ended."""
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        within = WITHIN_MS[min(bisect_left(WITHIN_MS, 1_000 * took_s), len(WITHIN_MS) - 1)]
        self.counts[source_id, hour, question, outcome, within] += 1
        if outcome != ANSWERED:
            self.errors[source_id, question, outcome] = (said, now)

    async def keep(self, db: Database) -> None:
        """Write until cancelled, when there is something; what could not be written is tried again."""
        while True:
            await asyncio.sleep(WRITTEN_EVERY_S)
            try:
                await self.write(db)
            except Refusal:
                continue
            except Exception:
                log.exception("supplier_calls_not_written")

    async def write(self, db: Database) -> None:
        """Add what was counted to the hours. Refuses: ServiceUnavailable (then it is still counted here)."""
        if not self.counts:
            return
        counts, self.counts = self.counts, Counter()
        errors, self.errors = self.errors, {}
        try:
            async with db.connection() as tx:
                await _add(tx, counts)
                await _keep_errors(tx, errors)
        except BaseException:
            self.counts.update(counts)
            self.errors = errors | self.errors
            raise


async def _add(tx: Tx, counts: Counter[Key]) -> None:
    # In one order, so that two processes do not wait for each other in a circle.
    rows = sorted(counts)
    columns = [list(each) for each in zip(*rows, strict=True)]
    await tx.execute(_ADD, [*columns, [counts[row] for row in rows]])


_ADD: LiteralString = """
insert into supplier_call (source_id, hour, question, outcome, under_ms, calls)
select * from unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::bigint[])
on conflict (source_id, hour, question, outcome, under_ms)
do update set calls = supplier_call.calls + excluded.calls
"""


async def _keep_errors(tx: Tx, errors: dict[tuple[int, str, str], tuple[str, datetime]]) -> None:
    if errors:
        rows = [(*key, *errors[key]) for key in sorted(errors)]
        await tx.execute(_KEEP_ERRORS, [list(each) for each in zip(*rows, strict=True)])


_KEEP_ERRORS: LiteralString = """
insert into supplier_error (source_id, question, outcome, said, at)
select * from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
on conflict (source_id, question, outcome) do update set said = excluded.said, at = excluded.at
"""


async def forget_old(tx: Tx) -> None:
    """Delete hours that nobody asks for any more."""
    await tx.execute("delete from supplier_call where hour < now() - make_interval(days => %s)", [KEPT_DAYS])
    await tx.execute("delete from code_pace where hour < now() - make_interval(days => %s)", [KEPT_DAYS])


class Counted:
    """A port whose every question is counted. The pause before a question that a rate limit asks for counts too."""

    def __init__(self, port: Port, calls: Calls, source_id: int, key: str) -> None:
        self._port = port
        self._calls = calls
        self._source_id = source_id
        self._key = key

    @property
    def traits(self) -> Traits:
        """What the protocol can do."""
        return self._port.traits

    async def rent(self, wanted: Wanted) -> Rented:
        """As the port."""
        return await self._ask("rent", lambda: self._port.rent(wanted))

    async def look(self, ref: str) -> Held:
        """As the port."""
        return await self._ask("look", lambda: self._port.look(ref))

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:
        """As the port."""
        return await self._ask("held", lambda: self._port.held(refs))

    async def cancel(self, ref: str) -> None:
        """As the port."""
        await self._ask("cancel", lambda: self._port.cancel(ref))

    async def finish(self, ref: str) -> None:
        """As the port."""
        await self._ask("finish", lambda: self._port.finish(ref))

    async def again(self, ref: str) -> None:
        """As the port."""
        await self._ask("again", lambda: self._port.again(ref))

    async def balance(self) -> Decimal:
        """As the port."""
        return await self._ask("balance", self._port.balance)

    async def cells(self) -> Sequence[Cell]:
        """As the port."""
        return await self._ask("cells", self._port.cells)

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """As the port."""
        return await self._ask("names", self._port.names)

    async def _ask(self, question: str, ask: Callable[[], Awaitable[T]]) -> T:
        began = time.monotonic()
        outcome, said = UNKNOWN, "no answer in time"  # whoever waits may give up: that is a cancellation here
        try:
            answer = await ask()
            outcome = ANSWERED
        except NotSent as error:
            outcome, said = NOT_SENT, self._words(error)
            raise
        except Refused as error:
            outcome, said = str(error.reason), self._words(error)
            raise
        except Exception as error:
            said = self._words(error)
            raise
        finally:
            self._calls.note(self._source_id, question, outcome, time.monotonic() - began, said)
        return answer

    def _words(self, error: Exception) -> str:
        """One line without the key and without numbers, even when the supplier repeats them."""
        text = _DIGITS.sub("…", str(error).replace(self._key, "…"))
        return "".join(c if c.isprintable() else " " for c in text)[:SAID_LENGTH_MAX]
