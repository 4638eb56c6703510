"""A person's data: all of it to take along, and none of it left but the amounts that moved.

Erasing begins with one transaction that shuts the account and takes away everything that names its owner; the
history behind it follows in batches, and a worker goes on where a process died.
"""

from collections.abc import AsyncIterator
from typing import LiteralString

import msgspec

from ringlet import acts, customers, ledger
from ringlet.acts import Actor
from ringlet.backoffice import retention
from ringlet.backoffice.reveal import checked_reason
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.people import referrals

BATCH = 500
OPEN: LiteralString = "('ordering', 'waiting', 'received')"


async def by_email(desk: Desk, email: str) -> int:
    """The customer with this address. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return (await customers.by_email(tx, email, desk.brand_id)).id


async def export(desk: Desk, customer_id: int) -> AsyncIterator[str]:
    """Everything that we keep of a customer, as the pieces of one JSON document; no connection is held between two.

    Keys, passwords and factors are not in it: what we keep of them is of no use to anybody. Refuses: NotFound,
    ServiceUnavailable.
    """
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_ACCOUNT, [customer_id])).fetchone()
    if row is None:
        raise NotFound("No such customer")
    yield f'{{"account": {row[0]}'
    for name, statement in _PARTS.items():
        yield f',\n"{name}": ['
        after, comma = 0, "\n"
        while True:
            values = {"customer": customer_id, "after": after, "limit": BATCH}
            async with desk.db.connection() as tx:
                rows = await (await tx.execute(statement, values)).fetchall()
            if not rows:
                break
            yield comma + ",\n".join(row[1] for row in rows)
            after, comma = rows[-1][0], ",\n"
        yield "]"
    yield "}\n"


_ACCOUNT: LiteralString = """
select to_jsonb(t)::text from (
    select c.id, c.email, c.created_at, c.frozen_at, p.language, p.time_zone, p.theme, p.confirmed_at,
        p.totp_confirmed_at, i.state as identity,
        (select jsonb_agg(jsonb_build_object('version', a.version, 'accepted_at', a.accepted_at) order by a.version)
            from acceptance a where a.person_id = p.id) as rules_accepted,
        (select jsonb_agg(jsonb_build_object('service', f.service, 'country', f.country))
            from favourite f where f.person_id = p.id) as favourites,
        (select jsonb_agg(jsonb_build_object('id', w.id, 'mode', w.mode, 'currency', w.currency,
                'available_micros', l.balance_micros) order by w.id)
            from wallet w join ledger_account l on l.wallet_id = w.id and l.kind = 'available'
            where w.customer_id = c.id) as wallets
    from customer c left join person p on p.customer_id = c.id left join identity_check i on i.customer_id = c.id
    where c.id = %s
) t
"""
_WALLETS: LiteralString = "(select id from wallet where customer_id = %(customer)s)"

# Each part: an id to go on from, and the row.
_PARTS: dict[str, LiteralString] = {
    "sessions": """
        select s.id, to_jsonb(t)::text from person p join person_session s on s.person_id = p.id,
        lateral (select s.created_at, s.seen_at, s.ended_at, host(s.address) as address, s.user_agent) t
        where p.customer_id = %(customer)s and s.id > %(after)s order by s.id limit %(limit)s""",
    "keys": f"""
        select k.id, to_jsonb(t)::text from api_key k, lateral (select k.name, k.token_hint, k.scopes,
            k.allowed_addresses, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
            host(k.last_used_address) as last_used_address) t
        where k.wallet_id in {_WALLETS} and k.id > %(after)s order by k.id limit %(limit)s""",
    "webhooks": f"""
        select e.id, to_jsonb(t)::text from webhook_endpoint e,
        lateral (select e.url, e.description, e.types, e.created_at, e.disabled_at) t
        where e.wallet_id in {_WALLETS} and e.id > %(after)s order by e.id limit %(limit)s""",
    "letters": """
        select l.id, to_jsonb(t)::text from customer c join letter l on l.recipient = c.email,
        lateral (select l.recipient, l.subject, l.created_at, l.sent_at) t
        where c.id = %(customer)s and l.id > %(after)s order by l.id limit %(limit)s""",
    # Wallet by wallet, and kind by kind: each has its place in an index, however long the history.
    "payments": """
        select t.id, to_jsonb(p)::text from wallet w, lateral (select t.* from topup t
            where t.wallet_id = w.id and t.id > %(after)s order by t.wallet_id, t.id limit %(limit)s) t
        join gateway g on g.id = t.gateway_id, lateral (select t.public_id as id,
            t.wallet_id, g.label as method, t.state, t.amount_micros, t.charge_micros, t.credited_micros, t.bonus_micros,
            t.returned_micros, t.currency, t.created_at, t.settled_at, (select jsonb_agg(jsonb_build_object('name', f.name,
                'media_type', f.media_type, 'created_at', f.created_at) order by f.id)
                from topup_proof f where f.topup_id = t.id) as proofs) p
        where w.customer_id = %(customer)s order by t.id limit %(limit)s""",
    "activations": """
        select a.id, to_jsonb(t)::text from wallet w, lateral (select a.* from activation a
            where a.wallet_id = w.id and a.id > %(after)s order by a.wallet_id, a.id limit %(limit)s) a, lateral (select a.public_id::text as activation_id,
            a.wallet_id, a.service, a.country, a.operator, a.phone, a.state, a.amount_micros, a.code, a.reference,
            a.created_at, a.closed_at, (select jsonb_agg(jsonb_build_object('sender', m.sender, 'text', m.text,
                'code', m.code, 'received_at', m.received_at) order by m.id)
                from message m where m.activation_id = a.id) as messages) t
        where w.customer_id = %(customer)s order by a.id limit %(limit)s""",
    "postings": """
        select p.id, to_jsonb(t)::text from wallet w, unnest(enum_range(null::posting_kind)) as kind,
        lateral (select p.* from posting p where p.wallet_id = w.id and p.kind = kind and p.kind <> 'hold'
            and p.id > %(after)s order by p.wallet_id, p.kind, p.id limit %(limit)s) p, lateral (select p.wallet_id, p.kind, p.amount_micros,
            p.reference, p.reason, p.created_at, p.activation_id) t
        where w.customer_id = %(customer)s order by p.id limit %(limit)s""",
}


class Left(msgspec.Struct, frozen=True):
    """What stands in the way of erasing an account: numbers that are leased, money, a role."""

    open: int
    available_micros: int
    currency: str
    is_staff: bool


async def left(desk: Desk, customer_id: int) -> Left:
    """What an account still has. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _left(tx, customer_id)


