"""The life of `ringlet serve`: what dies is started again, what is told to end ends in good order."""

import json
import os
import signal
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
