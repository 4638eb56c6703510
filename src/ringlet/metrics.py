"""What Prometheus can ask about. Labels come from closed sets: routes, codes, states."""

from functools import lru_cache

from prometheus_client import Counter, Histogram

REQUESTS = Counter("ringlet_http_requests_total", "Answers given", ["route", "method", "status"])
SECONDS = Histogram(
    "ringlet_http_seconds", "Time to an answer", ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60),
)  # fmt: skip
SALES = Counter("ringlet_sales_total", "Numbers sold", ["mode"])
MESSAGES = Counter("ringlet_messages_total", "Messages pushed to us", ["outcome"])
TOPUPS = Counter("ringlet_topups_total", "Payments credited", ["gateway"])
NOTICES = Counter("ringlet_payment_notices_total", "What gateways said", ["gateway", "outcome"])
CLOSED = Counter("ringlet_due_total", "Due rows that the worker took up", ["job"])
JOB_FAILURES = Counter("ringlet_job_failures_total", "Rounds of a worker's job that failed", ["job"])

SWEEP_SECONDS = Histogram(
    "ringlet_supplier_sweep_seconds", "Time of one sweep over a supplier's rentals", ["supplier"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30),
)  # fmt: skip
SWEEP_FAILURES = Counter("ringlet_supplier_sweep_failures_total", "Sweeps that found no answer", ["supplier"])


@lru_cache(maxsize=2_000)
def request_series(route: str, method: str, status: int) -> Counter:
    """The counter of one kind of answer; looking labels up anew costs more than counting."""
    return REQUESTS.labels(route, method, str(status))


@lru_cache(maxsize=200)
def seconds_series(route: str) -> Histogram:
    """The histogram of one route."""
    return SECONDS.labels(route)
