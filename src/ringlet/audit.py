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
#: How long it may take to find out what a supplier holds: some sweeps, and a restart.
UNSETTLED: LiteralString = "interval '3 minutes'"
#: The end of a rented number waits for its supplier, so much longer than its lease.
SUPPLIERS_TIME: LiteralString = "interval '11 minutes'"
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
    Check("I4", "no account is below zero but the outside world, what shares and gifts come out of, and what is owed", """
        select format('account %s of wallet %s: %s', id, wallet_id, balance_micros) from ledger_account
        where kind >= 'available' and balance_micros < 0
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
    Check("I6", "a refund gives back what was captured, once", """
        select format('activation %s: %s refunds, %s captures', activation_id, refunds, captures)
        from (
            select activation_id, count(*) filter (where kind = 'refund') as refunds,
                count(*) filter (where kind = 'capture') as captures
            from posting where kind in ('capture', 'refund') group by activation_id
        ) as earned where refunds > captures
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
    Check("I9", "what suppliers hold for us and what we have leased from them is the same", f"""
        select format('supplier %s holds %s (%s) for us since %s and no activation has it', r.source_id, r.supplier_ref,
            r.phone, r.created_at)
        from rental r where r.state = 'stray' and r.created_at < now() - {UNSETTLED}
        union all
        select format('supplier %s does not know rental %s since %s', r.source_id, r.supplier_ref, r.missing_since)
        from rental r where r.state = 'open' and r.missing_since < now() - {UNSETTLED}
        union all
        select format('rental %s of source %s is open and its activation is %s', r.supplier_ref, r.source_id, a.state)
        from rental r left join activation a on a.id = r.activation_id and a.source_id = r.source_id
        where r.state = 'open' and (a.state is null or a.state not in ('waiting', 'received') or a.phone <> r.phone)
        union all
        select format('activation %s is waiting and has no rental', a.id)
        from activation a join source s on s.id = a.source_id and s.kind = 'supplier'
        where a.state = 'waiting' and not exists (
            select from rental r where r.activation_id = a.id and r.state = 'open')
        union all
        select format('activation %s is ordering and nothing is asked for it', a.id)
        from activation a join source s on s.id = a.source_id and s.kind = 'supplier'
        where a.state = 'ordering' and not exists (select from asking q where q.activation_id = a.id)
        union all
        select format('activation %s is %s and something is asked for it', a.id, a.state)
        from asking q join activation a on a.id = q.activation_id where a.state <> 'ordering'
        union all
        select format('number %s of supplier %s has %s open rentals for %s', phone, source_id, count(*), service)
        from rental where state = 'open' group by source_id, phone, service having count(*) > 1
    """),
    Check("I10", "a supplier's balance is what our books say, as far as nothing is in flight", """
        select format('supplier %s: its balance was %s at %s, our books allow %s (ringlet supplier balance %s)',
            source.name, s.balance_micros, s.balance_at, s.books_micros, source.name)
        from supplier s join source on source.id = s.source_id
        where s.balance_at is not null and s.balance_micros <> s.books_micros
    """),
    Check("I10", "a rental is charged once, at its cost, and refunded when it was returned and only then", """
        with booked as (
            select source_id, supplier_ref, count(*) filter (where kind = 'charge') as charges,
                count(*) filter (where kind = 'refund') as refunds,
                min(amount_micros) as least, max(amount_micros) as most
            from supplier_posting where supplier_ref is not null group by source_id, supplier_ref
        )
        select format('rental %s of source %s (%s, %s): %s charges, %s refunds, of %s to %s micro-units', r.supplier_ref,
            r.source_id, r.state, r.cost, coalesce(b.charges, 0), coalesce(b.refunds, 0), b.least, b.most)
        from rental r left join booked b on (b.source_id, b.supplier_ref) = (r.source_id, r.supplier_ref)
        where r.cost > 0.0000005 and (coalesce(b.charges, 0) <> 1
            or coalesce(b.refunds, 0) <> (r.state = 'returned')::int
            or abs(b.least - 1000000 * r.cost) > 0.5 or abs(b.most - 1000000 * r.cost) > 0.5)
        union all
        select format('postings for rental %s of source %s, which is not there', b.supplier_ref, b.source_id)
        from booked b left join rental r on (r.source_id, r.supplier_ref) = (b.source_id, b.supplier_ref)
        where r.source_id is null
    """),
    Check("I11", "every message is stored once and belongs to an activation of its source", """
        select format('message %s of source %s came %s times', source_sms_id, source_id, count(*))
        from message group by source_id, source_sms_id having count(*) > 1
        union all
        select format('message %s of source %s is with activation %s of source %s', m.id, m.source_id, a.id, a.source_id)
        from message m join activation a on a.id = m.activation_id
        where m.source_id <> a.source_id or m.phone is distinct from coalesce(a.phone, m.phone)
    """),
    Check("I12", "a payment is credited once", """
        select format('payment %s of wallet %s: %s credits', reference, wallet_id, count(*))
        from posting where kind = 'credit' and reference is not null
        group by wallet_id, reference having count(*) > 1
    """),
    Check("I12", "a top-up is credited exactly when its posting says so, and taken back no more than it brought", """
        select format('top-up %s (%s) of wallet %s: credited %s, posting %s of wallet %s: %s', t.public_id, t.state,
            t.wallet_id, t.credited_micros, p.id, p.wallet_id, p.amount_micros)
        from topup t left join posting p on p.id = t.posting_id
        where t.posting_id is not null and (p.id is null or p.kind <> 'credit' or p.wallet_id <> t.wallet_id
            or p.amount_micros <> t.credited_micros or p.reference is distinct from t.public_id)
        union all
        select format('posting %s credits top-up %s, which does not know it', p.id, p.reference)
        from posting p left join topup t on t.public_id = p.reference
        where p.kind = 'credit' and starts_with(p.reference, 'tu_') and t.posting_id is distinct from p.id
        union all
        select format('top-up %s (%s): %s %s micro-units posted, %s known', t.public_id, t.state, side.kind, side.micros,
            side.known)
        from topup t
        left join (
            select wallet_id, split_part(reference, ':', 1) as public_id,
                sum(amount_micros) filter (where kind = 'fee') as fee,
                sum(amount_micros) filter (where kind = 'bonus') as bonus,
                sum(amount_micros) filter (where kind in ('chargeback', 'debt')) as returned
            from posting where kind in ('fee', 'bonus', 'chargeback', 'debt') group by 1, 2
        ) p on (p.wallet_id, p.public_id) = (t.wallet_id, t.public_id)
        left join (
            select topup_id, sum(debited_micros) as micros from topup_refund where state = 'refused' group by topup_id
        ) restored on restored.topup_id = t.id
        cross join lateral (values
            ('fee', coalesce(p.fee, 0), case when t.posting_id is null then 0 else t.fee_micros end),
            ('bonus', coalesce(p.bonus, 0), t.bonus_micros),
            ('returned', coalesce(p.returned, 0), t.returned_micros + coalesce(restored.micros, 0))
        ) as side (kind, micros, known)
        where side.micros <> side.known
        union all
        select format('payment %s of gateway %s is with %s top-ups', external_id, gateway_id, count(*))
        from topup where external_id is not null group by gateway_id, external_id having count(*) > 1
        union all
        select format('top-up %s of wallet %s (%s) came by a gateway of %s money', t.public_id, w.id, w.mode, g.mode)
        from topup t join wallet w on w.id = t.wallet_id join gateway g on g.id = t.gateway_id where w.mode <> g.mode
    """),
    Check("I12", "what a gateway refused to give back is the customer's again, once", """
        select format('refund %s (%s) of top-up %s: took %s, restored %s', r.key, r.state, t.public_id, r.debited_micros,
            coalesce(p.amount_micros, 0))
        from topup_refund r join topup t on t.id = r.topup_id
        left join posting p on p.wallet_id = t.wallet_id and p.kind = 'credit' and p.reference = r.key
        where coalesce(p.amount_micros, 0) <> case r.state when 'refused' then r.debited_micros else 0 end
        union all
        select format('posting %s restores refund %s, which is not there', p.id, p.reference)
        from posting p left join topup_refund r on r.key = p.reference
        where p.kind = 'credit' and starts_with(p.reference, 'rf_') and r.id is null
    """),
    Check("I12", "a voucher is good once, for what it says", """
        select format('voucher %s: top-up %s (%s) of %s, worth %s', v.id, t.public_id, t.state, t.credited_micros,
            b.amount_micros)
        from voucher v join voucher_batch b on b.id = v.batch_id join topup t on t.id = v.topup_id
        where (t.state, t.credited_micros) is distinct from ('credited'::topup_state, b.amount_micros)
        union all
        select format('top-up %s came by a voucher that does not know it', t.public_id)
        from topup t join gateway g on g.id = t.gateway_id and g.kind = 'voucher'
        where not exists (select from voucher v where v.topup_id = t.id)
    """),
    Check("I13", "an idempotency key names one activation of its wallet, or an answer", """
        select format('key of wallet %s names activation %s', i.wallet_id, i.activation_id)
        from idempotency i left join activation a on a.id = i.activation_id
        where i.answer is null and (a.id is null or a.wallet_id <> i.wallet_id)
        union all
        select format('key of wallet %s names activation %s and an answer', wallet_id, activation_id)
        from idempotency where answer is not null and activation_id <> 0
    """),
    Check("I14", "nothing is left open past its time", f"""
        select format('activation %s is %s and its time was up at %s', id, state, least(due_at, expires_at))
        from activation where due_at is not null and least(due_at,
            case when offer_id is not null and number_id is null and state = 'waiting'
            then expires_at + {SUPPLIERS_TIME} else expires_at end) < now() - {OVERDUE}
        union all
        select format('rental %s of source %s is %s and was due at %s', supplier_ref, source_id, state, due_at)
        from rental where due_at < now() - {OVERDUE}
        union all
        select format('activation %s is %s and never due', id, state)
        from activation where due_at is null and state in ('ordering', 'waiting', 'received')
        union all
        select format('activation %s is %s and has no number', id, state)
        from activation where phone is null and state not in ('ordering', 'failed')
    """),
    Check("I15", "every captured sale in a reseller's shop has its share, due or posted, and no other sale has one", f"""
        select format('activation %s (%s) in the shop of brand %s has no share written down', a.id, a.state, c.brand_id)
        from brand b
        join customer c on c.brand_id = b.id
        join wallet w on w.customer_id = c.id and w.mode = 'live'
        join activation a on a.wallet_id = w.id and a.amount_micros > 0 and a.state in {EARNED}
        where b.customer_id is not null and not exists (select from resale r where r.activation_id = a.id)
        union all
        select format('share of activation %s (%s, %s micro-units): %s for wallet %s of brand %s, earned %s',
            r.activation_id, a.state, a.amount_micros, r.share_micros, r.wallet_id, r.brand_id, r.earned_at)
        from resale r
        left join activation a on a.id = r.activation_id
        left join wallet w on w.id = a.wallet_id
        left join customer c on c.id = w.customer_id
        left join brand b on b.id = c.brand_id
        left join wallet shop on shop.customer_id = b.customer_id and shop.mode = 'live'
        where a.id is null or c.brand_id is distinct from r.brand_id or shop.id is distinct from r.wallet_id
            or r.share_micros > a.amount_micros or (r.earned_at is not null) <> (a.state in {EARNED})
        union all
        select format('posting %s (%s) of wallet %s: %s micro-units, %s of shares', p.id, p.kind, p.wallet_id,
            p.amount_micros, coalesce(sum(r.share_micros), 0))
        from posting p
        left join resale r on r.wallet_id = p.wallet_id
            and p.id = case p.kind when 'resale_share' then r.posting_id else r.return_posting_id end
        where p.kind in ('resale_share', 'resale_return')
        group by p.id having p.amount_micros <> coalesce(sum(r.share_micros), 0)
        union all
        select format('share of activation %s names posting %s, which is none of its own', r.activation_id, named.id)
        from resale r cross join lateral (values (r.posting_id, 'resale_share'), (r.return_posting_id, 'resale_return'))
            as named (id, kind)
        left join posting p on p.id = named.id
        where named.id is not null and (p.id is null or p.kind::text <> named.kind or p.wallet_id <> r.wallet_id)
        union all
        select format('share of activation %s was earned at %s and is not posted', r.activation_id, r.earned_at)
        from resale r where r.posting_id is null and r.returned_at is null and r.share_micros > 0
            and r.earned_at < now() - {OVERDUE}
        union all
        select format('share of activation %s: returned %s, refunded %s', r.activation_id, r.returned_at, p.id)
        from resale r left join posting p on p.activation_id = r.activation_id and p.kind = 'refund'
        where (r.returned_at is null) <> (p.id is null)
    """),
    Check("I16", "what who brings customers was given is his share of what they have spent", f"""
        with spent as (
            select r.customer_id, r.referrer_id, r.share, r.spent_micros, coalesce((
                select sum(case p.kind when 'capture' then p.amount_micros else -p.amount_micros end)
                from wallet w
                join posting p on p.wallet_id = w.id and p.kind in ('capture', 'refund') and p.id <= m.posting_id
                join posting c on c.activation_id = p.activation_id and c.kind = 'capture'
                where w.customer_id = r.customer_id and w.mode = 'live'
                    and c.created_at < coalesce(least(r.ends_at, f.stopped_at), 'infinity')), 0) as posted_micros
            from referral r join referrer f on f.customer_id = r.referrer_id cross join referral_mark m
        ), given as (
            select w.customer_id, sum(case p.kind when 'referral' then p.amount_micros else -p.amount_micros end) as micros
            from posting p join wallet w on w.id = p.wallet_id
            where p.kind in ('referral', 'referral_return') group by w.customer_id
        )
        select format('customer %s, brought by %s: %s counted, %s posted', customer_id, referrer_id, spent_micros,
            posted_micros)
        from spent where spent_micros <> posted_micros
        union all
        select format('referrer %s: earned %s, by those he has brought %s', f.customer_id, f.earned_micros,
            coalesce(sum(div(s.spent_micros::numeric * s.share, 10000)), 0))
        from referrer f left join spent s on s.referrer_id = f.customer_id
        group by f.customer_id having f.earned_micros <> coalesce(sum(div(s.spent_micros::numeric * s.share, 10000)), 0)
        union all
        select format('referrer %s: %s posted, known %s, earned %s', coalesce(f.customer_id, g.customer_id),
            coalesce(g.micros, 0), f.posted_micros, f.earned_micros)
        from referrer f full join given g on g.customer_id = f.customer_id
        where f.posted_micros is distinct from coalesce(g.micros, 0) or (f.posted_micros < f.earned_micros and not f.is_due)
        union all
        select format('posting %s of %s is not counted for who brought customer %s', p.id, p.created_at, r.customer_id)
        from referral_mark m join posting p on p.id > m.posting_id and p.created_at < now() - {OVERDUE}
        join wallet w on w.id = p.wallet_id and w.mode = 'live' join referral r on r.customer_id = w.customer_id
        where p.kind in ('capture', 'refund')
    """),
)  # fmt: skip