async def _left(tx: Tx, customer_id: int) -> Left:
    row = await (await tx.execute(_LEFT, {"customer": customer_id})).fetchone()
    if row is None:
        raise NotFound("No such customer")
    return Left(*row)


_LEFT: LiteralString = f"""
select (select count(*) from wallet w join activation a on a.wallet_id = w.id
        where w.customer_id = %(customer)s and a.due_at is not null and a.state in {OPEN}),
    l.balance_micros, w.currency,
    exists (select from person p join staff s on s.person_id = p.id where p.customer_id = %(customer)s)
        or exists (select from brand b where b.customer_id = %(customer)s)
from wallet w join ledger_account l on l.wallet_id = w.id and l.kind = 'available'
where w.customer_id = %(customer)s and w.mode = 'live'
"""


async def erase(desk: Desk, actor: Actor, customer_id: int, reason: str, *, gives_up_micros: int = 0) -> None:
    """Forget a person for good; the ledger keeps the amounts. What the live wallet still has is given up, when exactly
    that is said.

    Refuses: ValidationFailed (open numbers, money left, a role or a brand, no reason), NotFound, ServiceUnavailable.
    """
    reason = checked_reason(reason)
    async with desk.db.transaction() as tx:
        # First: whoever counts spending waits for balances, which are locked next.
        await referrals.stop(tx, customer_id)
        await _shut(tx, customer_id, actor, gives_up_micros)
        for statement in _SCRUB:
            await tx.execute(statement, {"customer": customer_id, "name": f"erased-{customer_id}@invalid"})
        await announce(tx, "keys")
        await acts.write(
            tx, actor, "customer.erased", f"customer {customer_id}", reason=reason, customer_id=customer_id
        )
    while await _erase_batch(desk, customer_id):
        pass


