"""Whether those who watch a page may go on: asked for all of a process at once, and no sign of life of anybody."""

from collections.abc import Sequence
from typing import LiteralString

from ringlet.desk import Desk
from ringlet.people.sessions import GOOD


async def shown(desk: Desk, session_ids: Sequence[int]) -> dict[int, int]:
    """Those of these sessions that are good, each with the wallet that it shows now. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_SHOWN, [list(session_ids)])).fetchall()
    return {row[0]: row[1] for row in rows}


_SHOWN: LiteralString = f"""
select s.id, w.id from person_session s
join person p on p.id = s.person_id
join wallet w on w.customer_id = p.customer_id and w.mode = s.mode
where s.id = any (%s) and not s.awaits_second_factor and {GOOD}
"""
