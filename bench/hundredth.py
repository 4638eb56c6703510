"""The hundred-thousandth buy beside the first: what was sold must not slow the search for what is free."""

from bench import fill, load
from bench.fill import Customers
from bench.ground import Ground, Running, settle
from bench.load import Part, Plan, Result
from bench.rates import CONNECTIONS, CUSTOMERS, buy_scripts
from bench.table import Line, alternate, at_least, ratio, told

WINDOW = 5_000
WARM_UP = 2_000
SOLD_BEFORE = 10  # nine of ten numbers


def measure(ground: Ground, buys: int) -> list[Line]:
    """A plain sequence of `buys`, then the first ones of a fresh process behind them.

    Then half as many from a shelf of which nine tenths were sold and finished before.
    """
    url = ground.database("hundredth")
    people = fill.customers(ground, url, CUSTOMERS)
    fill.shelf(url, "tg", 2 * WARM_UP + 1_000, first=20_000_000_000)
    fill.shelf(url, "ig", buys + 5 * WINDOW, first=30_000_000_000)
    fill.shelf(url, "go", 4 * WINDOW, first=35_000_000_000)
    used = fill.shelf(url, "wa", SOLD_BEFORE * (buys // 2 + 2 * WINDOW), first=40_000_000_000)
    finished = fill.sell_and_finish(url, used, keep_every=SOLD_BEFORE)
    settle(url)
    with ground.site(url) as site:
        _warm_up(site, people)
        plain = _buy(site, people, "ig", buys)
        plain_now = _beside_fresh(site, people, "ig")
    with ground.site(url) as site:
        _warm_up(site, people)
        one = load.run(Plan(site.port, buy_scripts(people, "ig"), 1, count=1)).whole
        restarted = _buy(site, people, "ig", 2 * WINDOW).first
        sold_before = _buy(site, people, "wa", buys // 2)
        sold_before_now = _beside_fresh(site, people, "wa")
    ground.drop(url)
    assert restarted is not None
    name = f"{buys:,} buys"
    return [
        *_compared(name, plain),
        at_least("hundredth", "that shelf / a fresh one, in turn", plain_now, 0.90),
        told("hundredth", "the next process's first buy", f"{one.max_ms:.1f} ms"),
        told("hundredth", f"its next {WINDOW:,}", _spelled(restarted)),
        *_compared(f"{buys // 2:,} buys, {finished:,} sold before", sold_before),
        told("hundredth", "that used shelf / a fresh one, in turn", f"{sold_before_now:.3f}"),
    ]


def _warm_up(site: Running, people: Customers) -> None:
    load.run(Plan(site.port, buy_scripts(people, "tg"), CONNECTIONS, count=WARM_UP))


def _beside_fresh(site: Running, people: Customers, service: str) -> float:
    """That shelf beside one that nobody has bought from, in turn: a machine that became busy slows both."""

    def some(wanted: str) -> Part:
        return _buy(site, people, wanted, WINDOW // 2, window=0).whole

    found = alternate(3, {"sold from": lambda: some(service), "fresh": lambda: some("go")})
    return ratio(found, "sold from", "fresh")


def _buy(site: Running, people: Customers, service: str, count: int, window: int = WINDOW) -> Result:
    return load.run(Plan(site.port, buy_scripts(people, service), CONNECTIONS, count=count, window=window))


def _compared(name: str, result: Result) -> list[Line]:
    assert result.first is not None
    assert result.last is not None
    first, last = result.first, result.last
    return [
        told("hundredth", f"{name}: all", _spelled(result.whole)),
        told("hundredth", f"{name}: first {WINDOW:,}", _spelled(first)),
        told("hundredth", f"{name}: last {WINDOW:,}", _spelled(last)),
        at_least("hundredth", f"{name}: last / first", last.per_s / first.per_s, 0.90),
    ]


def _spelled(part: Part) -> str:
    return (
        f"{part.per_s:,.0f}/s, p50 {part.p50_ms:.2f} ms, p99 {part.p99_ms:.2f} ms, max {part.max_ms:.0f} ms"
    )
