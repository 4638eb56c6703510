"""People for tests: signed up, confirmed and signed in by the ways that everybody goes."""

import re
from dataclasses import dataclass

from ringlet.desk import Desk
from ringlet.people import letters, sessions, sign_in, sign_up
from ringlet.people.visitor import Visitor

PASSWORD = "plum kettle orbit 7"
ADDRESS = "192.0.2.1"


@dataclass
class Signed:
    """A person with a session."""

    token: str
    visitor: Visitor


async def new_person(desk: Desk, email: str = "ann@example.org") -> Signed:
    """Signed up, confirmed, signed in."""
    await sign_up.sign_up(desk, email, PASSWORD, address=ADDRESS, agreed=1)
    await sign_up.confirm(desk, await link_token(desk, email))
    return await enter(desk, email)


async def enter(desk: Desk, email: str = "ann@example.org", password: str = PASSWORD) -> Signed:
    """Signed in."""
    token = (await sign_in.sign_in(desk, email, password, ADDRESS, "Browser 1")).token
    return Signed(token, await seen(desk, token))


async def seen(desk: Desk, token: str) -> Visitor:
    """Who has this session now."""
    visitor = await sessions.find(desk, token)
    assert visitor is not None
    return visitor


async def letters_to(desk: Desk, email: str) -> list[letters.LetterLine]:
    """The letters to an address, the newest first."""
    return [each for each in await letters.list_letters(desk) if each.recipient == email.lower()]


async def link_token(desk: Desk, email: str) -> str:
    """The one-time link of the newest letter to an address."""
    found = re.search(r"/(?:confirm|reset|email)/(\w+)", (await letters_to(desk, email))[0].body or "")
    assert found is not None
    return found.group(1)


async def execute(desk: Desk, statement: str, *values: object) -> int:
    """Change the database as time would; returns how many rows."""
    async with desk.db.transaction() as tx:
        return (await tx.execute(statement.encode(), list(values))).rowcount
