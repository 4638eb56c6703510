"""When a webhook is tried again. Pure: no database, no clock."""

import random

#: seconds before each attempt, as Standard Webhooks advises: ten tries in three days and a bit
PAUSES_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
RETRY_AFTER_MAX_S = 86_400


def pause_s(attempts: int, retry_after_s: float | None = None) -> float | None:
    """Seconds to the next try after so many failed ones; None when it was the last.

    A receiver may ask for a longer pause, of a day at most, never for a shorter one.
    """
    if attempts >= len(PAUSES_S):
        return None
    # So that what failed together does not come back together.
    planned = PAUSES_S[attempts] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return max(planned, min(retry_after_s or 0, RETRY_AFTER_MAX_S))
