"""One installation sells the numbers of another: both are whole, each with its own processes and database."""

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from ringlet import audit
from tests.databases import fresh_database
from tests.site import Site

pytestmark = pytest.mark.alone

PURCHASES = 5
LOWER_PRICE = Decimal("0.1114892")
COST = Decimal("0.111489")
#: 30 % on top
PRICE = Decimal("0.144936")
BUY, CANCEL, RESEND = (f"/api/v1/resell/virtual/{each}" for each in ("buy", "cancel", "resend"))


class Shop(Site):
    """Without a demo: nothing of its own to sell."""

    serve = ("serve",)


@dataclass
class Chain:
    """A customer's program buys at `upper`, which buys at `lower`."""

    upper: Site
    lower: Site
    key: str
    database_urls: list[str]
    before: list[Decimal] = field(default_factory=list)
    _sms_ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**6)))

    def ask(self, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
        """A request of the upper one's customer."""
        status, answer, _ = self.upper.call(method, path, body, key=self.key)
        assert status == expected, answer
        return answer

    def buy(self) -> Any:
        return self.ask("POST", BUY, {"service": "ig", "country": 6})["activation"]

    def push(self, activation: Any, code: str) -> None:
        """The lower one's owner of the number got a message."""
        answer = self.lower.push(activation["phone"], f"Your Instagram code is {code}", next(self._sms_ids))
        assert answer == {"status": "SUCCESS"}

    def code(self, activation: Any) -> tuple[Any, float]:
        """What the upper one answers as soon as there is something to answer, and when that was."""
        seen = self.ask("GET", f"/api/v1/resell/virtual/{activation['activation_id']}/status?wait=30")
        return seen, time.monotonic()

    def money(self) -> list[Decimal]:
        """Spendable and held: the customer's at the upper one, then the upper one's at the lower."""
        answers = (self.ask("GET", "/api/v1/balance"), self.lower.call("GET", "/api/v1/balance")[1])
        return [Decimal(str(each[name])) for each in answers for name in ("balance", "held")]

    def moved(self) -> list[Decimal]:
        """What has changed of it since the test began."""
        return [now - before for now, before in zip(self.money(), self.before, strict=True)]


def command(site: Site, *arguments: str) -> Any:
    done = site.ringlet(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def standing(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The upper one has the lower one as its only supplier, at a markup of 30 %, and has paid in there."""
    homes = tmp_path_factory.mktemp("chain")
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(fresh_database(cluster, template)) for _ in range(2)]
        upper, lower = Shop(homes / "upper", urls[0]), Site(homes / "lower", urls[1])
        for each in (upper, lower):
            stack.callback(each.stop)
            each.start()
        supplier = ("--kind", "ringlet", "--url", lower.url, "--key", lower.demo["api_key"])
        added = command(upper, "supplier", "add", "lower", *supplier)
        assert added["check"]["ok"], added
        command(upper, "supplier", "sync", "lower")
        command(upper, "supplier", "deposit", "lower", "1000", "--reason", "the demo's gift")
        command(upper, "pricing", "set", "--markup", "30%")
        made = command(upper, "account", "create", "program@example.org", "--balance", "50")
        found = Chain(upper, lower, made["api_key"], urls)
        wait_for_prices(found)
        yield found


@pytest.fixture
def chain(standing: Chain) -> Iterator[Chain]:
    """With no trace of what the test does but what it says, and clean books at both."""
    standing.before = standing.money()
    yield standing
    assert [audit.run(url) for url in standing.database_urls] == [[], []]


def wait_for_prices(chain: Chain) -> None:
    """Until the upper one's web process has heard of both."""
    until = time.monotonic() + 20
    while True:
        shown = chain.ask("GET", "/api/v1/prices?service=ig&country=6")["prices"].get("6", {}).get("ig")
        if shown is not None and Decimal(str(shown["sell_price"])) > LOWER_PRICE:
            return
        assert time.monotonic() < until, shown
        time.sleep(0.1)


def test_a_code_comes_through_two_installations_within_a_second(chain: Chain) -> None:
    """Bought above, allotted below, pushed below, answered above: within a second of the push; the money is right."""
    took_s = []
    with ThreadPoolExecutor(1) as pool:
        for index in range(PURCHASES):
            bought = chain.buy()
            assert Decimal(str(bought["amount_paid"])) == PRICE
            waiting = pool.submit(chain.code, bought)
            time.sleep(0.7 + 0.17 * index)  # somewhere between two questions of the upper one's worker
            pushed_at = time.monotonic()
            chain.push(bought, f"48{index}159")
            seen, answered_at = waiting.result(40)
            assert (seen["status"], seen["code"]) == ("completed", f"48{index}159"), seen
            took_s.append(answered_at - pushed_at)
    print("from the push below to the answer above:", ", ".join(f"{each:.3f} s" for each in took_s))
    assert statistics.median(took_s) < 1
    assert chain.moved() == [-PURCHASES * PRICE, 0, -PURCHASES * COST, 0]


def test_the_price_is_the_lower_ones_with_our_markup(chain: Chain) -> None:
    """The upper one sells for the lower one's sell price and 30 %, and says how many the lower one has."""
    below = chain.lower.call("GET", "/api/v1/prices?service=ig&country=6")[1]["prices"]["6"]["ig"]
    above = chain.ask("GET", "/api/v1/prices?service=ig&country=6")["prices"]["6"]["ig"]
    assert Decimal(str(below["sell_price"])) == LOWER_PRICE
    assert abs(Decimal(str(above["sell_price"])) - LOWER_PRICE * Decimal("1.3")) < Decimal("0.0000001")
    assert above["available"] >= below["available"] > 9_000  # as of the last sync


def test_a_cancel_above_refunds_at_both(chain: Chain) -> None:
    """The upper one's customer has all of his money back, and so has the upper one at the lower."""
    bought = chain.buy()
    assert chain.moved() == [-PRICE, PRICE, -COST, COST]
    answer = chain.ask("POST", CANCEL, {"activation_id": bought["activation_id"]})
    assert answer["code"] == "cancel_accepted"
    assert chain.moved() == [0, 0, 0, 0]
    listed = chain.lower.call("GET", "/api/v1/resell/activations?per_page=1")[1]["data"]
    assert (listed[0]["reference"], listed[0]["state"]) == (bought["activation_id"], "cancelled")


def test_a_second_message_comes_to_the_resend_above(chain: Chain) -> None:
    """A resend above waits on the same number: the second code is the new activation's, and the second time is free."""
    first = chain.buy()
    chain.push(first, "111111")
    assert chain.code(first)[0]["code"] == "111111"
    again = chain.ask("POST", RESEND, {"activation_id": first["activation_id"]})["activation"]
    assert again["phone"] == first["phone"]
    chain.push(first, "222222")
    assert chain.code(again)[0]["code"] == "222222"
    seen = chain.ask("GET", f"/api/v1/resell/virtual/{first['activation_id']}/status")
    assert [each["code"] for each in seen["activation"]["messages"]] == ["111111"]
    assert chain.moved() == [-PRICE, 0, -COST, 0]


def test_the_upper_ones_books_agree_with_its_balance_below(chain: Chain) -> None:
    """What was paid in, less what codes have cost, is the balance that the lower one shows."""
    kept, given_back = chain.buy(), chain.buy()
    chain.push(kept, "333333")
    assert chain.code(kept)[0]["code"] == "333333"
    chain.ask("POST", CANCEL, {"activation_id": given_back["activation_id"]})
    figures = command(chain.upper, "supplier", "balance", "lower")
    assert Decimal(str(figures["theirs"])) == Decimal(str(figures["ours"])) == chain.money()[2]
    assert not figures["unexplained"]
