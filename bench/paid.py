"""Years of payments: top-ups with what gateways told, proofs, vouchers, and customers who brought each other."""

from bench.ground import Ground, connect
from ringlet.desk import Desk
from ringlet.payments import book

WAYS = 4
PAYMENTS = 500_000
VOUCHERS, BATCHES = 50_000, 200
#: of so many payments one waits for staff, and one has a proof with it
REVIEWED, PROVED = 2_500, 500


def write(ground: Ground, url: str) -> None:
    """Call it when the customers are there."""
    ground.at_desk(url, _open_ways)
    values = {
        "payments": PAYMENTS,
        "vouchers": VOUCHERS,
        "batches": BATCHES,
        "reviewed": REVIEWED,
        "proved": PROVED,
    }
    with connect(url) as connection:
        # Nothing of it is posted: no page of payments reads the ledger.
        connection.execute("set session_replication_role = replica")
        for statement in (
            _PAYMENTS,
            _NOTICES,
            _PROOFS,
            _DECISIONS,
            _REFUNDS,
            _BATCHES,
            _VOUCHERS,
            _RULES,
            _REFERRERS,
            _REFERRALS,
        ):
            connection.execute(statement, values)


async def _open_ways(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        for index in range(WAYS):
            config = {"details": "IBAN 1234"}
            new = book.New("bank", f"Bank {index}", "live", config, 1_000_000, 1_000_000_000, is_on=True)
            await book.add(tx, desk.settings.secret, new)


_PAYMENTS = """
with way as materialized (select array_agg(id order by id) as ids from gateway where mode = 'live'),
purse as materialized (select array_agg(id order by id) as ids from wallet where mode = 'live')
insert into topup (public_id, wallet_id, gateway_id, once, state, external_id, amount_micros, charge_micros, currency,
    settled_micros, fee_micros, credited_micros, posting_id, why, created_at, expires_at, settled_at)
select 'tu_' || lpad(n::text, 22, '0'), purse.ids[1 + n %% cardinality(purse.ids)], way.ids[1 + n %% cardinality(way.ids)],
    'bench ' || n, s.state::topup_state, 'pay_' || n, 10000000, 10000000, 'USD',
    case s.state when 'credited' then 10000000 else 0 end, case s.state when 'credited' then 300000 else 0 end,
    case s.state when 'credited' then 10000000 else 0 end, case s.state when 'credited' then n end,
    case s.state when 'review' then 'late' else '' end, t.at, t.at + interval '1 hour',
    case s.state when 'credited' then t.at + interval '2 minutes' end
from generate_series(1, %(payments)s) n, way, purse,
    lateral (select now() - make_interval(mins => %(payments)s - n) as at) t,
    lateral (select case when n %% %(reviewed)s = 0 then 'review' when n > %(payments)s - 200 then 'open'
        when n %% 10 < 6 then 'credited' when n %% 10 < 9 then 'expired' else 'failed' end as state) s
"""

_NOTICES = """
insert into payment_notice (gateway_id, event_id, external_id, reference, body, received_at)
select t.gateway_id, t.public_id || k, t.external_id, t.public_id, convert_to(repeat('{"a": 1}', 60), 'UTF8'), t.created_at
from topup t, generate_series(1, 3) k where t.created_at > now() - interval '30 days'
    or t.id = (select max(id) / 2 from topup)
"""

_PROOFS = """
insert into topup_proof (topup_id, name, media_type, content)
select id, 'transfer.pdf', 'application/pdf', convert_to(repeat('x', 20000), 'UTF8') from topup
where id %% %(proved)s = 0 or id = (select max(id) / 2 from topup)
"""

_DECISIONS = """
insert into topup_approval (topup_id, settled_micros, credit_micros, state, asked_by, asked_person, asked_at)
select id, 10000000, 10000000, 'posted', 'somebody', 1, created_at from topup where state = 'credited' and id %% 10 = 1
"""

_REFUNDS = """
insert into topup_refund (key, topup_id, once, amount_micros, debited_micros, state, reason, asked_by, asked_at, ended_at, due_at)
select 'rf_' || lpad(id::text, 22, '0'), id, 'bench', 1000000, 1000000, 'done', 'asked for it', 'somebody', created_at, now(), null
from topup where state = 'credited' and id %% 100 = 1
"""

_BATCHES = """
insert into voucher_batch (once, count, amount_micros, currency, note, made_by, made_at, expires_at)
select 'bench ' || n, %(vouchers)s / %(batches)s, 5000000, 'USD', 'for the fair', 'somebody', now() - make_interval(days => %(batches)s - n),
    now() + interval '1 year' from generate_series(1, %(batches)s) n
"""

_VOUCHERS = """
insert into voucher (batch_id, fingerprint, topup_id)
select b.id, sha256(convert_to(b.id || ' ' || n, 'UTF8')), case when n %% 2 = 0 then b.id * 1000000 + n end
from voucher_batch b, generate_series(1, b.count) n
"""

_RULES = """
insert into bonus_rule (from_micros, percent, fixed_micros, is_first_only, starts_at, ends_at)
select n * 10000000, 5, 0, false, now() - interval '1 year', case when n %% 2 = 0 then now() - interval '1 day' end
from generate_series(1, 50) n
"""

_REFERRERS = """
insert into referrer (customer_id, code, brought, earned_micros, posted_micros, postings)
select id, lpad(id::text, 10, '0'), 4, id * 1000, id * 1000, 1 from customer where id %% 5 = 0
"""

_REFERRALS = """
insert into referral (customer_id, referrer_id, share, spent_micros)
select c.id, r.customer_id, 500, 1000000 from customer c join referrer r on r.customer_id = 5 * (1 + c.id %% 99) where c.id %% 5 <> 0
"""
