"""A customer's program at the handler API's doors: bare HTTP, nothing made nice."""

import itertools
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.contract import account
from tests.site import Site

CLASSIC = "/stubs/handler_api.php"
LATER = "/stubs/handler_api_v2.php"

_customers = itertools.count(1)
_sms_ids = itertools.count(time.time_ns() // 1_000_000)


def own_account(site: Site) -> dict[str, Any]:
    """A customer who is only this test's."""
    return account(site, f"customer{next(_customers)}@example.org")


class Said(NamedTuple):
    """An answer: text as it came, JSON decoded."""

    status: int
    body: Any
    head: dict[str, str]


@dataclass
class Program:
    """One customer's key at one of the doors."""

    site: Site
    key: str | None
    path: str = CLASSIC
    numbers: dict[str, str] = field(default_factory=dict)

    def ask(self, action: str | None, *, method: str = "GET", form: Any = None, **given: Any) -> Said:
        """One action. `form`: a body and its content type."""
        query = {
            name: value for name, value in (("api_key", self.key), ("action", action)) if value is not None
        }
        return self.send("?" + urlencode({**query, **given}), method=method, form=form)

    def send(self, query: str, *, method: str = "GET", form: Any = None) -> Said:
        """Anything behind the path."""
        data, kind = form or (b"" if method == "POST" else None, None)
        headers = {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(self.site.url + self.path + query, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, raw, head = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            status, raw, head = error.code, error.read(), dict(error.headers)
        is_json = head.get("content-type", "").startswith("application/json")
        return Said(status, json.loads(raw) if is_json else raw.decode(), head)

    def say(self, action: str | None, **given: Any) -> Any:
        """The body of an answer that comes with HTTP 200."""
        said = self.ask(action, **given)
        assert said.status == 200, said
        return said.body

    def no(self, action: str | None, **given: Any) -> tuple[int, str]:
        """Status and title of a refusal in the later dialect."""
        said = self.ask(action, **given)
        assert said.head["content-type"] == "application/json", said
        assert set(said.body) == {"title", "details", "info"}, said
        assert said.body["details"]
        return said.status, said.body["title"]

    def buy(self, service: str = "ig", **given: Any) -> str:
        """A number; its id."""
        word, public_id, phone = self.say("getNumber", **{"service": service, "country": 6, **given}).split(
            ":"
        )
        assert word == "ACCESS_NUMBER"
        self.numbers[public_id] = phone
        return str(public_id)

    def push(self, public_id: str, text: str) -> None:
        """The number's owner pushes a message for it."""
        assert self.site.push(self.numbers[public_id], text, next(_sms_ids)) == {"status": "SUCCESS"}

    def received(self, service: str = "ig", code: str = "1234") -> str:
        """A number with its code; its id."""
        public_id = self.buy(service)
        self.push(public_id, f"Your code is {code}")
        return public_id

    def done(self, service: str = "ig") -> str:
        """A number with its code, finished; its id."""
        public_id = self.received(service)
        assert self.ask("setStatus", id=public_id, status=6).body == "ACCESS_ACTIVATION"
        return public_id

    def status(self, public_id: object) -> Any:
        return self.say("getStatus", id=public_id)

    def set(self, public_id: object, status: object) -> Any:
        return self.say("setStatus", id=public_id, status=status)

    def active(self) -> dict[str, Any]:
        """The active list by id."""
        body = self.say("getActiveActivations")
        assert body["activeActivations"] == body["data"]
        return {row["activationId"]: row for row in body["data"]}
