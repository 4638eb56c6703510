"""Hints of suppliers: an unsigned webhook is not believed, it makes the watcher ask at once."""

import asyncio
import json
import time

import psycopg

from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.site import Site
from tests.suppliers_rig import serving

LISTED = "getActiveActivations"
SOONER_S = 4  # an old order is asked about every eight seconds


async def test_a_hint_brings_the_code_before_the_next_sweep(site: Site, database_url: str) -> None:
    """The body says nothing true; what counts is the supplier's own answer, asked for at once."""
    warehouse = Warehouse()
    warehouse.stock("0", "ub", "0.10", 5)
    async with serving("handler-api", warehouse) as url:
        hint = await asyncio.to_thread(_enlist, site, url)
        order = {"service": "ub", "country": 0}
        status, bought, _ = await asyncio.to_thread(site.call, "POST", "/api/v1/resell/virtual/buy", order)
        assert status == 200, bought
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("update rental set created_at = created_at - interval '10 minutes'")
        await _next_sweep(warehouse)
        await _next_sweep(warehouse)
        warehouse.sms(next(iter(warehouse.allotments)), "Your code is 123456", "123456")
        answer = await asyncio.to_thread(
            site.call, "POST", f"/inbound/hint/{hint}", {"code": "999999"}, key=None
        )
        assert answer[0] == 200
        path = f"/api/v1/resell/virtual/{bought['activation']['activation_id']}/status?wait={SOONER_S}"
        assert (await asyncio.to_thread(site.call, "GET", path))[1]["code"] == "123456"
        stranger = await asyncio.to_thread(site.call, "POST", f"/inbound/hint/{hint[:-1]}", {}, key=None)
        assert stranger[0] == 404
    assert site.audit() == ""


def _enlist(site: Site, url: str) -> str:
    added = site.ringlet(
        "supplier", "add", "up", "--kind", "handler-api", "--url", url, "--key", KEY, "--json"
    )
    assert added.returncode == 0, added.stderr
    assert site.ringlet("supplier", "sync", "up").returncode == 0
    until = time.monotonic() + 10
    while site.call("GET", "/api/v1/resell/price?service=ub&country=0")[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    token: str = json.loads(added.stdout)["hint_token"]
    return token


async def _next_sweep(warehouse: Warehouse) -> None:
    asked, until = warehouse.requests.get(LISTED, 0), time.monotonic() + 15
    while warehouse.requests.get(LISTED, 0) == asked:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
