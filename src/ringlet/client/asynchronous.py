"""The client for asyncio; the same methods as the synchronous one, by the same rules."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar, cast

import httpx2

from ringlet.client import browse, buy, cancel, lists, price, resend, status
from ringlet.client.access import DEFAULT_URL, Access
from ringlet.client.asynchronous_webhooks import AsyncWebhooks
from ringlet.client.events import EVENTS, OK, SILENCE_S, Stream
from ringlet.client.talk import Answer, Ask, Lost, Pause, Reply, Step, Talk
from ringlet.client.transport import LOST, Reading, headers_of, limits
from ringlet.client.values import (
    Activation,
    Balance,
    Cancelled,
    Cell,
    Country,
    Event,
    Figures,
    Operator,
    Price,
    Service,
    Status,
)

T = TypeVar("T")


class AsyncRinglet:
    """One account at one installation. Close it, or use it in an `async with`; tasks may share it.

    `timeout_s`: the time for one answer. `retry_for_s`: how long a request is repeated where that helps. `http`: a
    client of your own, with your proxies or certificates; it stays yours to close.
    """

    def __init__(
        self,
        api_key: str,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = 30.0,
        retry_for_s: float = 30.0,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._access = Access(api_key, url)
        self._timeout_s = timeout_s
        self._retry_for_s = retry_for_s
        self._is_ours = http is None
        self.webhooks = AsyncWebhooks(self._hold, retry_for_s)
        self._http = httpx2.AsyncClient() if http is None else http

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """With RINGLET_API_KEY (or RINGLET_API_KEY_FILE) and RINGLET_URL. Raises NotConfigured."""
        access = Access.from_env(environ)
        return cls(access.api_key, access.url)

    def __repr__(self) -> str:
        return f"AsyncRinglet(url={self._access.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        if self._is_ours:
            await self._http.aclose()

    async def price(self, service: str, country: int) -> Price:
        """Base and sell price. Raises NotFound when nobody offers it."""
        return await self._hold(price.price(service, country, self._retry_for_s))

    async def prices(
        self, service: str | None = None, country: int | None = None
    ) -> dict[int, dict[str, Cell]]:
        """Country → service → prices and stock."""
        return await self._hold(price.prices(service, country, self._retry_for_s))

    async def buy(
        self,
        service: str,
        country: int,
        *,
        max_price: Decimal | int | str | None = None,
        operator: str | None = None,
        exclude_prefixes: Sequence[str] = (),
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activation:
        """Lease a number. State `ordering`: the supplier's answer is outstanding; wait_for_code goes on with it.

        Without an `idempotency_key` the client makes one; a failure carries it, so that you can go on with the same
        purchase. Raises NoNumbers, InsufficientBalance, MaxPriceExceeded (`min_price`), and the general ones.
        """
        return await self._hold(
            buy.buy(
                service,
                country,
                max_price=max_price,
                operator=operator,
                exclude_prefixes=exclude_prefixes,
                reference=reference,
                idempotency_key=idempotency_key,
                total_s=self._retry_for_s,
            )
        )

    async def status(self, activation: Activation | str, *, wait_s: int = 0) -> Status:
        """Where it stands. With `wait_s` (60 at most) the answer comes when something changes, or the time is up."""
        return await self._hold(status.status(activation, wait_s, self._retry_for_s))

    async def wait_for_code(self, activation: Activation | str, timeout_s: float = 300.0) -> str:
        """The code, as soon as it comes. Raises CodeTimeout and ActivationOver, both are NoCode."""
        return await self._hold(status.wait_for_code(activation, timeout_s))

    async def resend(self, activation: Activation | str, *, idempotency_key: str | None = None) -> Activation:
        """A new activation that waits for another message on the same number. Raises ResendRejected."""
        return await self._hold(resend.resend(activation, idempotency_key, self._retry_for_s))

    async def cancel(
        self,
        activation: Activation | str,
        *,
        when_allowed: bool = False,
        idempotency_key: str | None = None,
    ) -> Cancelled:
        """Give it back and be refunded. Raises CancelRejected, with `retry_after` when it is only too early.

        With `when_allowed` that is no refusal: it is done as soon as the supplier lets us.
        """
        return await self._hold(
            cancel.cancel(
                activation,
                when_allowed=when_allowed,
                idempotency_key=idempotency_key,
                total_s=self._retry_for_s,
            )
        )

    def activations(
        self,
        *,
        service: str | None = None,
        country: int | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        reference: str | None = None,
        per_page: int = 100,
    ) -> AsyncIterator[Activation]:
        """Every activation that fits, newest first; pages are fetched as they are needed."""
        wanted = browse.Filter(service, country, status, since, until, reference, per_page)
        return self._activations(wanted)

    async def _activations(self, wanted: browse.Filter) -> AsyncIterator[Activation]:
        cursor: str | None = None
        while True:
            page = await self._hold(browse.page(wanted, cursor, self._retry_for_s))
            for each in page.data:
                yield each
            cursor = page.meta.next_cursor
            if cursor is None:
                return

    async def balance(self) -> Balance:
        """What can be spent, and what is held for open activations."""
        return await self._hold(lists.balance(self._retry_for_s))

    async def countries(self) -> list[Country]:
        """Every country with what is available there."""
        return await self._hold(lists.countries(self._retry_for_s))

    async def services(self) -> list[Service]:
        """Every service with what is available for it."""
        return await self._hold(lists.services(self._retry_for_s))

    async def operators(self, country: int) -> list[Operator]:
        """The operators that have numbers in this country."""
        return await self._hold(lists.operators(country, self._retry_for_s))

    async def statistics(self, service: str | None = None, country: int | None = None) -> list[Figures]:
        """How often a code came, and how soon; what is ordered most comes first."""
        return await self._hold(lists.statistics(service, country, self._retry_for_s))

    async def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """What happens to the account, as it happens; it connects again by itself and goes on where it was.

        `after`: the `id` of an event that you have had; the last 30 days are told again from there. Some may come
        twice: `data.sequence` tells. Raises what the API refuses for good, such as Unauthorized.
        """
        stream = Stream(after)
        while True:
            reply: Answer | Lost = Lost("the stream ended")
            reading = Reading(SILENCE_S)
            try:
                async with self._http.stream(
                    "GET",
                    self._access.address(EVENTS),
                    headers=stream.headers(headers_of(self._access, Ask("GET", EVENTS))),
                    timeout=limits(SILENCE_S),
                    follow_redirects=False,
                ) as response:
                    async for chunk in response.aiter_bytes():
                        if response.status_code != OK:
                            reading.take(chunk)
                            continue
                        for event in stream.take(chunk):
                            yield event
                    reply = reading.answer(response)
            except LOST as error:
                reply = Lost(f"{type(error).__name__}: {error}")
            await asyncio.sleep(stream.pause_after(reply))

    async def _hold(self, talk: Talk[T]) -> T:
        """Carry a conversation through to its result."""
        reply: Reply = None
        while True:
            try:
                step = talk.send(reply)
            except StopIteration as done:
                return cast("T", done.value)
            reply = await self._take(step)

    async def _take(self, step: Step) -> Reply:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        return await self._send(step)

    async def _send(self, ask: Ask) -> Answer | Lost:
        within_s = ask.within_s(self._timeout_s)
        reading = Reading(within_s)
        try:
            async with (
                asyncio.timeout(within_s),
                self._http.stream(
                    ask.method,
                    self._access.address(ask.path),
                    params=dict(ask.query),
                    content=ask.body,
                    headers=headers_of(self._access, ask),
                    timeout=limits(within_s),
                    follow_redirects=False,
                ) as response,
            ):
                async for chunk in response.aiter_bytes():
                    reading.take(chunk)
                return reading.answer(response)
        except LOST as error:
            return Lost(f"{type(error).__name__}: {error}")
