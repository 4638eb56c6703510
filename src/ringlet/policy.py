"""What may be sold, to whom and where.

Two questions, and both must be answered with yes: may this service be sold, and may numbers of this country? The
operator's rules answer, the most particular first; a rule about a service in a country answers both:

    one account     service in a country, service, category in a country, category, country
    everybody       the same

Without a rule the services of the curated list (`data/policy.toml`) are refused and everything else is sold; in the
allow-list mode (`listed_only`) nothing is sold that no rule allows. A service that is frozen is sold to nobody,
whatever the rules say.
"""

import asyncio
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Database, Tx
from ringlet.errors import ServiceNotAllowed
from ringlet.feed import Feed
from ringlet.limits import Limits, limits_of

TOPIC = "policy"
CATEGORIES = ("banking", "payments", "government", "crypto", "dating", "children", "emergency")
#: switches of the allow-list mode
SWITCHES = ("services_listed_only", "countries_listed_only")
KEPT_MAX = 50_000
#: what no rule names, so that all such cells share an answer
_ANY_SERVICE = ""
_ANY_COUNTRY = -1


@cache
def curated() -> Mapping[str, str]:
    """Service → category, of those that are not sold unless the operator allows it."""
    text = files("ringlet.data").joinpath("policy.toml").read_text(encoding="utf-8")
    return {code: category for category, names in tomllib.loads(text).items() for code in names}


class Rule(msgspec.Struct, frozen=True):
    """Sell it, or do not; None means "any". Either a service or a category, or neither and a country."""

    id: int
    customer_id: int | None
    service: str | None
    category: str | None
    country: int | None
    is_allowed: bool


class Verdict(msgspec.Struct, frozen=True):
    """Whether it may be sold, and what decides.

    `why` is 'frozen', 'rule', 'curated' (the list), 'unlisted' (no rule in the allow-list mode) or 'free'; `about`
    is 'service' or 'country'.
    """

    is_allowed: bool
    why: str
    about: str = "service"
    rule: Rule | None = None


FREE = Verdict(is_allowed=True, why="free")
_Scope = tuple[int | None, str | None, str | None, int | None]


