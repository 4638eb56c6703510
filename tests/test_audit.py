"""The audit finds what it promises to find: every breach is planted once."""

import psycopg
import pytest

from ringlet import audit
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from tests.site import Shop

IG = Order(service="ig", country=6)

#: invariant → statements that break it behind the program's back
BREAKS = {
    "I1": ["update ledger_account set balance_micros = balance_micros + 5 where kind = 'available' and wallet_id = 1"],
    "I2": ["alter table posting drop constraint posting_moves", "alter table posting disable trigger user",
           "update posting set amount_micros = -amount_micros where id = 1"],
    "I3": ["update ledger_account set balance_micros = balance_micros + 5 where kind = 'available' and wallet_id = 1",
           "update ledger_account set balance_micros = balance_micros - 5 where kind = 'funding' and wallet_id = 1"],
    "I4": ["alter table ledger_account drop constraint ledger_account_floor",
           "update ledger_account set balance_micros = -5 where kind = 'revenue' and wallet_id = 1"],
    "I5": ["update activation set amount_micros = amount_micros + 1"],
    "I6": ["update activation set state = 'cancelled', due_at = null, closed_at = now()"],
    "I7": ["update activation set state = 'received', code = '1234'"],
    "I8": ["update stock set state = 'free' where state = 'leased'"],
    "I9": [(
        "insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, created_at)"
        " values (1, 'r', 6, 'ig', 'any', '62', 0, 'stray', now() - interval '1 hour')"
    )],
    "I10": [(
        "with made as (insert into source (name, kind) values ('up', 'supplier') returning id)"
        " insert into supplier (source_id, protocol, url, sealed_key, hint_fingerprint, balance_micros, books_micros,"
        " balance_at) select id, 'handler-api', 'http://x', 'x', 'x', 5, 6, now() from made"
    )],
    "I11": ["alter table message drop constraint message_source_id_source_sms_id_key",
            ("insert into message (source_id, source_sms_id, phone, sender, text)"
            " select 1, 7, '62', 'x', 'y' from generate_series(1, 2)")],
    "I12": ["drop index posting_reference",
            ("insert into posting (wallet_id, kind, giver, taker, amount_micros, reference)"
            " select 1, 'credit', 'funding', 'available', 1, 'tx1' from generate_series(1, 2)")],
    "I13": ["insert into idempotency (wallet_id, key, fingerprint, activation_id) values (1, 'k', 'f', 999999)"],
    "I14": ["update activation set due_at = now() - interval '1 hour'"],
    "I15": ["insert into resale (activation_id, brand_id, wallet_id, share_micros) select id, 1, 2, 5 from activation"],
    "I16": ["insert into referrer (customer_id, code, earned_micros) values (1, 'aaaaaaaaaa', 5)"],
}  # fmt: skip


async def test_a_healthy_installation_has_no_breach(desk: Desk, shop: Shop, database_url: str) -> None:
    """After sales, a message and an expiry there is nothing to report."""
    activation = (await buy(desk, shop.alice, IG)).activation
    await shop.push(desk, activation, "Your code is 1234")
    await buy(desk, shop.bob, IG)
    assert audit.run(database_url) == []


@pytest.mark.parametrize("invariant", BREAKS)
async def test_each_breach_is_found(desk: Desk, shop: Shop, database_url: str, invariant: str) -> None:
    """A check that could not fail would be worth nothing."""
    await buy(desk, shop.alice, IG)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in BREAKS[invariant]:
            connection.execute(statement)
    assert invariant in {breach.invariant for breach in audit.run(database_url)}


def test_every_check_has_a_planted_breach() -> None:
    """Whoever adds a check adds its breach here."""
    assert {check.invariant for check in audit.CHECKS} == set(BREAKS)
