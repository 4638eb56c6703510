"""Where an account stands: since when, whether the operator vouches for it, and whether it rests.

An account rests when too few of the numbers that it had brought a code: who buys and gives back without use takes
numbers from those who need them. What was counted until then is forgotten with the rest.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Database, Tx
from ringlet.errors import NotFound, RateLimited
from ringlet.feed import Feed, announce
from ringlet.limits import SHIPPED, Limits

TOPIC = "standing"
KEPT_MAX = 50_000
KEPT_HOURS = 48

#: an account, and whether it is vouched for → its limits
LimitsOf = Callable[[int, bool], Limits]


class Standing(msgspec.Struct, frozen=True):
    """`rests_until` may have passed; `lifts` is how often its owner has ended a rest himself."""

    customer_id: int
    opened_at: datetime
    is_vouched: bool
    rests_until: datetime | None
    orders: int
    codes: int
    lifts: int

    def rest_left_s(self, now: datetime) -> int:
        """Seconds until it may buy again; 0 when it does not rest."""
        if self.rests_until is None or self.rests_until <= now:
            return 0
        return int((self.rests_until - now).total_seconds()) + 1

    def check(self, now: datetime) -> None:
        """Refuses: RateLimited, while it rests."""
        left_s = self.rest_left_s(now)
        if left_s:
            raise RateLimited(
                "This account rests: of %(orders)s numbers %(codes)s brought a code."
                " Its owner can end the rest on the page /resting",
                values={"orders": self.orders, "codes": self.codes}, retry_after=left_s,
            )  # fmt: skip


class Standings:
    """The standings that this process knows. Fails safe: with the news in doubt it asks every time."""

    def __init__(self, db: Database, feed: Feed) -> None:
        self._db = db
        self._feed = feed
        self._known: dict[int, Standing] = {}
        self._generation = 0
        feed.subscribe(self._on_news, self.forget)

    def _on_news(self, topic: str, _: str) -> None:
        if topic == TOPIC:
            self.forget()

    def forget(self) -> None:
        """Believe nothing any more; what is being looked up now is not kept either."""
        self._known.clear()
        self._generation += 1

    async def of(self, customer_id: int) -> Standing:
        """The account's standing. Refuses: ServiceUnavailable."""
        found = self._known.get(customer_id)
        if found is not None:
            return found
        generation = self._generation
        async with self._db.connection() as tx:
            found = await read(tx, customer_id)
        if self._feed.sound and generation == self._generation:
            if len(self._known) >= KEPT_MAX:
                self._known.clear()
            self._known[customer_id] = found
        return found


async def read(tx: Tx, customer_id: int) -> Standing:
    """The standing of a customer. Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Standing))
    found = await (await cursor.execute(_READ, [customer_id])).fetchone()
    if found is None:
        raise NotFound(f"No account {customer_id}")
    return found


_READ: LiteralString = """
select c.id, c.created_at, c.vouched_at is not null, p.ends_at, coalesce(p.orders, 0), coalesce(p.codes, 0),
    coalesce(p.lifts, 0)