class Policy:
    """The rules in force. What it says never changes; a newer one takes its place."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        frozen: Iterable[str] = (),
        switches: Iterable[str] = (),
        limits: Mapping[tuple[int | None, str], int | None] | None = None,
    ) -> None:
        """`frozen`: services. `switches`: those of SWITCHES that are on. `limits`: (account, name) → value."""
        self.rules = tuple(rules)
        self.frozen = frozenset(frozen)
        self.switches = frozenset(switches)
        self._limits = dict(limits or {})
        self._by_scope: dict[_Scope, Rule] = {
            (rule.customer_id, rule.service, rule.category, rule.country): rule for rule in self.rules
        }
        #: customers with rules of their own
        self.apart = frozenset(rule.customer_id for rule in self.rules if rule.customer_id is not None)
        self._services = {rule.service for rule in self.rules} | self.frozen | set(curated())
        self._countries = {rule.country for rule in self.rules}
        self._answers: dict[tuple[int | None, str, int], bool] = {}
        self._limited = frozenset(customer for customer, _ in self._limits if customer is not None)
        self._kept_limits: dict[tuple[int | None, bool], Limits] = {}

    def __eq__(self, other: object) -> bool:
        """Whether everybody may buy the same."""
        return isinstance(other, Policy) and self._content() == other._content()

    __hash__ = None  # type: ignore[assignment] # compared by its content

    def _content(self) -> tuple[object, ...]:
        return self._by_scope, self.frozen, self.switches, self._limits

    def sells(self, customer_id: int | None, service: str, country: int) -> bool:
        """Whether this customer (None: anybody without rules of his own) may buy this service in this country."""
        key = (
            customer_id if customer_id in self.apart else None,
            service if service in self._services else _ANY_SERVICE,
            country if country in self._countries else _ANY_COUNTRY,
        )
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= KEPT_MAX:
                self._answers.clear()
            answer = self._answers[key] = self.explain(*key).is_allowed
        return answer

    def check(self, customer_id: int, service: str, country: int) -> None:
        """Refuses: ServiceNotAllowed."""
        if not self.sells(customer_id, service, country):
            raise _refusal(self.explain(customer_id, service, country))

    def check_anywhere(self, customer_id: int, service: str) -> None:
        """The same where no country is named: for a service that is sold nowhere. Refuses: ServiceNotAllowed."""
        verdict = self._of_service(customer_id, service, _ANY_COUNTRY)
        named = {rule.country for rule in self.rules if rule.country is not None}
        if not verdict.is_allowed and not any(self.sells(customer_id, service, each) for each in named):
            raise _refusal(verdict)

    def explain(self, customer_id: int | None, service: str, country: int) -> Verdict:
        """What decides about this sale."""
        of_service = self._of_service(customer_id, service, country)
        if not of_service.is_allowed:
            return of_service
        of_country = self._of_country(customer_id, service, country)
        return of_service if of_country == FREE else of_country

    def _of_service(self, customer_id: int | None, service: str, country: int) -> Verdict:
        if service in self.frozen:
            return Verdict(is_allowed=False, why="frozen")
        category = curated().get(service)
        scopes: list[tuple[str | None, str | None, int | None]] = [
            (service, None, country),
            (service, None, None),
        ]
        if category is not None:
            scopes += [(None, category, country), (None, category, None)]
        rule = self._first(customer_id, scopes)
        if rule is not None:
            return Verdict(rule.is_allowed, "rule", rule=rule)
        if category is not None:
            return Verdict(is_allowed=False, why="curated")
        return Verdict(is_allowed=False, why="unlisted") if "services_listed_only" in self.switches else FREE

    def _of_country(self, customer_id: int | None, service: str, country: int) -> Verdict:
        category = curated().get(service)
        scopes: list[tuple[str | None, str | None, int | None]] = [(service, None, country)]
        if category is not None:
            scopes.append((None, category, country))
        rule = self._first(customer_id, [*scopes, (None, None, country)])
        if rule is not None:
            return Verdict(rule.is_allowed, "rule", "country", rule)
        if "countries_listed_only" in self.switches:
            return Verdict(is_allowed=False, why="unlisted", about="country")
        return FREE

    def _first(
        self, customer_id: int | None, scopes: Iterable[tuple[str | None, str | None, int | None]]
    ) -> Rule | None:
        """The most particular rule: the account's own before everybody's."""
        owners = dict.fromkeys((customer_id, None))
        found = (self._by_scope.get((owner, *scope)) for owner in owners for scope in list(scopes))
        return next((rule for rule in found if rule is not None), None)

    def limits(self, customer_id: int | None, is_vouched: bool) -> Limits:
        """How fast this account may buy: its own limits, then everybody's; who is vouched for has only his own."""
        key = (customer_id if customer_id in self._limited else None, is_vouched)
        found = self._kept_limits.get(key)
        if found is None:
            if len(self._kept_limits) >= KEPT_MAX:
                self._kept_limits.clear()
            found = self._kept_limits[key] = limits_of(self._limits, *key)
        return found


def _refusal(verdict: Verdict) -> ServiceNotAllowed:
    if verdict.about == "country":
        return ServiceNotAllowed("Numbers of this country are not sold here")
    return ServiceNotAllowed()


class Copy:
    """The policy as this process knows it. Fails safe: until it is read the curated list alone decides, and with the
    news in doubt every sale reads it again.
    """

    def __init__(self, db: Database, feed: Feed) -> None:
        self.now = Policy()
        self._db = db
        self._feed = feed
        self._is_true = False
        self._generation = 0
        self._reading = asyncio.Lock()
        feed.subscribe(self._on_news, self._doubt)

    def _on_news(self, topic: str, _: str) -> None:
        if topic == TOPIC:
            self._doubt()

    def _doubt(self) -> None:
        self._is_true = False
        self._generation += 1

    async def fresh(self) -> Policy:
        """The policy as it is in force now. Refuses: ServiceUnavailable."""
        if not self._is_true:
            async with self._reading:
                if not self._is_true:
                    await self._read()
        return self.now

    async def _read(self) -> None:
        generation = self._generation
        async with self._db.connection() as tx:
            found = await load(tx)
        if found != self.now:
            self.now = found
        self._is_true = self._feed.sound and generation == self._generation


async def load(tx: Tx) -> Policy:
    """What is in force."""
    rules = await (await tx.cursor(row_factory=args_row(Rule)).execute(_RULES)).fetchall()
    frozen = await (await tx.execute(_FROZEN)).fetchall()
    numbers = await (await tx.execute(_NUMBERS)).fetchall()
    limits = {(customer, name): value for customer, name, value in numbers if name not in SWITCHES}
    switches = [name for customer, name, value in numbers if name in SWITCHES and customer is None and value]
    return Policy(rules, frozen=[row[0] for row in frozen], switches=switches, limits=limits)


