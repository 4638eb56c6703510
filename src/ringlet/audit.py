"""The audit: every invariant of the ledger and the state machine as a query that finds nothing.

The numbers are those of the design's list of invariants; each query returns one line of text per breach.
It reads one snapshot, so it may run beside sales.
"""

from typing import LiteralString

import msgspec
import psycopg


class Check(msgspec.Struct, frozen=True):
    invariant: str
    promise: str
    statement: LiteralString


class Breach(msgspec.Struct, frozen=True):
    invariant: str
    promise: str
    what: str


def run(conninfo: str, *, shown_max: int = 100) -> list[Breach]:
    """Every breach, at most `shown_max` for each check, on one snapshot of the database."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        return [
            Breach(check.invariant, check.promise, row[0])
            for check in CHECKS
            for row in connection.execute(check.statement).fetchmany(shown_max)
        ]


OPEN: LiteralString = "('ordering', 'waiting')"
REFUNDED: LiteralString = "('failed', 'cancelled', 'expired')"
EARNED: LiteralString = "('received', 'finished')"
#: An open activation is overdue when the worker has missed it by this much: two rounds and a restart.
OVERDUE: LiteralString = "interval '60 seconds'"

CHECKS: tuple[Check, ...] = (
    Check("I1", "all accounts of a currency sum to zero", """
        select format('%s: %s micro-units too much', w.currency, sum(a.balance_micros))
        from ledger_account a join wallet w on w.id = a.wallet_id
        group by w.currency having sum(a.balance_micros) <> 0
    """),
    Check("I2", "every posting moves a sum between two accounts of a wallet that is there", """
        select format('posting %s', p.id) from posting p
        where not exists (select from ledger_account a where (a.wallet_id, a.kind) = (p.wallet_id, p.giver))
           or not exists (select from ledger_account a where (a.wallet_id, a.kind) = (p.wallet_id, p.taker))
           or p.amount_micros <= 0 or p.giver = p.taker
    """),
    Check("I3", "a balance is the sum of its postings", """
        with moved as (
            select wallet_id, kind, sum(amount) as total from (
                select wallet_id, taker as kind, amount_micros as amount from posting
                union all select wallet_id, giver, -amount_micros from posting
            ) as sides group by wallet_id, kind
        )
        select format('%s of wallet %s: balance %s, postings %s', a.kind, a.wallet_id, a.balance_micros,
            coalesce(m.total, 0))
        from ledger_account a left join moved m on (m.wallet_id, m.kind) = (a.wallet_id, a.kind)
        where a.balance_micros <> coalesce(m.total, 0)
    """),
    Check("I4", "no account is below zero but the outside world", """
        select format('account %s of wallet %s: %s', id, wallet_id, balance_micros) from ledger_account
        where kind <> 'funding' and balance_micros < 0
    """),
    Check("I5", "what is held is the price of the open activations", f"""
        with open as (
            select wallet_id, sum(amount_micros) as total from activation where state in {OPEN} group by wallet_id
        )
        select format('wallet %s: held %s, open %s', a.wallet_id, a.balance_micros, coalesce(o.total, 0))
        from ledger_account a left join open o on o.wallet_id = a.wallet_id
        where a.kind = 'held' and a.balance_micros <> coalesce(o.total, 0)
    """),
    Check("I6", "every activation has one hold, and one settlement exactly when it is settled", f"""
        with settled as (
            select activation_id, count(*) filter (where kind = 'hold') as holds,
                count(*) filter (where kind = 'capture') as captures,
                count(*) filter (where kind = 'release') as releases
            from posting where activation_id is not null group by activation_id
        )
        select format('activation %s (%s): %s holds, %s captures, %s releases', a.id, a.state,
            coalesce(s.holds, 0), coalesce(s.captures, 0), coalesce(s.releases, 0))
        from activation a left join settled s on s.activation_id = a.id
        where (coalesce(s.holds, 0), coalesce(s.captures, 0), coalesce(s.releases, 0)) <> case
            when a.amount_micros = 0 then (0::bigint, 0::bigint, 0::bigint)
            when a.state in {OPEN} then (1::bigint, 0::bigint, 0::bigint)
            when a.state in {EARNED} then (1::bigint, 1::bigint, 0::bigint)
            else (1::bigint, 0::bigint, 1::bigint) end
        union all
        select format('posting for activation %s, which is not there', s.activation_id)
        from settled s left join activation a on a.id = s.activation_id where a.id is null
    """),
    Check("I7", "postings are of the activation's amount and wallet; with a code came a message", f"""
        select format('posting %s: %s of wallet %s, activation %s: %s of wallet %s', p.id, p.amount_micros,
            p.wallet_id, a.id, a.amount_micros, a.wallet_id)
        from posting p join activation a on a.id = p.activation_id
        where (p.amount_micros, p.wallet_id) <> (a.amount_micros, a.wallet_id)
        union all
        select format('activation %s is of wallet %s, which is not there', a.id, a.wallet_id)
        from activation a left join wallet w on w.id = a.wallet_id where w.id is null
        union all
        select format('activation %s (%s) has code %s and no message with one', a.id, a.state, a.code is not null)
        from activation a
        where a.state in {EARNED} and (a.code is null or not exists (
            select from message m where m.activation_id = a.id and m.code is not null and not m.late))
        union all
        select format('activation %s (%s) was refunded and has a code', a.id, a.state)
        from activation a where a.state in {REFUNDED} and a.code is not null
    """),
    Check("I8", "one number serves one open activation of a service, and its shelf knows it", """
        select format('number %s, service %s: %s open activations', number_id, service, count(*))
        from activation where number_id is not null and state in ('ordering', 'waiting', 'received')
        group by number_id, service having count(*) > 1
        union all
        select format('number %s of offer %s is %s, open activations: %s', s.number_id, s.offer_id, s.state, count(a.id))
        from stock s
        left join activation a on a.number_id = s.number_id and a.offer_id = s.offer_id
            and a.state in ('ordering', 'waiting', 'received')
        where s.state = 'leased' or a.id is not null
        group by s.number_id, s.offer_id, s.state having (s.state = 'leased') <> (count(a.id) = 1)
    """),
    Check("I11", "every message is stored once and belongs to an activation of its source", """
        select format('message %s of source %s came %s times', source_sms_id, source_id, count(*))
        from message group by source_id, source_sms_id having count(*) > 1
        union all
        select format('message %s of source %s is with activation %s of source %s', m.id, m.source_id, a.id, a.source_id)
        from message m join activation a on a.id = m.activation_id
        where m.source_id <> a.source_id or m.phone is distinct from coalesce(a.phone, m.phone)
    """),
    Check("I13", "an idempotency key names one activation of its wallet", """
        select format('key of wallet %s names activation %s', i.wallet_id, i.activation_id)
        from idempotency i left join activation a on a.id = i.activation_id
        where a.id is null or a.wallet_id <> i.wallet_id
    """),
    Check("I14", "nothing is left open past its time", f"""
        select format('activation %s is %s and its time was up at %s', id, state, least(due_at, expires_at))
        from activation where due_at is not null and least(due_at, expires_at) < now() - {OVERDUE}
        union all
        select format('activation %s is %s and never due', id, state)
        from activation where due_at is null and state in ('ordering', 'waiting', 'received')
        union all
        select format('activation %s is %s and has no number', id, state)
        from activation where phone is null and state not in ('ordering', 'failed')
    """),
)  # fmt: skip
