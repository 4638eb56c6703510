"""What a person buys again and again: the pairs of service and country that he has starred, and those bought last."""

from typing import LiteralString

from ringlet.db import Tx

KEPT_MAX = 50
RECENT_MAX = 6

Cell = tuple[str, int]


async def starred(tx: Tx, person_id: int) -> list[Cell]:
    """The person's favourites, the newest first."""
    rows = await (await tx.execute(_STARRED, [person_id])).fetchall()
    return [(row[0], row[1]) for row in rows]


_STARRED: LiteralString = """
select service, country from favourite where person_id = %s order by created_at desc, service, country
"""


async def star(tx: Tx, person_id: int, service: str, country: int) -> bool:
    """Keep it; again changes nothing. False when the person has as many as can be kept."""
    values = {"person": person_id, "service": service, "country": country, "most": KEPT_MAX}
    row = await (await tx.execute(_STAR, values)).fetchone()
    return row is None or row[0] < KEPT_MAX


_STAR: LiteralString = """
with kept as (
    select count(*) as many from favourite where person_id = %(person)s
), added as (
    insert into favourite (person_id, service, country)
    select %(person)s, %(service)s, %(country)s from kept where many < %(most)s
    on conflict do nothing
)
select many from kept
"""


async def unstar(tx: Tx, person_id: int, service: str, country: int) -> None:
    """Keep it no longer."""
    await tx.execute(
        "delete from favourite where person_id = %s and service = %s and country = %s",
        [person_id, service, country],
    )


async def recent(tx: Tx, wallet_id: int) -> list[Cell]:
    """What this wallet has bought last, each once, of its newest activations."""
    rows = await (await tx.execute(_RECENT, {"wallet": wallet_id, "most": RECENT_MAX})).fetchall()
    return [(row[0], row[1]) for row in rows]


# Both ends name the wallet, so that only its own index will do.
_RECENT: LiteralString = """
select service, country from (
    select id, service, country from activation
    where (wallet_id, id) >= (%(wallet)s, 0) and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
    order by wallet_id desc, id desc limit 60
) as newest group by service, country order by max(id) desc limit %(most)s
"""
