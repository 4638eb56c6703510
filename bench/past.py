"""Years of history in a minute: past activations with their messages and postings, and balances to match.

Two fifths of the past leases brought a code (finished, captured), the others ran out (expired, released). The
rows are written with the checks and indexes in place; only the triggers of foreign keys are spared, whose keys
are known to be there.
"""

from concurrent.futures import ThreadPoolExecutor

from bench.ground import connect

AMOUNT_MICROS = 111_489
STEP = 250_000


def write(url: str, wallet_ids: list[int], activations: int) -> None:
    """`activations` past ones, dealt out to these wallets in turn. The database has none before."""
    with connect(url) as connection:
        connection.execute(_WALLETS)
        connection.execute(_DEAL, [wallet_ids])
        assert connection.execute("select count(*) from activation").fetchone() == (0,)
    statements = (_ACTIVATIONS, _POSTINGS, _MESSAGES)
    with ThreadPoolExecutor(len(statements)) as pool:
        for done in [pool.submit(_in_steps, url, each, activations) for each in statements]:
            done.result()
    with connect(url) as connection:
        for statement in (*_BALANCES, _SEQUENCES, "drop table past_wallet", "vacuum (analyze)", "checkpoint"):
            connection.execute(statement.encode(), {"n": activations} if "%(" in statement else None)


def _in_steps(url: str, statement: str, activations: int) -> None:
    with connect(url) as connection:
        connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        for low in range(1, activations + 1, STEP):
            values = {
                "low": low,
                "high": min(low + STEP - 1, activations),
                "n": activations,
                "amount": AMOUNT_MICROS,
            }
            connection.execute(statement.encode(), values)


_WALLETS = """
create table past_wallet (place int primary key, wallet_id bigint, available bigint, held bigint, revenue bigint,
    wallets int)
"""

_DEAL = """
insert into past_wallet
select place - 1, w.id,
    (select id from ledger_account a where a.wallet_id = w.id and kind = 'available'),
    (select id from ledger_account a where a.wallet_id = w.id and kind = 'held'),
    (select id from ledger_account a where a.wallet_id = w.id and kind = 'revenue'),
    count(*) over ()
from unnest(%s::bigint[]) with ordinality as w (id, place)
"""

#: the moment of the n-th past activation: evenly over the 200 days that ended yesterday
_AT = "(now() - interval '1 day' - make_interval(secs => 17280000.0 * (%(n)s - g) / %(n)s))"

_ACTIVATIONS = f"""
insert into activation (id, public_id, wallet_id, source_id, offer_id, number_id, country, service, operator, phone,
    state, amount_micros, base_price, code, number_used, created_at, expires_at, due_at, closed_at)
overriding system value
select g, (extract(epoch from t.at - timestamptz '2026-01-01 00:00+00') / 3600)::bigint * 10000000000
        + (g::bigint * 6180339887) %% 10000000000,
    w.wallet_id, 1, 1, g, 1 + g %% 200, 'ig', 'any', (10000000000 + g)::text,
    (case when g %% 5 < 2 then 'finished' else 'expired' end)::activation_state, %(amount)s, 0.0334,
    case when g %% 5 < 2 then '123456' end, g %% 5 < 2,
    t.at, t.at + interval '20 minutes', null, t.at + interval '20 minutes'
from generate_series(%(low)s::bigint, %(high)s::bigint) as g
cross join lateral (select {_AT} as at) as t
join past_wallet w on w.place = g %% (select wallets from past_wallet limit 1)
"""

_POSTINGS = f"""
insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id, created_at)
select w.wallet_id, k.kind::posting_kind,
    (case k.kind when 'hold' then 'available' else 'held' end)::account_kind,
    (case k.kind when 'hold' then 'held' when 'capture' then 'revenue' else 'available' end)::account_kind,
    %(amount)s, g, {_AT} + case k.kind when 'hold' then interval '0' else interval '20 minutes' end
from generate_series(%(low)s::bigint, %(high)s::bigint) as g
join past_wallet w on w.place = g %% (select wallets from past_wallet limit 1)
cross join lateral (values ('hold'), (case when g %% 5 < 2 then 'capture' else 'release' end)) as k (kind)
"""

_MESSAGES = f"""
insert into message (source_id, source_sms_id, activation_id, phone, sender, text, code, received_at)
select 1, g, g, (10000000000 + g)::text, 'Instagram', '123 456 is your Instagram code', '123456', {_AT}
from generate_series(%(low)s::bigint, %(high)s::bigint) as g where g %% 5 < 2
"""

_BALANCES = (
    """
    update ledger_account a set balance_micros = balance_micros - s.total
    from (select wallet_id, sum(amount_micros) as total from posting where kind = 'capture' group by 1) as s
    where a.wallet_id = s.wallet_id and a.kind = 'available'
    """,
    """
    update ledger_account a set balance_micros = balance_micros + s.total
    from (select wallet_id, sum(amount_micros) as total from posting where kind = 'capture' group by 1) as s
    where a.wallet_id = s.wallet_id and a.kind = 'revenue'
    """,
)

_SEQUENCES = "select setval(pg_get_serial_sequence('activation', 'id'), %(n)s)"