async def _shut(tx: Tx, customer_id: int, actor: Actor, gives_up_micros: int) -> None:
    """Nothing is leased and nothing is owed, and no sale comes in between: its rows of the ledger are ours."""
    await tx.execute("select from customer where id = %s for update", [customer_id])
    rows = await (await tx.execute(_LOCK_MONEY, [customer_id])).fetchall()
    left_ = await _left(tx, customer_id)
    if left_.is_staff:
        raise ValidationFailed("Whoever runs a shop gives up that role first", field="role")
    if left_.open:
        raise ValidationFailed("Close the open numbers first: finish or cancel them", field="open")
    if left_.available_micros != gives_up_micros:
        raise ValidationFailed(
            "There is money on this account: spend it, or say that it is given up", field="balance"
        )
    if left_.available_micros:
        wallet = await ledger.wallet(tx, rows[0][0])
        await ledger.debit(
            tx, wallet, left_.available_micros, actor=actor.name, reason="given up when erased"
        )


# Live before test; the accounts of a wallet in the order in which the ledger locks them.
_LOCK_MONEY: LiteralString = """
select w.id from wallet w join ledger_account a on a.wallet_id = w.id
where w.customer_id = %s and a.kind in ('available', 'held') order by w.mode, a.kind for update of a
"""

_OF_WALLETS: LiteralString = "wallet_id in (select id from wallet where customer_id = %(customer)s)"
_SCRUB: tuple[LiteralString, ...] = (
    "delete from letter l using customer c where c.id = %(customer)s and l.recipient = c.email",
    "update number_report r set email = null from customer c where c.id = %(customer)s and r.email = c.email",
    "delete from impersonation where customer_id = %(customer)s",
    "delete from impersonation i using person p where p.customer_id = %(customer)s and i.person_id = p.id",
    "delete from person where customer_id = %(customer)s",
    "delete from identity_check where customer_id = %(customer)s",
    "delete from customer_note where customer_id = %(customer)s",
    "delete from policy_rule where customer_id = %(customer)s",
    "update adjustment set reason = 'erased' where customer_id = %(customer)s",
    f"""update api_key set revoked_at = coalesce(revoked_at, now()), name = '', created_by = '', token_hint = '',
        allowed_addresses = null, last_used_address = null where {_OF_WALLETS}""",
    f"delete from idempotency where {_OF_WALLETS}",
    f"delete from webhook_endpoint where {_OF_WALLETS}",
    f"delete from topup_proof where topup_id in (select id from topup where {_OF_WALLETS})",
    """update customer set email = %(name)s, frozen_at = coalesce(frozen_at, now()) where id = %(customer)s""",
    "insert into erasure (customer_id) values (%(customer)s) on conflict do nothing",
)


async def erase_due(desk: Desk) -> int:
    """Go on with what a process had begun; returns how many rows. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select customer_id from erasure where done_at is null limit 1")
        ).fetchone()
    return 0 if row is None else await _erase_batch(desk, row[0])


async def _erase_batch(desk: Desk, customer_id: int) -> int:
    """A batch of the history of an account that is shut; 0 when all of it is done."""
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_ERASURE, [customer_id])).fetchone()
        if row is None:
            return 0
        values = {"customer": customer_id, "after": row[0], "limit": BATCH}
        ids = [each[0] for each in await (await tx.execute(_ACTIVATIONS, values)).fetchall()]
        if ids:
            await tx.execute("select from activation where id = any (%s) order by id for update", [ids])
            await retention.forget_activations(tx, ids)
            await tx.execute(
                "update erasure set up_to_id = %s where customer_id = %s", [ids[-1], customer_id]
            )
            return len(ids)
        gone = [each[0] for each in await (await tx.execute(_EVENTS, values)).fetchall()]
        for statement in _FORGET_EVENTS if gone else (_DONE,):
            await tx.execute(statement, {"events": gone, **values})
    return len(gone)


_ERASURE: LiteralString = "select up_to_id from erasure where customer_id = %s and done_at is null for update"
_ACTIVATIONS: LiteralString = """
select a.id from wallet w, lateral (select a.id from activation a where a.wallet_id = w.id and a.id > %(after)s
    order by a.wallet_id, a.id limit %(limit)s) a
where w.customer_id = %(customer)s order by a.id limit %(limit)s
"""
_EVENTS: LiteralString = """
select e.id from wallet w, lateral (select e.id from event e where e.wallet_id = w.id
    order by e.wallet_id, e.id limit %(limit)s) e
where w.customer_id = %(customer)s limit %(limit)s
"""
_FORGET_EVENTS: tuple[LiteralString, ...] = (
    "delete from delivery_attempt t using delivery d where d.event_id = any (%(events)s) and t.delivery_id = d.id",
    "delete from delivery where event_id = any (%(events)s)",
    "delete from event where id = any (%(events)s)",
)
_DONE: LiteralString = "update erasure set done_at = now() where customer_id = %(customer)s"
