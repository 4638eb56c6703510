"""Who took which list away as a file."""

from collections.abc import Mapping

from ringlet import acts
from ringlet.acts import Actor
from ringlet.desk import Desk


async def note(desk: Desk, actor: Actor, what: str, filters: Mapping[str, object]) -> None:
    """Write it down before the first line leaves; `filters` never hold a number, an address or a text that was sought."""
    async with desk.db.transaction() as tx:
        used = {name: value for name, value in filters.items() if value}
        await acts.write(tx, actor, f"{what}.exported", what, after=used)
