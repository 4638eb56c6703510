"""What staff did: written in the transaction of the act, sealed in a chain, never changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from ringlet.db import Tx


class Actor(msgspec.Struct, frozen=True):
    """Who does it and from where. The command line and the machine itself have neither person nor address."""

    name: str
    role: str
    person_id: int | None = None
    address: str | None = None
    user_agent: str = ""
    request_id: str = ""


#: whoever has a shell on the host
CLI = Actor("cli", "owner")
#: what is done because a time has come
CLOCK = Actor("clock", "")


async def write(
    tx: Tx,
    actor: Actor,
    act: str,
    about: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    customer_id: int | None = None,
) -> None:
    """Note what `actor` does, in the transaction that does it.

    `act` is a thing and a verb ("price_rule.set"), `about` one thing by its id ("customer 12", "supplier acme").
    `before` and `after` are what changed. Never put in a phone number, the text of a message, a key or a password:
    this table is kept for ever.
    """
    values = [
        actor.name, actor.role, actor.person_id, actor.address, actor.user_agent, actor.request_id, act, about,
        customer_id, reason, _json(before), _json(after),
    ]  # fmt: skip
    await tx.execute(_WRITE, values)


def _json(value: Mapping[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value, dumps=lambda each: _encoder.encode(each).decode())


_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=str)

_WRITE: LiteralString = """
insert into staff_act (actor, role, person_id, address, user_agent, request_id, act, about, customer_id, reason,
    before, after)
values (%s, %s, %s, %s::inet, %s, %s, %s, %s, %s, %s, %s, %s)
"""


class Act(msgspec.Struct, frozen=True):
    """One line of what was done."""

    id: int
    at: datetime
    actor: str
    role: str
    address: str | None
    user_agent: str
    request_id: str
    act: str
    about: str
    customer_id: int | None
    reason: str
    before: Any
    after: Any


async def search(
    tx: Tx, *, act: str = "", about: str = "", actor: str = "", before: int | None = None, limit: int = 50
) -> list[Act]:
    """The newest first, of one kind, about one thing or by one person; `before` is the last id of the part before."""
    cursor = tx.cursor(row_factory=args_row(Act))
    values = {"act": act, "about": about, "actor": actor, "before": before, "limit": limit}
    return await (await cursor.execute(_SEARCH, values)).fetchall()


_SEARCH: LiteralString = """
select id, at, actor, role, host(address), user_agent, request_id, act, about, customer_id, reason, before, after
from staff_act
where (%(act)s = '' or act = %(act)s) and (%(about)s = '' or about = %(about)s)
    and (%(actor)s = '' or actor = %(actor)s) and (%(before)s::bigint is null or id < %(before)s)
order by id desc limit %(limit)s
"""


async def first_broken(tx: Tx) -> int | None:
    """The first row whose seal does not fit what stands in it and before it; None when the chain is whole."""
    row = await (await tx.execute(_FIRST_BROKEN)).fetchone()
    return None if row is None else int(row[0])


_FIRST_BROKEN: LiteralString = """
select id from (
    select a.id, a.seal, lag(a.seal) over w as seal_before, lag(a.id) over w as id_before, a as done
    from staff_act a window w as (order by a.id)
) chain
where seal is distinct from staff_act_seal(done, seal_before) or id <> coalesce(id_before, 0) + 1
order by id limit 1
"""
