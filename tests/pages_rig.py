"""The pages over real HTTP: the application in this loop on a port of its own, and people who are signed in."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
import pytest
import uvicorn

from ringlet.cli.web import Server
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.people import acceptable_use, persons, sign_in
from ringlet.web.pages.visit import SESSION
from tests.applications import application
from tests.site import Shop


@dataclass
class Got:
    """An answer."""

    status: int
    text: str
    headers: Mapping[str, str]

    def names(self, what: str) -> list[str]:
        """The values of an attribute, in order."""
        return re.findall(rf'{what}="([^"]*)"', self.text)


@dataclass
class Person:
    """A browser without scripts, signed in with one session."""

    url: str
    http: aiohttp.ClientSession
    session: str = ""
    #: of the last page that it saw
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def _head(self) -> dict[str, str]:
        found = {**self.cookies, **({SESSION: self.session} if self.session else {})}
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in found.items())}

    async def get(self, path: str, *, swap: bool = False) -> Got:
        """A page, or with `swap` what htmx asks for."""
        head = {**self._head, "Accept": "text/html", **({"HX-Request": "true"} if swap else {})}
        return await self._got(self.http.get(self.url + path, headers=head, allow_redirects=False))

    async def post(self, path: str, *, swap: bool = False, token: str | None = None, **fields: str) -> Got:
        """A form of a page that was seen before, or with another token."""
        if token is None and not self.token:
            await self.get("/live")
        token = self.token if token is None else token
        sent = {**fields, **({"form_token": token} if token else {})}
        head = {
            **self._head, "Content-Type": "application/x-www-form-urlencoded",
            **({"HX-Request": "true"} if swap else {}),
        }  # fmt: skip
        made = self.http.post(self.url + path, data=urlencode(sent), headers=head, allow_redirects=False)
        return await self._got(made)

    async def _got(self, asked: contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Got:
        async with asked as answer:
            got = Got(answer.status, await answer.text(errors="replace"), answer.headers.copy())
            self.cookies |= {each.key: each.value for each in answer.cookies.values()}
        self.token = next(iter(re.findall(r'name="form-token" content="([^"]+)"', got.text)), self.token)
        return got

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["Heard"]:
        """The stream of live numbers, opened."""
        async with self.http.get(self.url + "/live/events", headers=self._head) as answer:
            heard = Heard(answer.status, str(answer.content_type))
            reading = asyncio.create_task(heard.read(answer))
            if answer.status == 200:
                await heard.until("retry: 2000")
            try:
                yield heard
            finally:
                reading.cancel()


@dataclass
class Heard:
    """What came on a stream until now."""

    status: int
    content_type: str
    text: str = ""
    is_over: bool = False
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, answer: aiohttp.ClientResponse) -> None:
        """Until it ends."""
        async for chunk in answer.content.iter_any():
            self.text += chunk.decode()
            self._came.set()
        self.is_over = True
        self._came.set()

    async def until(self, text: str, within_s: float = 5) -> None:
        """Wait for it."""
        async with asyncio.timeout(within_s):
            while text not in self.text:
                self._came.clear()
                await self._came.wait()

    async def over(self, within_s: float = 8) -> None:
        """Wait for the end."""
        async with asyncio.timeout(within_s):
            while not self.is_over:
                self._came.clear()
                await self._came.wait()


@contextlib.asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[Person]:
    """The application on a port; yields a stranger, whom `sign` makes somebody."""
    app = application(desk)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, ws="none", access_log=False, log_config=None, timeout_graceful_shutdown=1
        )
        server = Server(config, app)
        running = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(10):
            while not (server.started and desk.feed.sound):
                await asyncio.sleep(0.01)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield Person(f"http://127.0.0.1:{listener.getsockname()[1]}", http)
        server.should_exit = True
        await running


async def sign(stranger: Person, desk: Desk, wallet: Wallet) -> Person:
    """The owner of this wallet, with a session of his own that shows it."""
    async with desk.db.transaction() as tx:
        row = await (
            await tx.execute("select id from person where customer_id = %s", [wallet.customer_id])
        ).fetchone()
        person_id = row[0] if row else await persons.add(tx, wallet.customer_id, None)
        await persons.confirm(tx, person_id)
        await acceptable_use.note(tx, person_id, 1)
        person = await persons.by_id(tx, person_id)
        signed = await sign_in.open_session(tx, desk, person, None, "test")
        await tx.execute(
            "update person_session set mode = %s where id = (select max(id) from person_session)",
            [wallet.mode],
        )
    return Person(stranger.url, stranger.http, signed.token)


@pytest.fixture
async def stranger(desk: Desk, shop: Shop) -> AsyncIterator[Person]:
    """Somebody who is not signed in, at the small shop's pages."""
    async with serving(desk) as person:
        yield person


@pytest.fixture
async def ann(stranger: Person, desk: Desk, shop: Shop) -> Person:
    """Signed in as alice, live."""
    return await sign(stranger, desk, shop.alice)


@pytest.fixture
async def bob(stranger: Person, desk: Desk, shop: Shop) -> Person:
    """Signed in as bob, live."""
    return await sign(stranger, desk, shop.bob)
