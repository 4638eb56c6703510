"""Running a command against the installation: settings, database and desk for as long as it takes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from ringlet import logs, migrations
from ringlet.app import Base, open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings, load

T = TypeVar("T")


@contextmanager
def installation() -> Iterator[tuple[Settings, Base]]:
    """The settings and the database of this installation, started when it is not running.

    Raises StartupError for a setting that makes no sense, EmbeddedError when the database cannot start.
    """
    settings = load()
    logs.configure(settings.log_level if settings.log_level == "debug" else "warning", room="cli")
    base = Base(settings)
    try:
        yield settings, base
    finally:
        base.release()


def at_desk(work: Callable[[Desk], Coroutine[None, None, T]]) -> T:
    """Run one piece of work at a desk, on a database that has this version's schema."""
    with installation() as (settings, base):
        migrations.migrate(base.conninfo)
        return asyncio.run(_work(settings, base, work))


async def _work(settings: Settings, base: Base, work: Callable[[Desk], Coroutine[None, None, T]]) -> T:
    async with desk_of(settings, base) as desk:
        return await work(desk)


@asynccontextmanager
async def desk_of(settings: Settings, base: Base) -> AsyncIterator[Desk]:
    """A desk with its prices loaded."""
    async with open_desk(settings, base.conninfo) as desk:
        await desk.refresh_prices()
        yield desk