_RULES: LiteralString = """
select id, customer_id, service, category, country, is_allowed from policy_rule order by id
"""
_FROZEN: LiteralString = "select service from policy_freeze"
_NUMBERS: LiteralString = "select customer_id, name, value from policy_number"


class RuleLine(msgspec.Struct, frozen=True):
    """A rule with whose it is and who made it."""

    rule: Rule
    account: str | None
    reason: str
    created_by: str
    created_at: datetime


async def list_rules(tx: Tx) -> list[RuleLine]:
    """Every rule, everybody's first."""
    rows = await (await tx.execute(_LIST)).fetchall()
    return [RuleLine(Rule(*row[:6]), *row[6:]) for row in rows]


_LIST: LiteralString = """
select r.id, r.customer_id, r.service, r.category, r.country, r.is_allowed, c.email, r.reason, r.created_by, r.created_at
from policy_rule r left join customer c on c.id = r.customer_id
order by r.customer_id nulls first, r.category, r.service, r.country
"""


async def set_rule(
    tx: Tx, *, customer_id: int | None, service: str | None, category: str | None, country: int | None,
    is_allowed: bool, reason: str, actor: str,
) -> int:  # fmt: skip
    """Put a rule in force; it replaces the one of the same scope. Returns its id."""
    values = [customer_id, service, category, country, is_allowed, reason, actor]
    row = await (await tx.execute(_SET_RULE, values)).fetchone()
    assert row is not None
    return int(row[0])


_SET_RULE: LiteralString = """
insert into policy_rule (customer_id, service, category, country, is_allowed, reason, created_by)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict (customer_id, service, category, country) do update set is_allowed = excluded.is_allowed,
    reason = excluded.reason, created_by = excluded.created_by, created_at = now()
returning id
"""


async def take_rule(tx: Tx, rule_id: int) -> Rule | None:
    """Remove a rule; returns what it was, None when it is gone already."""
    cursor = tx.cursor(row_factory=args_row(Rule))
    return await (await cursor.execute(_TAKE_RULE, [rule_id])).fetchone()


_TAKE_RULE: LiteralString = """
delete from policy_rule where id = %s returning id, customer_id, service, category, country, is_allowed
"""


class Freeze(msgspec.Struct, frozen=True):
    """A service that is sold to nobody for now."""

    service: str
    reason: str
    frozen_at: datetime
    frozen_by: str


async def list_freezes(tx: Tx) -> list[Freeze]:
    """The frozen services, the last one first."""
    cursor = tx.cursor(row_factory=args_row(Freeze))
    return await (await cursor.execute(_LIST_FREEZES)).fetchall()


_LIST_FREEZES: LiteralString = """
select service, reason, frozen_at, frozen_by from policy_freeze order by frozen_at desc
"""


async def freeze(tx: Tx, service: str, reason: str, actor: str) -> bool:
    """Sell it to nobody; False when it is frozen already."""
    return (await tx.execute(_FREEZE, [service, reason, actor])).rowcount == 1


_FREEZE: LiteralString = """
insert into policy_freeze (service, reason, frozen_by) values (%s, %s, %s) on conflict (service) do nothing
"""


async def thaw(tx: Tx, service: str) -> bool:
    """Sell it again as the rules say; False when it was not frozen."""
    return (await tx.execute("delete from policy_freeze where service = %s", [service])).rowcount == 1


async def set_number(tx: Tx, customer_id: int | None, name: str, value: int | None) -> None:
    """A limit or a switch, of one account or of everybody; None is no limit."""
    await tx.execute(_SET_NUMBER, [customer_id, name, value])


_SET_NUMBER: LiteralString = """
insert into policy_number (customer_id, name, value) values (%s, %s, %s)
on conflict (customer_id, name) do update set value = excluded.value
"""


async def drop_number(tx: Tx, customer_id: int | None, name: str) -> bool:
    """The account has everybody's limit again, everybody the one that we ship; False when there was none."""
    done = await tx.execute(
        "delete from policy_number where customer_id is not distinct from %s and name = %s",
        [customer_id, name],
    )
    return done.rowcount == 1


async def own_numbers(tx: Tx) -> list[tuple[int, str, str, int | None]]:
    """(customer_id, e-mail, name, value) of accounts with limits of their own."""
    rows = await (await tx.execute(_OWN_NUMBERS)).fetchall()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


_OWN_NUMBERS: LiteralString = """
select n.customer_id, c.email, n.name, n.value from policy_number n join customer c on c.id = n.customer_id
order by c.email, n.name
"""
