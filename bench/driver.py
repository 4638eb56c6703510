"""The same sale through the driver alone: `sale.sell` in a loop, with as many tasks as there are connections.

It reads lines on standard input: how many seconds to sell for; each is answered with one line of JSON. It ends
when its input does.
"""

import asyncio
import json
import sys
from decimal import Decimal
from time import perf_counter, perf_counter_ns

import uvloop
from psycopg.errors import UniqueViolation

from ringlet import ledger, logs
from ringlet.activations import sale
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.settings import load


async def main(conninfo: str, offer_id: int, tasks: int, wallet_ids: list[int]) -> None:
    async with open_desk(load(), conninfo) as desk:
        async with desk.db.connection() as tx:
            wallets = [await ledger.wallet(tx, each) for each in wallet_ids]
        terms = sale.Terms(
            offer_id=offer_id,
            amount_micros=111_489,
            base_price=Decimal("0.0334"),
            lease_s=1200,
            excluded_prefixes=(),
            reference=None,
        )
        while line := await asyncio.to_thread(sys.stdin.readline):
            until = perf_counter() + float(line)
            began = perf_counter()
            jobs = [_sell(desk, wallets[index % len(wallets)], terms, until) for index in range(tasks)]
            took = sorted(each for job in await asyncio.gather(*jobs) for each in job)
            print(json.dumps(_part(took, perf_counter() - began)), flush=True)


def _part(took: list[int], seconds: float) -> dict[str, float]:
    n = len(took)
    return {
        "answers": n,
        "per_s": n / seconds,
        "p50_ms": took[n // 2] / 1e6,
        "p99_ms": took[n * 99 // 100] / 1e6,
        "max_ms": took[-1] / 1e6,
    }


async def _sell(desk: Desk, wallet: Wallet, terms: sale.Terms, until: float) -> list[int]:
    took = []
    while perf_counter() < until:
        began = perf_counter_ns()
        try:
            sold = await sale.sell(desk, wallet, terms, None)
        except UniqueViolation:  # a public id drawn twice within an hour: `buy` asks again too
            continue
        assert sold is not None, "the shelf is empty"
        took.append(perf_counter_ns() - began)
    return took


if __name__ == "__main__":
    logs.configure("error", room="bench")  # standard output is for the figures
    asked = json.loads(sys.argv[1])
    uvloop.run(main(**asked))
