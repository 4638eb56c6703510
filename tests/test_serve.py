"""`ringlet serve`: one command that starts everything, restarts what dies, and tells nobody's secrets."""

import json
import os
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.site import Site


def children(site: Site) -> dict[str, int]:
    assert site.process is not None
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(site.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        kind: int(line.split()[0])
        for line in listed.stdout.splitlines()
        for kind in ("web", "worker")
        if f"ringlet {kind}" in line
    }


def until(holds, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_demo_file_is_whole_and_private(site: Site) -> None:
    """Ready means that demo.json is there, complete, and for nobody else's eyes."""
    assert stat.S_IMODE((site.home / "demo.json").stat().st_mode) == 0o600
    assert set(site.demo) == {
        "base_url", "api_key", "test_key", "handler_url", "agent_url", "agent_key", "client_email",
        "client_password", "admin_email", "admin_password",
    }  # fmt: skip
    assert site.demo["base_url"] == site.url


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_a_process_that_dies_is_started_again(site: Site, kind: str) -> None:
    """Nobody has to watch it."""
    before = children(site)
    os.kill(before[kind], signal.SIGKILL)
    until(lambda: children(site).get(kind) not in (None, before[kind]) and site.is_ready())
    assert site.call("GET", "/api/v1/balance")[0] == 200


def test_children_end_with_their_parent(site: Site) -> None:
    """A supervisor that was killed leaves no process behind that holds the port."""
    assert site.process is not None
    found = children(site).values()
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with Path(f"/proc/{pid}/stat").open() as file:
            return file.read().split()[2] == "Z"

    until(lambda: all(gone(pid) for pid in found))
    site.start()
    assert site.call("GET", "/api/v1/balance")[0] == 200


def test_several_web_processes_share_the_port(site: Site) -> None:
    """`--workers 2` serves from two processes, and a key that is revoked is revoked in both."""
    site.stop()
    site.start("--workers", "2")
    key = json.loads(site.ringlet("account", "create", "a@example.org", "--balance", "1", "--json").stdout)[
        "api_key"
    ]
    assert {site.call("GET", "/api/v1/balance", key=key)[0] for _ in range(20)} == {200}
    site.ringlet("account", "revoke", "a@example.org")
    until(lambda: all(site.call("GET", "/api/v1/balance", key=key)[0] == 401 for _ in range(20)))


def test_a_second_serve_on_the_same_port_says_so(site: Site) -> None:
    """One sentence instead of a trace, and the first goes on."""
    done = site.ringlet("serve", "--port", str(site.port))
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert site.is_ready()


def test_logs_name_requests_and_hide_secrets(site: Site) -> None:
    """Every answer's request id is in the log; no key, message text, code or phone number is."""
    status, bought, head = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6})
    assert status == 200
    activation = bought["activation"]
    site.push(activation["phone"], "Secret text, your code is 735912", 77, sender="SenderName")
    site.call(
        "GET", f"/api/v1/resell/virtual/{activation['activation_id']}/status?api_key={site.demo['api_key']}"
    )
    site.call("GET", "/api/v1/balance", key="rl_live_wrong" + "x" * 38)
    site.stop()
    log = site.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("request_id") == head["x-request-id"] for line in lines)
    assert any(line.get("activation") == activation["activation_id"] for line in lines)
    greeting_end = log.rindex("Stop with Ctrl-C")
    after = log[greeting_end:]
    for secret in (
        site.demo["api_key"],
        site.demo["agent_key"],
        "Secret text",
        "735912",
        activation["phone"],
        "SenderName",
        "rl_live_wrong",
    ):
        assert secret not in after


def test_metrics_need_their_key(site: Site) -> None:
    """Figures of the whole installation, only for whoever has the metrics key."""
    site.call("GET", "/api/v1/balance")
    assert site.call("GET", "/metrics", key=None)[0] == 404
    assert site.call("GET", "/metrics")[0] == 404
    found = json.loads(site.ringlet("doctor", "--json").stdout)["findings"]
    key = next(each["finding"] for each in found if each["part"] == "metrics key")
    status, text, _ = site.call("GET", "/metrics", key=key)
    assert status == 200
    assert b'ringlet_http_requests_total{method="GET",route="/api/v1/balance",status="200"}' in text


def test_health(site: Site) -> None:
    """Alive and ready, without a key."""
    assert site.call("GET", "/healthz", key=None)[:2] == (200, {"status": "ok"})
    assert site.call("GET", "/readyz", key=None)[:2] == (200, {"status": "ready"})


def test_an_end_in_good_order_answers_who_waits(site: Site) -> None:
    """A long poll is answered with what is known, not cut off, and does not hold up the end."""
    activation = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6})[1][
        "activation"
    ]
    path = f"/api/v1/resell/virtual/{activation['activation_id']}/status?wait=60"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(site.call, "GET", path)
        until(lambda: '"route":"/api/v1/resell/virtual/buy"' in site.log.read_text())
        time.sleep(0.5)
        site.stop()
        status, body, _ = waiting.result(30)
    assert (status, body["status"]) == (200, "waiting")
    assert "Exception" not in site.log.read_text()
