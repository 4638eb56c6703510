"""Requests to PayPal: a token that lasts for hours, renewed by one for all, and what its refusals mean."""

import asyncio
import base64
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec

from ringlet.payments import vendor
from ringlet.payments.port import Refused, Unreachable
from ringlet.suppliers.port import NotSent, OutcomeUnknown
from ringlet.suppliers.reading import read_json
from ringlet.suppliers.wire import Answer, Line

#: renewed so long before it ends that a request under way still finds it good
TOKEN_MARGIN_S = 60.0
#: a payment costs four or five; PayPal names no limit and answers 429 above its own
REQUESTS_PER_S = 50.0
#: the same thing twice at once: over after a while
AGAIN_ISSUES = frozenset({"PREVIOUS_REQUEST_IN_PROGRESS"})
FORBIDDEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
ISSUE_LENGTH_MAX = 80


class KeysRefused(Refused):
    """PayPal does not know these keys, or they may not do this: says nothing about any payment."""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float


class _Detail(msgspec.Struct, frozen=True):
    issue: str = ""


class _Problem(msgspec.Struct, frozen=True):
    name: str = ""
    error: str = ""
    details: list[_Detail] = []


class Api:
    """PayPal's interface, for one app."""

    def __init__(self, session: aiohttp.ClientSession, url: str, client_id: str, client_secret: str) -> None:
        self._line = Line(session, url, per_s=REQUESTS_PER_S)
        self._basic = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._token = ""
        self._ends_at = 0.0
        self._renewing = asyncio.Lock()

    async def ask(
        self, method: str, path: str, *, key: str = "", query: Mapping[str, str] | None = None,
        body: object = None, raw: bytes | None = None,
    ) -> Answer:  # fmt: skip
        """One request; `key`: the same again is the same thing. Any status is an answer, but for that of bad keys.

        Raises Unreachable, KeysRefused.
        """
        more = {"PayPal-Request-Id": key} if key else {}
        token = await self._fresh("")
        for is_last in (False, True):
            headers = {"Authorization": f"Bearer {token}", **more}
            answer = await send(self._line, method, path, query=query, headers=headers, body=body, raw=raw)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if not is_last:  # it may have been taken back before its time
                token = await self._fresh(token)
        raise KeysRefused("PayPal takes no token of these keys")

    async def renew(self) -> None:
        """Ask for a token, whether there is one or not. Raises Unreachable, KeysRefused."""
        await self._fresh(self._token)

    async def _fresh(self, spent: str) -> str:
        """A token other than the `spent` one; everybody waits for the one who asks for it."""
        async with self._renewing:
            if self._token in {"", spent} or time.monotonic() > self._ends_at:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        headers = {"Authorization": self._basic, "Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        answer = await send(
            self._line, "POST", "/v1/oauth2/token", headers=headers, raw=b"grant_type=client_credentials"
        )
        if answer.status == HTTPStatus.BAD_REQUEST or answer.status in FORBIDDEN:
            raise KeysRefused("PayPal does not know these keys")
        token: _Token = vendor.read(answer, _Token)
        self._token = token.access_token
        self._ends_at = asked_at + token.expires_in - TOKEN_MARGIN_S


async def send(line: Line, method: str, path: str, **more: Any) -> Answer:
    """`Line.ask`, in the words of payments. Raises Unreachable."""
    try:
        return await line.ask(method, path, **more)
    except (NotSent, OutcomeUnknown) as error:
        raise Unreachable(str(error)) from None


def issue(answer: Answer) -> str:
    """PayPal's word for what is wrong: "ORDER_ALREADY_CAPTURED"; "" when it names none."""
    try:
        problem: _Problem = read_json(answer, _Problem)
    except OutcomeUnknown:
        return ""
    named = next((each.issue for each in problem.details if each.issue), problem.name or problem.error)
    return named[:ISSUE_LENGTH_MAX]


def refusal(answer: Answer) -> Refused | Unreachable:
    """What an answer that is no success means; a KeysRefused where the keys are not good for it."""
    word = issue(answer)
    why = f"status {answer.status} {word}".rstrip()
    if answer.status in FORBIDDEN:
        return KeysRefused(why)
    is_final = answer.status in vendor.NO and answer.status not in vendor.ASK_AGAIN
    # Whoever refuses without PayPal's words stands in front of it.
    if is_final and word and word not in AGAIN_ISSUES:
        return Refused(why)
    return Unreachable(why)
