"""How fast accounts, keys and addresses buy.

Each process counts in memory and adds what it has counted to the database four times a second, where it learns what
the others have counted meanwhile: no sale waits for a row that others write too, and nothing begins anew with a process.
A limit may be passed by what several processes sell within that quarter of a second.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import LiteralString

import msgspec
import structlog

from ringlet import tokens
from ringlet.db import Database, Tx
from ringlet.errors import RateLimited, Refusal, translatable
from ringlet.limits import Limits

FLUSH_S = 0.25
KEPT_MAX = 100_000
#: how long a count of open activations is believed
OPEN_KEPT = timedelta(seconds=1)
OPEN_ASKED_AGAIN = timedelta(milliseconds=200)
FIRST_DAY = timedelta(hours=24)
SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
#: who is counted, over which time → the whole sentence, so that it can be translated
REACHED = {
    ("account", "minute"): translatable("At most %(most)s purchases in a minute for one account"),
    ("account", "hour"): translatable("At most %(most)s purchases in an hour for one account"),
    ("account", "day"): translatable("At most %(most)s purchases in a day for one account"),
    ("key", "minute"): translatable("At most %(most)s purchases in a minute for one key"),
    ("key", "hour"): translatable("At most %(most)s purchases in an hour for one key"),
    ("key", "day"): translatable("At most %(most)s purchases in a day for one key"),
    ("address", "minute"): translatable("At most %(most)s purchases in a minute for one address"),
    ("address", "hour"): translatable("At most %(most)s purchases in an hour for one address"),
    ("address", "day"): translatable("At most %(most)s purchases in a day for one address"),
    ("account", "first day"): translatable("A new account may make %(most)s purchases in its first day"),
}
NEIGHBOURS = 64  # bits of an IPv6 address: what one household has

log = structlog.get_logger("ringlet.velocity")

Key = tuple[str, str, datetime]  # subject, span, when it begins


class Origin(msgspec.Struct, frozen=True):
    """Through which key and from which address somebody buys; None where there is none."""

    key_id: int | None = None
    address: str | None = None

    def place(self, secret: bytes) -> str | None:
        """The address as it is counted: by an HMAC, so that the table tells nobody's address."""
        found = neighbours(self.address)
        return None if found is None else tokens.fingerprint(secret, f"velocity {found}").hex()[:32]


NOWHERE = Origin()


class Gauge(msgspec.Struct, frozen=True):
    """Who is counted over which time, and how much he may; `most_micros` is of money, None for any."""

    key: Key
    ends_at: datetime
    most: int | None
    most_micros: int | None = None


def gauges(
    limits: Limits,
    customer_id: int,
    opened_at: datetime,
    key_id: int | None,
    place: str | None,
    now: datetime,
) -> list[Gauge]:
    """What a purchase is measured by. `opened_at` is when the account was, `place` an address as it is counted."""
    account = f"account {customer_id}"
    found = [*_of(limits, "account", account, now)]
    if key_id is not None:
        found += _of(limits, "key", f"key {key_id}", now)
    if place is not None:
        found += _of(limits, "address", f"address {place}", now)
    most, micros = limits.first_day_purchases, limits.first_day_micros
    if now - opened_at < FIRST_DAY and (most is not None or micros is not None):
        found.append(Gauge((account, "first day", opened_at), opened_at + FIRST_DAY, most, micros))
    return found


def _of(limits: Limits, who: str, subject: str, now: datetime) -> Iterable[Gauge]:
    for span, length in SPANS.items():
        most: int | None = getattr(limits, f"{who}_{span}")
        if most is not None:
            begins_at = datetime.fromtimestamp(
                now.timestamp() // length.total_seconds() * length.total_seconds(), UTC
            )
            yield Gauge((subject, span, begins_at), begins_at + length, most)


