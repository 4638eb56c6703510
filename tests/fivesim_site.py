"""An installation that is spoken to in 5sim's protocol."""

import itertools
import re
import secrets
import time
from typing import Any

from tests.site import Site

_CODE = re.compile(r"[0-9]{6}")


class FiveSimSite:
    """A running site, asked as 5sim's programs ask; `v1` is the address to give them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.v1 = f"{site.url}/v1"
        self.sms_ids = itertools.count(1)
        self._tally = itertools.count(secrets.randbelow(1_000))

    def get(self, path: str, key: str | None = "", **headers: str) -> tuple[int, Any]:
        """Status and body: JSON decoded, text as text. `key`: "" is the demo's, None is none."""
        status, body, _ = self.site.call("GET", f"/v1{path}", key=key, headers=headers)
        return status, body.decode() if isinstance(body, bytes) else body

    def good(self, path: str, key: str | None = "") -> Any:
        status, body = self.get(path, key)
        assert status == 200, (status, body)
        assert not isinstance(body, str), body
        return body

    def buy(self, product: str = "instagram", operator: str = "telkomsel", key: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.good(f"/user/buy/activation/indonesia/{operator}/{product}", key)
        return found

    def push(self, phone: str, product: str = "Instagram") -> str:
        """The number's owner pushes a code; returns it."""
        code = f"{100_000 + next(self._tally)}"
        answer = self.site.push(
            phone.lstrip("+"), f"{code} is your {product} code", next(self.sms_ids), product
        )
        assert answer == {"status": "SUCCESS"}, answer
        return code

    def until(self, order_id: int, status: str, key: str = "") -> dict[str, Any]:
        """The order, once it is there."""
        end = time.monotonic() + 20
        while (found := self.good(f"/user/check/{order_id}", key))["status"] != status:
            assert time.monotonic() < end, found
            time.sleep(0.1)
        checked: dict[str, Any] = found
        return checked

    def free(self) -> float:
        """What can be spent."""
        return float(self.good("/user/profile")["balance"])
