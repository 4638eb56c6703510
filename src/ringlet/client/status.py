"""Where an activation stands, and waiting for its code."""

from dataclasses import replace
from time import monotonic
from urllib.parse import quote

from ringlet.client.errors import ActivationOver, CodeTimeout
from ringlet.client.patience import insist
from ringlet.client.talk import Pause, Talk, get, read
from ringlet.client.values import Activation, Status

LONG_POLL_S = 30  # below the minute after which proxies give up
PAUSE_S = 0.3


def public_id(activation: Activation | str) -> str:
    """The id, from an activation or as it is."""
    return activation.activation_id if isinstance(activation, Activation) else activation


def status(activation: Activation | str, wait_s: int, total_s: float) -> Talk[Status]:
    """The status; with `wait_s` the answer may take so long, until something changes."""
    path = f"/resell/virtual/{quote(public_id(activation), safe='')}/status"
    asked = replace(get(path, wait=wait_s or None), wait_s=wait_s)
    return read((yield from insist(asked, total_s)), Status)


def wait_for_code(activation: Activation | str, timeout_s: float) -> Talk[str]:
    """The code. A server that is away meanwhile is asked again until the time is up.

    Raises CodeTimeout, ActivationOver, Unreachable (it is still away at the end) and what the API refuses.
    """
    until = monotonic() + timeout_s
    while True:
        left_s = max(until - monotonic(), 0.0)
        seen = yield from status(activation, min(int(left_s), LONG_POLL_S), left_s)
        if seen.code is not None:
            return seen.code
        if not seen.activation.is_open:
            raise ActivationOver(f"no code came: {seen.activation.state}", activation=seen.activation)
        left_s = until - monotonic()
        if left_s <= 0:
            raise CodeTimeout(f"no code within {timeout_s:g} s", activation=seen.activation)
        # An answer without news comes early only from a server that is about to end, or without a long poll.
        yield Pause(min(PAUSE_S, left_s))
