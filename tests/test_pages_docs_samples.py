"""Every sample of the docs is run as it is shown, with a key of test mode; only ids are exchanged for real ones."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ringlet.web.pages import docs_api, docs_samples
from tests.contract import account, running_site
from tests.databases import DemoHome
from tests.site import Site

COMMANDS: dict[str, list[str] | None] = {
    "curl": ["bash", "-euo", "pipefail", "-c"],
    "client": [sys.executable, "-u", "-W", "error", "-c"],
    "python": [sys.executable, "-u", "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
    "php": ["php", "-r"],
}
ACTIVATION, WEBHOOK, DELIVERY = "4390520873", "wh_0A1b2C3d4E5f6G7h8I9j0K", "88012"
STREAM, AGENT = "listen", "pushSms"
WITHIN_S = 60


class Rig:
    """A customer of a real installation who types what the docs show."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.key = account(site, f"{secrets.token_hex(4)}@example.org", "1000")["test_key"]

    def post(self, path: str, body: Any) -> Any:
        status, answer, _ = self.site.call("POST", path, body, key=self.key)
        assert status == 200, answer
        return answer

    def command(self, operation: str, language: str, real: dict[str, str]) -> list[str]:
        """What is typed, with real ids in the place of those of the example."""
        made = docs_samples.samples(docs_api.operations()[operation].call, self.site.url, self.key)[language]
        for example, actual in real.items():
            assert example in made
            made = made.replace(example, actual, 1)
        return [*COMMANDS[language], made.removeprefix("<?php\n")]

    def run(self, operation: str, language: str, **real: str) -> str:
        """What it prints; it must have succeeded."""
        names = {"activation": ACTIVATION, "webhook": WEBHOOK, "delivery": DELIVERY, "agent": "12345"}
        typed = self.command(operation, language, {names[name]: value for name, value in real.items()})
        done = subprocess.run(typed, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode == 0, f"{typed[-1]}\n{done.stdout}\n{done.stderr}"
        if language in {"curl", "php"}:
            assert json.loads(done.stdout).get("success", True) is True, done.stdout
        if language in {"python", "javascript"}:
            assert done.stdout.startswith("200 "), done.stdout
        return done.stdout

    def buy(self, service: str = "ig") -> str:
        """The id of a new activation."""
        bought = self.post("/api/v1/resell/virtual/buy", {"service": service, "country": 6})
        return str(bought["activation"]["activation_id"])

    def webhook(self) -> str:
        """The id of a new webhook, after which no other is left."""
        for each in self.site.call("GET", "/api/v1/webhooks", key=self.key)[1]["data"]:
            self.site.call("DELETE", f"/api/v1/webhooks/{each['id']}", key=self.key)
        made = self.post("/api/v1/webhooks", {"url": "https://shop.example.com/ringlet"})
        return str(made["webhook"]["id"])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Rig]:
    """One installation for all samples."""
    with running_site(tmp_path_factory.mktemp("samples"), cluster, demo_home) as site:
        yield Rig(site)


GETS = [each.id for each in docs_api.operations().values() if each.method == "GET" and each.id != STREAM]


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize("operation", GETS)
def test_questions_are_answered(rig: Rig, operation: str, language: str) -> None:
    """Every GET in every language."""
    path = docs_api.operations()[operation].path
    real: dict[str, str] = {}
    if "{activation_id}" in path:
        real["activation"] = rig.buy()
    if "{webhook_id}" in path:
        real["webhook"] = rig.webhook()
    said = rig.run(operation, language, **real)
    assert operation != "getStatus" or "completed" in said


@pytest.mark.parametrize("language", COMMANDS)
def test_a_purchase_and_what_follows(rig: Rig, language: str) -> None:
    """Buy; another message once the code is there; give back one that still waits."""
    assert "waiting" in rig.run("buy", language)
    bought = rig.buy()
    wait = f"/api/v1/resell/virtual/{bought}/status?wait=30"
    assert rig.site.call("GET", wait, key=rig.key)[1]["status"] == "completed"
    assert bought in rig.run("resend", language, activation=bought)
    assert "cancel_accepted" in rig.run("cancel", language, activation=rig.buy("test_never"))


@pytest.mark.parametrize("language", COMMANDS)
def test_webhooks_are_made_changed_and_deleted(rig: Rig, language: str) -> None:
    """All of what can be done to one, in its order."""
    rig.run("deleteWebhook", language, webhook=rig.webhook())
    rig.run("createWebhook", language)
    made = rig.site.call("GET", "/api/v1/webhooks", key=rig.key)[1]["data"][0]["id"]
    rig.run("changeWebhook", language, webhook=made)
    rig.run("rotateWebhookSecret", language, webhook=made)
    rig.run("testWebhook", language, webhook=made)
    sent = rig.site.call("GET", f"/api/v1/webhooks/{made}/deliveries", key=rig.key)[1]["data"][0]["id"]
    rig.run("replayDelivery", language, webhook=made, delivery=sent)
    rig.run("recoverWebhook", language, webhook=made)


@pytest.mark.parametrize("language", COMMANDS)
def test_events_are_heard(rig: Rig, tmp_path: Path, language: str) -> None:
    """The stream tells of a purchase while it is open."""
    heard = tmp_path / "heard"
    with heard.open("wb") as file:
        listening = subprocess.Popen(rig.command(STREAM, language, {}), stdout=file, stderr=file)
        try:
            until(lambda: rig.buy() != "" and "activation.created" in heard.read_text())
        finally:
            listening.kill()
            listening.wait()


def until(condition: Callable[[], bool]) -> None:
    """Fails when it is not so in time."""
    for _ in range(WITHIN_S):
        if condition():
            return
        time.sleep(0.5)
    raise AssertionError("not in time")


@pytest.mark.parametrize("language", [each for each in COMMANDS if each != "client"])
def test_owners_of_numbers_push(rig: Rig, language: str) -> None:
    """With a key of an owner, which is no API key."""
    said = rig.run(AGENT, language, agent=rig.site.demo["agent_key"])
    assert "SUCCESS" in said


def test_the_first_three_steps_are_a_purchase(rig: Rig) -> None:
    """The start page's own: what it shows for curl, with the id of the first answer in the second."""
    bought = json.loads(rig.run("buy", "curl"))["activation"]["activation_id"]
    assert json.loads(rig.run("getStatus", "curl", activation=bought))["code"]
