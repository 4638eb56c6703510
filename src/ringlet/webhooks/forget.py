"""What is older than a month is forgotten: events, deliveries and attempts, a bounded number at once."""

from typing import LiteralString

from ringlet.desk import Desk

KEPT_DAYS = 30
AT_ONCE = 5_000


async def forget_old(desk: Desk) -> int:
    """Delete a batch of each; returns how many rows. Refuses: ServiceUnavailable."""
    forgotten = 0
    for statement in (_ATTEMPTS, _DELIVERIES, _EVENTS):
        async with desk.db.transaction() as tx:
            forgotten += (await tx.execute(statement, [AT_ONCE, KEPT_DAYS])).rowcount
    return forgotten


# Ids count up with time: the oldest are looked at, and those of them that are old enough go.
_ATTEMPTS: LiteralString = """
delete from delivery_attempt using (select id from delivery_attempt order by id limit %s) as oldest
where delivery_attempt.id = oldest.id and attempted_at < now() - make_interval(days => %s)
"""
_DELIVERIES: LiteralString = """
delete from delivery using (select id from delivery order by id limit %s) as oldest
where delivery.id = oldest.id and due_at is null and created_at < now() - make_interval(days => %s)
"""
_EVENTS: LiteralString = """
delete from event using (select id from event order by id limit %s) as oldest
where event.id = oldest.id and created_at < now() - make_interval(days => %s)
"""
