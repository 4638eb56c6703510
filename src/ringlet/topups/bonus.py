"""What is given on top of a payment: of the operator's rules that hold, the one that gives most, and no two together.

What held when a customer asked for the payment holds when it settles, an hour or a day later: it is what he was shown.
A payment that is taken back takes its bonus with it (`judge.to_return`).
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import ledger
from ringlet.db import Tx
from ringlet.ledger import Wallet
from ringlet.topups.store import Topup

#: so many rules may hold at once
RULES_MAX = 100
#: what often was a gift itself: only a rule that names it adds to it
VOUCHER = "voucher"


class Rule(msgspec.Struct, frozen=True):
    """`percent` of the credit and `fixed_micros`, no more than `cap_micros` together, from `from_micros` of credit on."""

    id: int
    from_micros: int
    percent: Decimal
    fixed_micros: int
    cap_micros: int | None
    is_first_only: bool
    #: only payments by this one; None: by any
    gateway_id: int | None
    gateway: str | None
    starts_at: datetime
    ends_at: datetime | None

    def micros(self, credit_micros: int) -> int:
        """What it gives on so much credit, in whole micro-units, rounded down."""
        if credit_micros < self.from_micros:
            return 0
        given = int(credit_micros * self.percent / 100) + self.fixed_micros
        return given if self.cap_micros is None else min(given, self.cap_micros)

    def holds(self, gateway_id: int | None, *, is_first: bool) -> bool:
        """Whether it is for payments by this gateway, and for this one."""
        return self.gateway_id in {None, gateway_id} and (is_first or not self.is_first_only)


class Chosen(msgspec.Struct, frozen=True):
    """The rule that gives most, and how much."""

    rule: Rule
    micros: int


def choose(
    rules: Iterable[Rule], credit_micros: int, gateway_id: int | None, *, is_first: bool
) -> Chosen | None:
    """The best rule for so much credit by this gateway, the oldest of two that give the same; None: there is none."""
    given = [
        Chosen(rule, rule.micros(credit_micros))
        for rule in rules
        if rule.holds(gateway_id, is_first=is_first)
    ]
    best = max(given, key=lambda each: (each.micros, -each.rule.id), default=None)
    return best if best is not None and best.micros else None


async def give(tx: Tx, wallet: Wallet, topup: Topup, credit_micros: int) -> int:
    """Post the bonus of this credit, in its transaction; returns how much it is. Play money brings none.

    The credit has locked the wallet's balance: of two first payments at once the second sees that it is none.
    """
    if wallet.mode != "live":
        return 0
    rules = await _in_force(tx, topup.created_at)
    if topup.kind == VOUCHER:
        rules = [rule for rule in rules if rule.gateway_id is not None]
    if not rules:
        return 0
    chosen = choose(
        rules, credit_micros, topup.gateway_id, is_first=await is_first(tx, wallet.id, but=topup.id)
    )
    if chosen is None:
        return 0
    reason = f"bonus rule {chosen.rule.id}"
    await ledger.bonus(tx, wallet, chosen.micros, reference=topup.public_id, reason=reason)
    return chosen.micros


async def is_first(tx: Tx, wallet_id: int, *, but: int = 0) -> bool:
    """Whether no payment into this wallet was ever credited, but for one top-up; one that was taken back counts too."""
    row = await (await tx.execute(_HAS_PAID, [wallet_id, but])).fetchone()
    return row is None


_HAS_PAID: LiteralString = (
    "select from topup where wallet_id = %s and posting_id is not null and id <> %s limit 1"
)


async def offers(tx: Tx, mode: str, wallet_id: int | None = None) -> list[Rule]:
    """What holds now, for the page on which somebody tops up; nothing in test mode.

    With `wallet_id`, rules for a first payment are left out once there was one. What an amount by a gateway would get:
    `choose(offers, amount_micros, gateway_id, is_first=True)`. The page includes `parts/bonus_offers.html`, which
    wants `offers` and `currency`.
    """
    if mode != "live":
        return []
    rules = await _in_force(tx, None)
    if wallet_id is not None and not await is_first(tx, wallet_id):
        rules = [rule for rule in rules if not rule.is_first_only]
    return rules


async def _in_force(tx: Tx, at: datetime | None) -> list[Rule]:
    """At that moment; None is now."""
    cursor = tx.cursor(row_factory=args_row(Rule))
    return await (await cursor.execute(_IN_FORCE, {"at": at, "limit": RULES_MAX})).fetchall()


COLUMNS: LiteralString = """
    r.id, r.from_micros, r.percent, r.fixed_micros, r.cap_micros, r.is_first_only, r.gateway_id, g.label, r.starts_at,
    r.ends_at
"""
FROM: LiteralString = "from bonus_rule r left join gateway g on g.id = r.gateway_id"

_IN_FORCE: LiteralString = f"""
select {COLUMNS} {FROM}
where r.starts_at <= coalesce(%(at)s::timestamptz, now())
    and (r.ends_at is null or r.ends_at > coalesce(%(at)s::timestamptz, now()))
order by r.from_micros, r.id limit %(limit)s
"""
