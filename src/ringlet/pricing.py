"""What a customer pays: the most particular rule wins.

From general to particular: all, country, service, country and service, and the same again for one customer.
A rule is a markup on the base price (0.30 for 30 %) or a price of its own.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import money
from ringlet.db import Tx


class PriceRule(msgspec.Struct, frozen=True):
    """`kind` is 'markup' (value 0.30 = 30 %) or 'price'; None means "any"."""

    id: int
    customer_id: int | None
    country: int | None
    service: str | None
    kind: str
    value: Decimal

    def particularity(self) -> int:
        """How narrow the rule is: a customer counts more than a service, a service more than a country."""
        return (
            4 * (self.customer_id is not None) + 2 * (self.service is not None) + (self.country is not None)
        )


class PriceList:
    """All rules, asked for one customer at a time. Immutable."""

    def __init__(self, rules: Iterable[PriceRule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.particularity(), rule.id)))
        self._by_scope = {(rule.customer_id, rule.country, rule.service): rule for rule in self.rules}
        self._customers = {rule.customer_id for rule in self.rules if rule.customer_id is not None}

    def view(self, customer_id: int) -> int | None:
        """Customers without rules of their own share one price table: the view None."""
        return customer_id if customer_id in self._customers else None

    def rule(self, view: int | None, country: int, service: str) -> PriceRule | None:
        """The most particular rule for one cell."""
        owners = (view, None) if view is not None else (None,)
        for owner in owners:
            for scope in ((owner, country, service), (owner, None, service), (owner, country, None),
                          (owner, None, None)):  # fmt: skip
                if found := self._by_scope.get(scope):
                    return found
        return None

    def sell_price(self, view: int | None, country: int, service: str, base_price: Decimal) -> Decimal:
        """The price at seven places that this customer pays for a number that costs `base_price`."""
        rule = self.rule(view, country, service)
        if rule is None:
            return money.price(base_price)
        return money.price(rule.value if rule.kind == "price" else base_price * (1 + rule.value))

    def explain(self, view: int | None, country: int, service: str) -> list[tuple[PriceRule, bool]]:
        """Every rule that fits the cell, general first, and whether it is the one that made the price."""
        winner = self.rule(view, country, service)
        return [
            (rule, rule is winner)
            for rule in self.rules
            if rule.customer_id in {None, view}
            and rule.country in {None, country}
            and rule.service in {None, service}
        ]


async def load(tx: Tx) -> PriceList:
    """The rules in force."""
    cursor = tx.cursor(row_factory=args_row(PriceRule))
    await cursor.execute("select id, customer_id, country, service, kind, value from price_rule")
    return PriceList(await cursor.fetchall())


async def set_rule(
    tx: Tx, *, customer_id: int | None, country: int | None, service: str | None, kind: str, value: Decimal
) -> None:
    """Put a rule in force; it replaces the one of the same scope."""
    await tx.execute(_SET, [customer_id, country, service, kind, value])


_SET: LiteralString = """
insert into price_rule (customer_id, country, service, kind, value) values (%s, %s, %s, %s, %s)
on conflict (customer_id, country, service)
do update set kind = excluded.kind, value = excluded.value, created_at = now()
"""
