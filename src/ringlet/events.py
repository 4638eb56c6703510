"""Events: what happened, written in the transaction of its cause, for wallets that somebody listens to.

The database hands each one to the wallet's endpoints in the same statement and tells every process at commit, so a
crash loses none. The sale from own stock says the same by `tell_created`, within its one statement. Types are those of the public contract.
"""

from typing import LiteralString

from ringlet.db import Tx

TOPIC = "event"

CREATED = "activation.created"
MESSAGE = "activation.message"
COMPLETED = "activation.completed"
CANCELLED = "activation.cancelled"
EXPIRED = "activation.expired"
FAILED = "activation.failed"
BALANCE_LOW = "balance.low"
TOPUP_SUCCEEDED = "topup.succeeded"
TYPES = (CREATED, MESSAGE, COMPLETED, CANCELLED, EXPIRED, FAILED, BALANCE_LOW, TOPUP_SUCCEEDED)


async def note(tx: Tx, activation_id: int, type_: str, message_id: int | None = None) -> None:
    """Something happened to an activation; its state and code of this moment are kept with it."""
    await tx.execute(_NOTE, {"activation": activation_id, "type": type_, "message": message_id})


#: Ends a statement that has `told`, the new events: deliveries for whoever subscribed, and the news.
HAND_ON: LiteralString = """
due as (
    insert into delivery (event_id, endpoint_id, due_at)
    select told.id, e.id, now() from told
    join webhook_endpoint e on e.wallet_id = told.wallet_id and e.disabled_at is null
        and (e.types = '{}' or told.type = any (e.types))
)
"""

_NOTE: LiteralString = f"""
with told as (
    insert into event (wallet_id, type, activation_id, message_id, state, code)
    select a.wallet_id, %(type)s, a.id, %(message)s, a.state, a.code
    from activation a join wallet w on w.id = a.wallet_id
    where a.id = %(activation)s and w.listens_until > now()
    returning id, wallet_id, type
), {HAND_ON}
select pg_notify('ringlet', 'event ' || told.wallet_id) from told
"""


async def note_account(tx: Tx, wallet_id: int, type_: str, data: object) -> None:
    """Something happened to a wallet that belongs to no activation; `data` is JSON, amounts in micro-units."""
    await tx.execute(_NOTE_ACCOUNT, {"wallet": wallet_id, "type": type_, "data": data})


_NOTE_ACCOUNT: LiteralString = f"""
with told as (
    insert into event (wallet_id, type, data)
    select id, %(type)s, %(data)s from wallet where id = %(wallet)s and listens_until > now()
    returning id, wallet_id, type
), {HAND_ON}
select pg_notify('ringlet', 'event ' || told.wallet_id) from told
"""
