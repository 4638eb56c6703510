"""What the pages of the doors show is typed as it stands, and answered as they say."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.contract import account
from tests.site import Site

ROOT = Path(__file__).parent.parent
#: docs/client.md is run by tests/test_client_docs.py
PAGES = ("api.md", "events.md", "fivesim-api.md", "handler-api.md", "messages.md", "webhooks.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: What another run answers otherwise, and what it answers then: anything for what is left out, a time for a time,
#: a number for an id and for whatever is as long as one. Prices, states, words and names stay as they are shown.
VARYING = {
    "left": (r"…", r".*"),
    "rfc": (r"\d{4}-\d\d-\d\dT[\d:]+\.\d+Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"),
    "time": (r"\d{4}-\d\d-\d\d [\d:]+", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    "request": (r'(?<="request_id":")\w+', r"\w+"),
    "id": (r'(?<="id":)\d+|(?<![\d.])\d{5,}', r"\d+"),
}
VARIES = re.compile("|".join(f"(?P<{name}>{shown})" for name, (shown, _) in VARYING.items()))
#: phones and ids of activations
LONG = re.compile(r"\d{11,}")


@pytest.fixture(scope="module")
def site(demo_site: Site) -> Iterator[Site]:
    """The demo that files share; each page has a customer of its own."""
    yield demo_site
    assert demo_site.audit() == ""


class Example(NamedTuple):
    """A block for the shell, with the answer when one stands right behind it: "json" or "text", and what it says."""

    typed: str
    form: str
    shown: str

    def is_answered_by(self, real: str) -> bool:
        """Whether `real` is what the page promises."""
        if self.form == "json":
            # what is left out of an object are further names, wherever they stand in it
            shown = re.sub(r"(?<=[{,])…(?=\})", '"…":0', self.shown)
            return agree(exactly(shown), exactly(real))
        return not self.form or re.fullmatch(like(self.shown), real) is not None


def examples(text: str) -> list[Example]:
    """All of them, in their order."""
    blocks = FENCE.findall(text)
    behind = [*blocks[1:], ("", "")]
    return [
        Example(block, form, shown.strip()) if form in {"json", "text"} else Example(block, "", "")
        for (kind, block), (form, shown) in zip(blocks, behind, strict=True)
        if kind == "sh"
    ]


class Number(str):
    """A number of JSON as it is spelled."""

    __slots__ = ()


def exactly(text: str) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def agree(shown: Any, real: Any, name: str = "") -> bool:
    """The same names, and the same values but for what varies; "…" as a name stands for any others."""
    if isinstance(shown, dict) and isinstance(real, dict):
        names = shown.keys() - {"…"}
        return (names <= real.keys() if "…" in shown else names == real.keys()) and all(
            agree(shown[each], real[each], each) for each in names
        )
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(agree, shown, real))
    return re.fullmatch(like(_spelled(name, shown)), _spelled(name, real)) is not None


def _spelled(name: str, value: Any) -> str:
    return f'"{name}":{value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)}'


def like(shown: str) -> str:
    """The expression for text like the one that is shown."""
    made, end = "", 0
    for found in VARIES.finditer(shown):
        made += re.escape(shown[end : found.start()]) + VARYING[found.lastgroup or ""][1]
        end = found.end()
    return made + re.escape(shown[end:])


def typed(site: Site, folder: Path, keys: dict[str, Any], block: str) -> str:
    """What the shell answers to this block."""
    mine = {
        "BASE": site.url,
        "KEY": keys["api_key"],
        "TEST_KEY": keys["test_key"],
        "AGENT_KEY": site.demo["agent_key"],
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=os.environ | mine,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_door_does_what_it_shows(site: Site, tmp_path: Path, page: str) -> None:
    """Its blocks in their order, by somebody new with 1,000.00; ids come out of the answers before."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert "curl" not in re.sub(r"^```sh\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = examples(text)
    assert any(each.form for each in shown), "an example with its answer"
    keys = account(site, f"{page}@example.org", "1000")
    # one shell for the whole page, as the reader has one
    answers = typed(site, tmp_path, keys, "printf '\\036'\n".join(each.typed for each in shown)).split("\036")
    for each, real in zip(shown, answers, strict=True):
        assert each.is_answered_by(real.strip()), f"{each.typed}\n{each.shown}\nanswered:\n{real}"


def test_the_first_purchase_of_the_readme_is_one(site: Site, tmp_path: Path) -> None:
    """As it stands; the number and the id of the first answer are then those that were really answered."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = examples(text[text.index("## A first purchase") : text.index("## Your own shop")])
    assert [each.form for each in shown] == ["json", "", "json"]
    keys = account(site, "readme@example.org", "1000")
    ours = {"http://127.0.0.1:8080": site.url}
    for each in shown:
        block = each.typed
        for word, our in ours.items():
            block = block.replace(word, our)
        real = typed(site, tmp_path, keys, block)
        assert each.is_answered_by(real), f"{each.typed}\n{each.shown}\nanswered:\n{real}"
        ours |= dict(zip(LONG.findall(each.shown), LONG.findall(real), strict=False))


def test_the_check_of_a_signature_is_as_shown() -> None:
    """The Python of docs/webhooks.md reads what was signed with the secret, and raises for anything else."""
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (block,) = (block for kind, block in FENCE.findall(text) if kind == "python")
    secret = "whsec_" + base64.b64encode(b"s" * 32).decode()
    body, at = '{"type":"webhook.test"}', datetime.now(tz=UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, body),
    }
    block = block.replace("whsec_…", secret)
    read: dict[str, Any] = {"request": SimpleNamespace(body=body.encode(), headers=headers)}
    exec(block, read)
    assert read["event"] == {"type": "webhook.test"}
    with pytest.raises(WebhookVerificationError):
        exec(block, {"request": SimpleNamespace(body=b"{}", headers=headers)})