def neighbours(address: str | None) -> str | None:
    """What counts as one address: of IPv6 the network that one subscriber has; None when it is no address."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Address(int(found) >> NEIGHBOURS << NEIGHBOURS))
    return str(getattr(found, "ipv4_mapped", None) or found)


class _Count:
    """What is known of one key: `told` stands in the database, `sent` is on its way, `fresh` is not."""

    __slots__ = ("ends_at", "fresh", "fresh_micros", "sent", "sent_micros", "told", "told_micros")

    def __init__(self, ends_at: datetime, told: int, told_micros: int) -> None:
        self.ends_at = ends_at
        self.told, self.told_micros = told, told_micros
        self.sent = self.sent_micros = self.fresh = self.fresh_micros = 0

    @property
    def purchases(self) -> int:
        return self.told + self.sent + self.fresh

    @property
    def micros(self) -> int:
        return self.told_micros + self.sent_micros + self.fresh_micros


class Ticket:
    """A purchase that was counted before it is made; afterwards it says what became of it."""

    def __init__(self, velocity: "Velocity", measured: Sequence[Gauge], purchases: int, micros: int) -> None:
        self._velocity, self._gauges = velocity, measured
        self._purchases, self._micros = purchases, micros

    def settle(self, purchases: int, micros: int) -> None:
        """So many were bought in the end, for so much."""
        self._velocity.add(self._gauges, purchases - self._purchases, micros - self._micros)
        self._purchases, self._micros = purchases, micros


class Velocity:
    """The counts of one process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts: dict[Key, _Count] = {}
        self._fresh: set[Key] = set()
        self._flushing: asyncio.Task[None] | None = None
        self._one_flush = asyncio.Lock()
        #: wallet → open activations when they were counted, with those bought since, and when that was
        self._open: dict[int, tuple[int, datetime]] = {}

    async def take(self, measured: Sequence[Gauge], purchases: int, micros: int, now: datetime) -> Ticket:
        """Count a purchase, if every gauge allows it. Refuses: RateLimited, ServiceUnavailable."""
        await self._learn(measured, now)
        for gauge in measured:
            _check(gauge, self._counts[gauge.key], purchases, micros, now)
        self.add(measured, purchases, micros)
        return Ticket(self, measured, purchases, micros)

    def add(self, measured: Sequence[Gauge], purchases: int, micros: int) -> None:
        """Count without asking."""
        if not purchases and not micros:
            return
        for gauge in measured:
            count = self._counts.setdefault(gauge.key, _Count(gauge.ends_at, 0, 0))
            count.fresh += purchases
            count.fresh_micros += micros
            self._fresh.add(gauge.key)
        if measured and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.create_task(self._flush_soon(), name="velocity")

    async def check_open(self, wallet_id: int, most: int, purchases: int, now: datetime) -> None:
        """Whether so many more may be open at once. Refuses: RateLimited, ServiceUnavailable."""
        count, at = self._open.get(wallet_id, (0, datetime.min.replace(tzinfo=UTC)))
        patience = OPEN_ASKED_AGAIN if count + purchases > most else OPEN_KEPT
        if now - at > patience:
            async with self._db.connection() as tx:
                row = await (await tx.execute(_OPEN, [wallet_id, most + 1])).fetchone()
            count, at = int(row[0]) if row else 0, now
        self._open[wallet_id] = (count, at)
        if count + purchases > most:
            raise RateLimited(
                "At most %(most)s activations may be open at once", values={"most": most}, retry_after=1
            )
        if len(self._open) > KEPT_MAX:
            self._open.clear()
        self._open[wallet_id] = (count + purchases, at)

    async def _learn(self, measured: Sequence[Gauge], now: datetime) -> None:
        missing = [gauge for gauge in measured if gauge.key not in self._counts]
        if not missing:
            return
        if len(self._counts) > KEPT_MAX:
            self._forget(now)
        async with self._db.connection() as tx:
            rows = await (await tx.execute(_LEARN, _columns(gauge.key for gauge in missing))).fetchall()
        told = {(row[0], row[1], row[2].astimezone(UTC)): row[3:] for row in rows}
        for gauge in missing:
            # Somebody else may have learned it meanwhile, and counted.
            self._counts.setdefault(gauge.key, _Count(gauge.ends_at, *told.get(gauge.key, (0, 0))))

    def _forget(self, now: datetime) -> None:
        """What has ended; and when that is not enough, everything that stands in the database."""
        over = [key for key, count in self._counts.items() if count.ends_at < now and not self._is_busy(key)]
        if len(self._counts) - len(over) > KEPT_MAX // 2:
            over = [key for key in self._counts if not self._is_busy(key)]
        for key in over:
            del self._counts[key]

    def _is_busy(self, key: Key) -> bool:
        """Whether the database does not know all of it yet."""
        return key in self._fresh or self._counts[key].sent != 0

    async def _flush_soon(self) -> None:
        while self._fresh:
            await asyncio.sleep(FLUSH_S)
            with contextlib.suppress(Refusal):
                await self.flush()

    async def flush(self) -> None:
        """Add to the database what it does not know yet. Refuses: ServiceUnavailable (then it is tried again)."""
        async with self._one_flush:
            batch = {key: self._counts[key] for key in sorted(self._fresh)}
            if not batch:
                return
            self._fresh.clear()
            for count in batch.values():
                count.sent, count.sent_micros = count.fresh, count.fresh_micros
                count.fresh = count.fresh_micros = 0
            try:
                async with self._db.connection() as tx:
                    totals = await _add(tx, batch)
            except Refusal as refusal:
                log.warning("cannot_count_purchases", code=refusal.code)
                self._keep(batch)
                raise
            for key, count in batch.items():
                count.told, count.told_micros = totals[key]
                count.sent = count.sent_micros = 0

    def _keep(self, batch: dict[Key, _Count]) -> None:
        self._fresh.update(batch)
        for count in batch.values():
            count.fresh, count.fresh_micros = count.fresh + count.sent, count.fresh_micros + count.sent_micros
            count.sent = count.sent_micros = 0

    async def close(self) -> None:
        """The process ends in good order: nothing that was counted is lost."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        with contextlib.suppress(Refusal):
            await self.flush()


def _check(gauge: Gauge, count: _Count, purchases: int, micros: int, now: datetime) -> None:
    subject, span, _ = gauge.key
    wait_s = max(1, int((gauge.ends_at - now).total_seconds()) + 1)
    who = subject.partition(" ")[0]
    if gauge.most is not None and count.purchases + purchases > gauge.most:
        raise RateLimited(REACHED[who, span], values={"most": gauge.most}, retry_after=wait_s)
    if gauge.most_micros is not None and count.micros + micros > gauge.most_micros:
        raise RateLimited(
            "A new account may not spend that much in its first day", values={}, retry_after=wait_s
        )


def _columns(keys: Iterable[Key]) -> list[list[object]]:
    return [list(column) for column in zip(*keys, strict=True)]


_LEARN: LiteralString = """
select p.subject, p.span, p.begins_at, p.purchases, p.micros
from unnest(%s::text[], %s::text[], %s::timestamptz[]) as wanted (subject, span, begins_at)
join purchase_pace p using (subject, span, begins_at)
"""


async def _add(tx: Tx, batch: dict[Key, _Count]) -> dict[Key, tuple[int, int]]:
    """In the order of the keys, so that two processes never wait for each other in a circle; returns the sums."""
    counts = list(batch.values())
    values = [
        *_columns(batch), [each.ends_at for each in counts], [each.sent for each in counts],
        [each.sent_micros for each in counts],
    ]  # fmt: skip
    rows = await (await tx.execute(_ADD, values)).fetchall()
    return {(row[0], row[1], row[2].astimezone(UTC)): (int(row[3]), int(row[4])) for row in rows}


_ADD: LiteralString = """
insert into purchase_pace as p (subject, span, begins_at, ends_at, purchases, micros)
select * from unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bigint[])
on conflict (subject, span, begins_at) do update
set purchases = p.purchases + excluded.purchases, micros = p.micros + excluded.micros
returning subject, span, begins_at, purchases, micros
"""

_OPEN: LiteralString = """
select count(*) from (select from activation where wallet_id = %s and due_at is not null limit %s) as open
"""


async def forget_old(tx: Tx) -> int:
    """Delete what nobody is measured by any more."""
    return (await tx.execute(_FORGET)).rowcount


_FORGET: LiteralString = """
delete from purchase_pace where ctid = any (array(
    select ctid from purchase_pace where ends_at < now() - interval '1 minute' order by ends_at limit 5000))
"""
