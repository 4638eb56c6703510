"""Years of history in a minute: past activations with their messages and postings, and balances to match.

Two fifths of the past leases brought a code (finished, captured), the others ran out (expired, released). The
rows are written with the checks and indexes in place; only the triggers of foreign keys are spared, whose keys
are known to be there.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.ground import connect

AMOUNT_MICROS = 111_489
STEP = 250_000


@dataclass(frozen=True)
class Mixture:
    """What else the history has. Of `suppliers` (source ids) every other number was rented, the rest were own ones;
    `moves_money`: with each activation somebody paid in and was paid back, so that there are four postings for each.
    """

    services: Sequence[str] = ("ig",)
    suppliers: Sequence[int] = ()
    moves_money: bool = False


PLAIN = Mixture()


def write(url: str, wallet_ids: list[int], activations: int, mixture: Mixture = PLAIN) -> None:
    """`activations` past ones, dealt out to these wallets in turn. The database has none before."""
    with connect(url) as connection:
        connection.execute(_WALLETS)
        connection.execute(_DEAL, [wallet_ids])
        assert connection.execute("select count(*) from activation").fetchone() == (0,)
    statements = [_ACTIVATIONS, _POSTINGS, _MESSAGES]
    if mixture.suppliers:
        statements += [_RENTALS, _SUPPLIER_POSTINGS]
    with ThreadPoolExecutor(len(statements)) as pool:
        for done in [pool.submit(_in_steps, url, each, activations, mixture) for each in statements]:
            done.result()
    with connect(url) as connection:
        for statement in (*_BALANCES, _SEQUENCES, "drop table past_wallet", "vacuum (analyze)", "checkpoint"):
            connection.execute(statement.encode(), {"n": activations} if "%(" in statement else None)


def _in_steps(url: str, statement: str, activations: int, mixture: Mixture) -> None:
    with connect(url) as connection:
        connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        for low in range(1, activations + 1, STEP):
            values = {
                "low": low,
                "high": min(low + STEP - 1, activations),
                "n": activations,
                "amount": AMOUNT_MICROS,
                "services": list(mixture.services),
                "suppliers": list(mixture.suppliers),
                "moves_money": mixture.moves_money,
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

#: the supplier that the number of the g-th was rented at, null for an own one
_SUPPLIER = """(case when g %% 2 = 0 and cardinality(%(suppliers)s::bigint[]) > 0
    then (%(suppliers)s::bigint[])[1 + g %% cardinality(%(suppliers)s::bigint[])] end)"""
_SERVICE = "(%(services)s::text[])[1 + (g / 7) %% cardinality(%(services)s::text[])]"

_ACTIVATIONS = f"""
insert into activation (id, public_id, wallet_id, source_id, offer_id, number_id, country, service, operator, phone,
    state, amount_micros, base_price, code, number_used, created_at, expires_at, due_at, closed_at)
overriding system value
select g, (extract(epoch from t.at - timestamptz '2026-01-01 00:00+00') / 3600)::bigint * 10000000000
        + (g::bigint * 6180339887) %% 10000000000,
    w.wallet_id, coalesce({_SUPPLIER}, 1), 1, case when {_SUPPLIER} is null then g end, 1 + g %% 200, {_SERVICE}, 'any',
    (10000000000 + g)::text,
    (case when g %% 5 < 2 then 'finished' else 'expired' end)::activation_state, %(amount)s, 0.0334,
    case when g %% 5 < 2 then '123456' end, g %% 5 < 2,
    t.at, t.at + interval '20 minutes', null, t.at + interval '20 minutes'
from generate_series(%(low)s::bigint, %(high)s::bigint) as g
cross join lateral (select {_AT} as at) as t
join past_wallet w on w.place = g %% (select wallets from past_wallet limit 1)
"""

_POSTINGS = f"""
insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id, created_at, actor, reason)
select w.wallet_id, k.kind::posting_kind, k.giver::account_kind, k.taker::account_kind, %(amount)s,
    case when k.of_activation then g end, {_AT} + make_interval(mins => k.minutes),
    case when not k.of_activation then 'bench' end, case when not k.of_activation then 'payment' end
from generate_series(%(low)s::bigint, %(high)s::bigint) as g
join past_wallet w on w.place = g %% (select wallets from past_wallet limit 1)
cross join lateral (values
    ('credit', 'funding', 'available', 0, false), ('hold', 'available', 'held', 0, true),
    (case when g %% 5 < 2 then 'capture' else 'release' end, 'held',
        case when g %% 5 < 2 then 'revenue' else 'available' end, 20, true),
    ('debit', 'available', 'funding', 20, false)
) as k (kind, giver, taker, minutes, of_activation)
where k.of_activation or %(moves_money)s
"""

_RENTALS = f"""
insert into rental (source_id, supplier_ref, activation_id, country, service, operator, phone, cost, state, created_at,
    closed_at)
select {_SUPPLIER}, g::text, g, 1 + g %% 200, {_SERVICE}, 'any', (10000000000 + g)::text, 0.0334,
    (case when g %% 5 < 2 then 'spent' else 'returned' end)::rental_state, {_AT}, {_AT} + interval '20 minutes'
from generate_series(%(low)s::bigint, %(high)s::bigint) as g where {_SUPPLIER} is not null
"""

_SUPPLIER_POSTINGS = f"""
insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref, created_at)
select {_SUPPLIER}, k.kind::supplier_posting_kind, k.giver::supplier_account, k.taker::supplier_account, 33400, g::text,
    {_AT} + make_interval(mins => k.minutes)
from generate_series(%(low)s::bigint, %(high)s::bigint) as g
cross join lateral (values ('charge', 'prepaid', 'cost', 0), ('refund', 'cost', 'prepaid', 20))
    as k (kind, giver, taker, minutes)
where {_SUPPLIER} is not null and (k.kind = 'charge' or g %% 5 >= 2)
"""

_MESSAGES = f"""
insert into message (source_id, source_sms_id, activation_id, phone, sender, text, code, received_at)
select coalesce({_SUPPLIER}, 1), g, g, (10000000000 + g)::text, 'Instagram', '123 456 is your Instagram code', '123456', {_AT}
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
