"""Rate limits: a bucket per key that holds one second's allowance and refills all the time.

Each web process counts for itself: a shared counter would cost a database write for every request.
"""

from time import monotonic

import msgspec

from ringlet.errors import RateLimited

KEPT_MAX = 50_000


class Bucket(msgspec.Struct):
    tokens: float
    seen_s: float


class Limits:
    """`per_s` requests a second for each key; 0 = no limit."""

    def __init__(self, per_s: int) -> None:
        self.per_s = per_s
        self._buckets: dict[int, Bucket] = {}

    def take(self, key_id: int) -> int:
        """Count one request; returns how many are left at once. Refuses: RateLimited."""
        now = monotonic()
        bucket = self._buckets.get(key_id)
        if bucket is None:
            if len(self._buckets) >= KEPT_MAX:
                self._buckets.clear()
            bucket = self._buckets[key_id] = Bucket(self.per_s, now)
        bucket.tokens = min(self.per_s, bucket.tokens + (now - bucket.seen_s) * self.per_s)
        bucket.seen_s = now
        if bucket.tokens < 1:
            raise RateLimited
        bucket.tokens -= 1
        return int(bucket.tokens)
