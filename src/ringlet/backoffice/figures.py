"""The shop's figures: what each one means, and how it is read.

Every figure is a sum over postings (`posting` of live wallets in the operator's currency, `supplier_posting`), so it
equals a query over the ledger to the micro-unit. Test mode never counts. A figure belongs to the hour (UTC) of its
posting; days and months are made of hours in the reader's time zone, and an hour belongs to the day in which it
begins: where a zone is half an hour beside UTC, its day takes the hour that its midnight cuts for the day before.

Nothing is counted twice or over again: `backoffice/tally.py` adds postings to hours and days behind a mark, and what
lies behind the mark is added here when somebody looks, in the same statement. What a page shows is exact now.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx

DAY = timedelta(days=1)
#: of postings that no worker has counted yet; with more of them the page says that it is behind
TAIL_MAX = 20_000
DIMENSIONS = ("service", "country", "source")
CUSTOMER = "customer"


class Figures(msgspec.Struct, frozen=True):
    """Of one time. Sums in micro-units; `code_micros` are the microseconds of all sales from purchase to code."""

    revenue_micros: int = 0
    share_micros: int = 0
    cost_micros: int = 0
    refund_micros: int = 0
    top_up_micros: int = 0
    debit_micros: int = 0
    sales: int = 0
    releases: int = 0
    code_micros: int = 0

    @property
    def revenue(self) -> int:
        """What customers paid for codes that came, less what staff gave back later, without the resellers' shares."""
        return self.revenue_micros

    @property
    def share(self) -> int:
        """What of the codes' prices belongs to the resellers in whose shops they were sold."""
        return self.share_micros

    @property
    def cost(self) -> int:
        """The base price of each sale from own stock, and what suppliers charged less what they gave back."""
        return self.cost_micros

    @property
    def margin(self) -> int:
        """Revenue less cost."""
        return self.revenue_micros - self.cost_micros

    @property
    def refund(self) -> int:
        """What went back to customers: held for numbers that brought no code, or paid and given back by staff."""
        return self.refund_micros

    @property
    def top_up(self) -> int:
        """What was credited to customers: payments, first balances, corrections in their favour."""
        return self.top_up_micros

    @property
    def debit(self) -> int:
        """What was taken from customers' balances: money paid back, corrections against them."""
        return self.debit_micros

    @property
    def success(self) -> float | None:
        """Of the paid numbers that came to an end, the share that brought a code. None when there were none."""
        ended = self.sales + self.releases
        return self.sales / ended if ended else None

    @property
    def seconds_to_code(self) -> float | None:
        """From the purchase to its first code, on average over all sales. None when there were none."""
        return self.code_micros / self.sales / 1_000_000 if self.sales else None

    def __add__(self, other: "Figures") -> "Figures":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Figures(*(mine + theirs for mine, theirs in pairs))


class Part(msgspec.Struct, frozen=True):
    """The figures of one service, country, source or customer; `key` is its code or id as text."""

    key: str
    figures: Figures


async def series(tx: Tx, currency: str, edges: Sequence[datetime]) -> list[Figures]:
    """The figures of each time between two of the edges, which rise; exact at this moment."""
    values = {"currency": currency, "edges": list(edges), "since": edges[0], "until": edges[-1], **_NOW}
    rows = await (await tx.execute(_SERIES, values)).fetchall()
    found = {row[0]: Figures(*map(int, row[1:])) for row in rows}
    return [found.get(place, Figures()) for place in range(1, len(edges))]


async def parts(tx: Tx, currency: str, dimension: str, since: datetime, until: datetime) -> list[Part]:
    """The figures of each service, country, source or customer that had any, what earned most first.

    Customers are counted by days of UTC: `since` and `until` are widened to these. The cost of a customer's sales is
    their base price, whoever the sources were: a supplier's charge belongs to no customer.
    """
    first, last = _midnight_after(since), _midnight_before(until)
    if dimension == CUSTOMER:
        first, last = _midnight_before(since), _midnight_after(until)
        since, until = first, last
    if first > last:
        first = last = until
    values = {"dimension": dimension, "currency": currency, "since": since, "until": until, "first": first,
              "last": last, **_NOW}  # fmt: skip
    rows = await (await tx.execute(_PARTS, values)).fetchall()
    return [Part(row[0], Figures(*map(int, row[1:]))) for row in rows]


