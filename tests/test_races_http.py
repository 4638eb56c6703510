"""Many at once over HTTP, at real processes with hundreds of connections: `test_races` is the same at the desk."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from ringlet import audit
from tests.crowd import Answer, Crowd, chance, late
from tests.databases import DemoHome
from tests.site import PRICE_MICROS, Site

ROUNDS = 200


@pytest.fixture(scope="module")
def busy_site(cluster: str, demo_home: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_home.site(tmp_path_factory.mktemp("races"), cluster) as running:
        running.start("--workers", "2")
        yield running


class TestOverHttp:
    """The same against real processes, with hundreds of connections."""

    @pytest.fixture(autouse=True)
    def clean_audit(self, busy_site: Site) -> Iterator[None]:
        yield
        assert audit.run(busy_site.environment["DATABASE_URL"]) == []

    async def test_money_for_a_hundred_buys_a_hundred(self, busy_site: Site) -> None:
        """300 buys at once on the money of 100 sell exactly 100; a fourfold cancel of each refunds it once."""
        async with _customers_crowd(busy_site, "11.1489") as crowd:
            answers = await asyncio.gather(*(crowd.buy() for _ in range(300)))
            assert _statuses(answers) == {200: 100, 402: 200}
            assert await crowd.balance() == (0, 11.1489)
            ids = [answer.body["activation"]["activation_id"] for answer in answers if answer.is_ok]
            cancels = await asyncio.gather(*(crowd.cancel(each) for each in ids for _ in range(4)))
            assert _statuses(cancels) == {200: 100, 409: 300}
            assert {answer.code for answer in cancels} == {"cancel_accepted", "cancel_rejected"}
            assert await crowd.balance() == (11.1489, 0)

    async def test_one_key_forty_times_is_one_activation(self, busy_site: Site) -> None:
        """40 requests at once with one Idempotency-Key make one activation; the others say that they repeat it."""
        async with _customers_crowd(busy_site, "11.1489") as crowd:
            for number in range(10):
                answers = await asyncio.gather(*(crowd.buy(f"key {number}") for _ in range(40)))
                assert _statuses(answers).keys() <= {200, 409}
                done = [answer for answer in answers if answer.is_ok]
                assert len({answer.body["activation"]["activation_id"] for answer in done}) == 1
                assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
                assert {answer.code for answer in answers if not answer.is_ok} <= {"idempotency_in_progress"}
            assert (await crowd.balance())[1] == 1.11489

    async def test_code_and_cancel_at_once_never_both(self, busy_site: Site) -> None:
        """Captured with a code or refunded without one, 200 times, in two web processes."""
        rng = chance("code and cancel over HTTP")
        async with _customers_crowd(busy_site, "50") as crowd:
            bought = await asyncio.gather(*(crowd.buy() for _ in range(ROUNDS)))
            pairs = [
                await asyncio.gather(
                    late(
                        rng.random() * 0.004, crowd.push(buy_["phone"], "Your code is 1234", 10_000 + index)
                    ),
                    late(rng.random() * 0.004, crowd.cancel(buy_["activation_id"])),
                )
                for index, buy_ in enumerate(answer.body["activation"] for answer in bought)
            ]
            assert all(pushed.is_ok for pushed, _ in pairs)
            refunded = sum(cancelled.is_ok for _, cancelled in pairs)
            for answer, (_, cancelled) in zip(bought, pairs, strict=True):
                seen = await crowd.status(answer.body["activation"]["activation_id"])
                assert seen.body["status"] == ("cancelled" if cancelled.is_ok else "completed")
            available, held = await crowd.balance()
            assert (round(available * 1e6), held) == (50_000_000 - (ROUNDS - refunded) * PRICE_MICROS, 0)
            assert 0 < refunded < ROUNDS


def _customers_crowd(site: Site, balance: str) -> Crowd:
    email = f"{secrets.token_hex(6)}@example.org"
    made = site.ringlet("account", "create", email, "--balance", balance, "--json")
    assert made.returncode == 0, made.stderr
    return Crowd(site.url, json.loads(made.stdout)["api_key"], site.demo["agent_key"], connections=300)


def _statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)
