"""A crowd of customers' programs at one site: what they ask over HTTP, and the randomness that a seed replays."""

import asyncio
import contextlib
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings

#: Nobody knows whether it happened / it certainly did not, as nobody listened.
UNKNOWN, UNSENT = 0, -1


def seed_of(test: str) -> int:
    """The seed of this run, printed; RINGLET_TEST_SEED repeats an earlier one."""
    seed = int(os.environ.get("RINGLET_TEST_SEED") or secrets.randbelow(2**32))
    print(f"{test}: RINGLET_TEST_SEED={seed}")
    return seed


def chance(test: str) -> random.Random:
    """Randomness by the seed of this run."""
    return random.Random(seed_of(test))


@contextlib.asynccontextmanager
async def desks_of(settings: Settings, conninfo: str, count: int) -> AsyncIterator[list[Desk]]:
    """Several desks on one database, as several processes would have them."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_desk(settings, conninfo)) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` is UNKNOWN or UNSENT when nothing did."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        return self.status == 200

    @property
    def is_unknown(self) -> bool:
        """After a broken connection or a 503 the customer cannot tell; an answered refusal changed nothing."""
        return self.status in {UNKNOWN, 503}

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


class Crowd:
    """Many connections to one site with one customer's key and one owner's key."""

    def __init__(self, url: str, api_key: str, agent_key: str = "", connections: int = 64) -> None:
        self.url = url
        self.api_key = api_key
        self.agent_key = agent_key
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=30),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, idempotency_key: str | None = None
    ) -> Answer:
        """One request; never raises for what a network or a dying server can do."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self.api_key}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            async with self._session.request(
                method, self.url + path, json=body, headers=headers, allow_redirects=False
            ) as answer:
                is_json = answer.content_type == "application/json"
                decoded = await answer.json() if is_json else await answer.text()
                return Answer(answer.status, decoded, answer.headers)
        except aiohttp.ClientConnectorError:
            return Answer(UNSENT, None, {})
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer(UNKNOWN, None, {})

    async def buy(self, idempotency_key: str | None = None, service: str = "ig") -> Answer:
        body = {"service": service, "country": 6}
        return await self.call("POST", "/api/v1/resell/virtual/buy", body, idempotency_key=idempotency_key)

    async def cancel(self, activation_id: str) -> Answer:
        return await self.call("POST", "/api/v1/resell/virtual/cancel", {"activation_id": activation_id})

    async def resend(self, activation_id: str) -> Answer:
        return await self.call("POST", "/api/v1/resell/virtual/resend", {"activation_id": activation_id})

    async def status(self, activation_id: str) -> Answer:
        return await self.call("GET", f"/api/v1/resell/virtual/{activation_id}/status")

    async def balance(self) -> tuple[float, float]:
        """What can be spent and what is held."""
        answer = await self.call("GET", "/api/v1/balance")
        assert answer.is_ok, answer
        return answer.body["balance"], answer.body["held"]

    async def push(self, phone: str, text: str, sms_id: int) -> Answer:
        """The owner of the number pushes a message; UNKNOWN also when the answer is not SUCCESS."""
        body = {"action": "PUSH_SMS", "key": self.agent_key, "smsId": sms_id, "phone": int(phone),
                "phoneFrom": "Example", "text": text}  # fmt: skip
        return await self.call("POST", "/agent/api/sms", body)


async def late(delay_s: float, work: Awaitable[Any]) -> Any:
    """Begin a little later than others do."""
    await asyncio.sleep(delay_s)
    return await work