def _midnight_before(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _midnight_after(at: datetime) -> datetime:
    before = _midnight_before(at)
    return before if before == at else before + DAY


async def names(tx: Tx, dimension: str, keys: Sequence[str]) -> dict[str, str]:
    """What sources and customers are called; services and countries have their names in the code tables."""
    if dimension not in {"source", CUSTOMER}:
        return {}
    statement = _SOURCE_NAMES if dimension == "source" else _CUSTOMER_NAMES
    rows = await (await tx.execute(statement, [[int(key) for key in keys]])).fetchall()
    return {row[0]: row[1] for row in rows}


_SOURCE_NAMES: LiteralString = "select id::text, name from source where id = any(%s)"
_CUSTOMER_NAMES: LiteralString = "select id::text, email from customer where id = any(%s)"


class Behind(msgspec.Struct, frozen=True):
    """How much is not counted yet: postings (at most), and the moment of the oldest."""

    postings: int
    since: datetime | None

    @property
    def is_too_far(self) -> bool:
        """Whether figures leave something out."""
        return self.postings > TAIL_MAX


async def behind(tx: Tx) -> Behind:
    """What the tally has still to do."""
    cursor = tx.cursor(row_factory=args_row(Behind))
    found = await (await cursor.execute(_BEHIND)).fetchone()
    assert found is not None
    return found


_BEHIND: LiteralString = """
select greatest(coalesce((select max(id) from posting), 0) - m.posting_id,
        coalesce((select max(id) from supplier_posting), 0) - m.supplier_posting_id),
    least((select created_at from posting where id > m.posting_id order by id limit 1),
        (select created_at from supplier_posting where id > m.supplier_posting_id order by id limit 1))
from figure_mark m
"""

MEASURES: LiteralString = (
    "revenue_micros, share_micros, cost_micros, refund_micros, top_up_micros, debit_micros, sales, releases,"
    " code_micros"
)
SUMS: LiteralString = (
    "sum(revenue_micros), sum(share_micros), sum(cost_micros), sum(refund_micros), sum(top_up_micros),"
    " sum(debit_micros), sum(sales), sum(releases), sum(code_micros)"
)

#: One row for each posting behind the mark, and what it adds to which figure: the only place where that is said.
#: `base_micros` is the cost of a sale for whom it is counted by customer. The inner parts are limited and in the order
#: of their ids, so that nothing but the primary key will do, whatever the planner thinks of the rest.
MOVED: LiteralString = """
select date_trunc('hour', p.created_at, 'UTC') as at, w.currency, w.customer_id::text as customer, a.service,
    a.country::text as country, a.source_id::text as source,
    case p.kind when 'capture' then p.amount_micros - coalesce(r.share_micros, 0)
        when 'refund' then coalesce(r.share_micros, 0) - p.amount_micros else 0 end as revenue_micros,
    case p.kind when 'capture' then coalesce(r.share_micros, 0)
        when 'refund' then -coalesce(r.share_micros, 0) else 0 end as share_micros,
    case when p.kind = 'capture' and a.number_id is not null
        then round(1000000 * a.base_price)::bigint else 0 end as cost_micros,
    case when p.kind in ('release', 'refund') then p.amount_micros else 0 end as refund_micros,
    case p.kind when 'credit' then p.amount_micros else 0 end as top_up_micros,
    case p.kind when 'debit' then p.amount_micros else 0 end as debit_micros,
    (p.kind = 'capture')::int as sales, (p.kind = 'release')::int as releases,
    case p.kind when 'capture'
        then (1000000 * extract(epoch from p.created_at - a.created_at))::bigint else 0 end as code_micros,
    case p.kind when 'capture' then round(1000000 * a.base_price)::bigint else 0 end as base_micros
from (select * from posting where id > (select posting_id from figure_mark) and id <= %(posting_until)s
    order by id limit %(limit)s) p
join wallet w on w.id = p.wallet_id and w.mode = 'live'
left join activation a on a.id = p.activation_id
left join resale r on r.activation_id = p.activation_id and p.kind in ('capture', 'refund')
where p.kind in ('capture', 'release', 'refund', 'credit', 'debit')
union all
select date_trunc('hour', s.created_at, 'UTC'), %(currency)s, null, r.service, r.country::text, s.source_id::text,
    0, 0, case s.kind when 'charge' then s.amount_micros else -s.amount_micros end, 0, 0, 0, 0, 0, 0, 0
from (select * from supplier_posting where id > (select supplier_posting_id from figure_mark)
    and id <= %(supplier_posting_until)s order by id limit %(limit)s) s
left join rental r on r.source_id = s.source_id and r.supplier_ref = s.supplier_ref
where s.kind in ('charge', 'refund')
"""

#: everything behind the mark
_NOW = {"posting_until": 2**63 - 1, "supplier_posting_until": 2**63 - 1, "limit": TAIL_MAX}

_SERIES: LiteralString = f"""
select width_bucket(at, %(edges)s::timestamptz[]), {SUMS} from (
    select at, {MEASURES} from figure_hour
    where dimension = 'all' and currency = %(currency)s and at >= %(since)s and at < %(until)s
    union all
    select at, {MEASURES} from ({MOVED}) as moved
    where currency = %(currency)s and at >= %(since)s and at < %(until)s
) as counted group by 1
"""

# Whole days of UTC from the days, the hours before the first and after the last one from the hours.
_PARTS: LiteralString = f"""
select key, {SUMS} from (
    select key, {MEASURES} from figure_day
    where dimension = %(dimension)s and currency = %(currency)s and at >= %(first)s and at < %(last)s
    union all
    select key, {MEASURES} from figure_hour
    where dimension = %(dimension)s and currency = %(currency)s and at >= %(since)s and at < %(first)s
    union all
    select key, {MEASURES} from figure_hour
    where dimension = %(dimension)s and currency = %(currency)s and at >= %(last)s and at < %(until)s
    union all
    select case %(dimension)s when 'service' then service when 'country' then country when 'source' then source
        else customer end, revenue_micros, share_micros,
        case %(dimension)s when 'customer' then base_micros else cost_micros end, refund_micros, top_up_micros,
        debit_micros, sales, releases, code_micros
    from ({MOVED}) as moved where currency = %(currency)s and at >= %(since)s and at < %(until)s
) as counted where key is not null group by key order by sum(revenue_micros) desc, key
"""
