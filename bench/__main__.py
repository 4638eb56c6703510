"""`python -m bench [status] [buy] [prices] [hundredth] [sync] [poll] [streams] [waits] [live] [pages] [history] [admin]`: the ratios that must hold."""

import argparse
import sys
import time
from collections.abc import Callable

from bench import admin, history, hundredth, live, pages, poll, pricelist, rates, streams, sync, table, waits
from bench.ground import Ground, standing
from bench.load import VoidRunError
from bench.table import Line
from ringlet import logs

HISTORY = 5_000_000
POLL_SECONDS = 40.0
PARTS = (
    "status",
    "buy",
    "prices",
    "hundredth",
    "sync",
    "poll",
    "streams",
    "waits",
    "live",
    "pages",
    "history",
    "admin",
)


def main() -> int:
    arguments = _arguments()
    logs.configure("error", room="bench")
    began = time.monotonic()
    with standing(arguments.folder, keep=arguments.keep) as ground:
        lines = _measure(ground, arguments)
    if arguments.json:
        print(table.as_json(lines))
    elif arguments.markdown:
        print(table.markdown(lines))
    else:
        print(table.terminal(lines))
    print(f"\n{time.monotonic() - began:.0f} seconds", file=sys.stderr)
    return 0 if all(line.holds is not False for line in lines) else 1


def _measure(ground: Ground, arguments: argparse.Namespace) -> list[Line]:
    parts = set(arguments.parts) or set(PARTS) - {"history", "admin"}
    if arguments.history and "admin" not in parts:
        parts.add("history")
    seconds, rounds = arguments.seconds, arguments.rounds
    with_sales, past = not arguments.no_sales, arguments.history or HISTORY
    kinds: dict[str, Callable[[], list[Line]]] = {
        "prices": lambda: pricelist.measure(ground, seconds),
        "hundredth": lambda: hundredth.measure(ground, arguments.buys),
        "sync": lambda: sync.measure(ground, seconds, rounds, with_sales=with_sales),
        "poll": lambda: poll.measure(ground, arguments.orders, POLL_SECONDS),
        "streams": lambda: streams.measure(ground, seconds),
        "waits": lambda: waits.measure(ground, arguments.pushes),
        "live": lambda: live.measure(ground, arguments.pushes),
        "pages": lambda: pages.measure(ground),
        "history": lambda: history.measure(ground, past, seconds, rounds),
        "admin": lambda: admin.measure(ground, past),
    }
    lines = []
    if parts & {"status", "buy"}:
        lines += _note("status and buy", lambda: rates.measure(ground, parts, seconds, rounds))
    for name, measure in kinds.items():
        if name in parts:
            lines += _note(name, measure)
    return lines


def _note(name: str, measure: Callable[[], list[Line]]) -> list[Line]:
    """One part; a run with errors among its answers is void and says so in its line."""
    began = time.monotonic()
    print(f"{name} …", end="", file=sys.stderr, flush=True)
    try:
        lines = measure()
    except VoidRunError as error:
        lines = [Line(name, "void", str(error), holds=False)]
    print(f" {time.monotonic() - began:.0f} s", file=sys.stderr)
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join(PARTS)}; without one all but history and admin",
    )
    parser.add_argument("--seconds", type=float, default=3, help="of one run (3)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind, in turn (3)")
    parser.add_argument("--buys", type=int, default=100_000, help="of the part hundredth (100000)")
    parser.add_argument("--orders", type=int, default=10_000, help="of the part poll (10000)")
    parser.add_argument("--pushes", type=int, default=300, help="of the parts waits and live (300)")
    parser.add_argument(
        "--history", type=int, help=f"past activations of the parts history and admin ({HISTORY})"
    )
    parser.add_argument("--no-sales", action="store_true", help="of the part sync: only the lists")
    parser.add_argument(
        "--folder", help="where the database is put meanwhile (the system's temporary folder)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the database and the log there")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the table of bench/README.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