from customer c left join purchase_pause p on p.customer_id = c.id where c.id = %s
"""


async def vouch(tx: Tx, customer_id: int, *, is_vouched: bool = True) -> bool:
    """The operator knows this account: only its own limits hold for it, or again those of everybody. False when that
    was so already.
    """
    done = await tx.execute(_VOUCH, {"customer": customer_id, "vouched": is_vouched})
    await announce(tx, TOPIC, customer_id)
    return done.rowcount == 1


_VOUCH: LiteralString = """
update customer set vouched_at = case when %(vouched)s then now() end
where id = %(customer)s and (vouched_at is not null) <> %(vouched)s
"""


async def judge(tx: Tx, limits_of: LimitsOf, customers: Sequence[int]) -> list[int]:
    """Of these accounts, whose numbers have just ended, those that begin to rest now."""
    rows = await (await tx.execute(_USE, [list(customers)])).fetchall() if customers else []
    resting = []
    for customer_id, is_vouched, orders, codes in rows:
        limits = limits_of(customer_id, is_vouched)
        if _is_below(limits, orders, codes) and await _rest(tx, limits, customer_id, orders, codes):
            resting.append(customer_id)
    return resting


_USE: LiteralString = """
select c.id, c.vouched_at is not null, sum(t.orders)::int, sum(t.codes)::int
from use_tally t join customer c on c.id = t.customer_id
where t.customer_id = any (%s) and t.hour > now() - interval '24 hours'
group by c.id
"""


def _is_below(limits: Limits, orders: int, codes: int) -> bool:
    if limits.floor_percent is None:
        return False
    enough = SHIPPED.floor_orders if limits.floor_orders is None else limits.floor_orders
    return orders >= (enough or 1) and 100 * codes < limits.floor_percent * orders


async def _rest(tx: Tx, limits: Limits, customer_id: int, orders: int, codes: int) -> bool:
    """Begin to rest; False when the account rests already."""
    hours = SHIPPED.floor_rest_hours if limits.floor_rest_hours is None else limits.floor_rest_hours
    values = {"customer": customer_id, "hours": hours, "orders": orders, "codes": codes}
    if not (await tx.execute(_REST, values)).rowcount:
        return False
    await _forget_use(tx, customer_id)
    await announce(tx, TOPIC, customer_id)
    return True


_REST: LiteralString = """
insert into purchase_pause as p (customer_id, ends_at, orders, codes)
values (%(customer)s, now() + make_interval(hours => %(hours)s), %(orders)s, %(codes)s)
on conflict (customer_id) do update
set began_at = now(), ends_at = excluded.ends_at, orders = excluded.orders, codes = excluded.codes
where p.ends_at <= now()
"""


async def _forget_use(tx: Tx, customer_id: int) -> None:
    await tx.execute("delete from use_tally where customer_id = %s", [customer_id])


async def lift(tx: Tx, customer_id: int, most: int | None) -> bool:
    """The owner ends the rest, `most` times at all (None: as often as he likes); False when he may not, or it is over."""
    done = await tx.execute(_LIFT, {"customer": customer_id, "most": most})
    if done.rowcount:
        await _forget_use(tx, customer_id)
        await announce(tx, TOPIC, customer_id)
    return done.rowcount == 1


_LIFT: LiteralString = """
update purchase_pause set ends_at = now(), lifts = lifts + 1
where customer_id = %(customer)s and ends_at > now() and (%(most)s::int is null or lifts < %(most)s)
"""


async def pardon(tx: Tx, customer_id: int) -> bool:
    """The operator ends the rest, and its owner has all his own chances again; False when there was none."""
    done = await tx.execute(_PARDON, [customer_id])
    if done.rowcount:
        await _forget_use(tx, customer_id)
        await announce(tx, TOPIC, customer_id)
    return done.rowcount == 1


_PARDON: LiteralString = """
update purchase_pause set ends_at = least(ends_at, now()), lifts = 0
where customer_id = %s and (ends_at > now() or lifts > 0)
"""


class Resting(msgspec.Struct, frozen=True):
    """An account that rests, and what it was judged by."""

    customer_id: int
    email: str
    began_at: datetime
    ends_at: datetime
    orders: int
    codes: int
    lifts: int


async def list_resting(tx: Tx, limit: int = 200) -> list[Resting]:
    """The accounts that rest now, those that end first in front."""
    cursor = tx.cursor(row_factory=args_row(Resting))
    return await (await cursor.execute(_LIST_RESTING, [limit])).fetchall()


_LIST_RESTING: LiteralString = """
select p.customer_id, c.email, p.began_at, p.ends_at, p.orders, p.codes, p.lifts
from purchase_pause p join customer c on c.id = p.customer_id
where p.ends_at > now() order by p.ends_at limit %s
"""


async def forget_old(tx: Tx) -> int:
    """Delete the hours that nobody is judged by any more."""
    return (await tx.execute(_FORGET, [KEPT_HOURS])).rowcount


_FORGET: LiteralString = "delete from use_tally where hour < now() - make_interval(hours => %s)"
