"""Both clients behind one face, so that every promise is asked of both."""

import asyncio
import inspect
import itertools
from types import TracebackType
from typing import Any, Self

from ringlet.client import AsyncRinglet, Ringlet

KINDS = (Ringlet, AsyncRinglet)


class Driven:
    """A client whose methods all return at once what they lead to; iterators become lists."""

    def __init__(self, kind: Any, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner() if kind is AsyncRinglet else None
        self.client = kind(*arguments, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._runner is not None:
            self._runner.close()

    def __getattr__(self, name: str) -> Any:
        found = self.client
        for part in name.split("__"):
            found = getattr(found, part)

        def call(*arguments: Any, **options: Any) -> Any:
            return self._result(found(*arguments, **options))

        return call

    def take(self, name: str, count: int, **options: Any) -> list[Any]:
        """The first ones of an iterator that never ends."""
        found = getattr(self.client, name)(**options)
        if self._runner is None:
            return list(itertools.islice(found, count))

        async def first() -> list[Any]:
            return [await anext(found) for _ in range(count)]

        return self._runner.run(first())

    def _result(self, result: Any) -> Any:
        if inspect.isgenerator(result):
            return list(result)
        if inspect.isasyncgen(result):
            result = _all_of(result)
        return (
            self._runner.run(result) if self._runner is not None and inspect.isawaitable(result) else result
        )


async def _all_of(found: Any) -> list[Any]:
    return [each async for each in found]
