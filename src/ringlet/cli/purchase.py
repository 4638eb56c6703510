"""One purchase at the terminal, from the order to its code or its refund."""

import time
from collections.abc import Mapping
from typing import Any

from ringlet.cli.voice import Voice
from ringlet.client import (
    Activation,
    ActivationOver,
    Cancelled,
    CancelRejected,
    CodeTimeout,
    Ringlet,
    RingletError,
    Status,
    Unreachable,
)
from ringlet.client.patience import new_key

FOUND = 0
REFUSED = 1
NO_CODE = 2
INTERRUPTED = 130
LOOK_S = 20
CANCEL_TRIES = 3
CANCEL_PAUSE_S = 10.0


class Purchase:
    """What ends it, ends it with the money accounted for: the number is given back before we say that it is over."""

    def __init__(
        self, ringlet: Ringlet, voice: Voice, service: str, country: int, order: Mapping[str, Any]
    ) -> None:
        self._ringlet = ringlet
        self._voice = voice
        self._service = service
        self._country = country
        self._order = {**order, "idempotency_key": new_key()}
        self._activation: Activation | None = None
        self._is_ordered = False

    def run(self, until: float, *, is_waiting: bool) -> int:
        """The exit code. Raises RingletError for what was refused."""
        try:
            activation = self._lease(until)
            if activation.is_open and activation.phone is not None:
                self._voice.bought(activation, is_result=not is_waiting)
                if not is_waiting:
                    return FOUND
            return self._wait(activation, until)
        except KeyboardInterrupt:
            return self._interrupted()

    def _lease(self, until: float) -> Activation:
        """The activation, as soon as it is known which number it is."""
        activation = self._buy()
        while activation.state == "ordering" and (left_s := until - time.monotonic()) > 0:
            with self._voice.waiting("The supplier has not answered yet"):
                seen = self._ringlet.status(activation, wait_s=max(1, min(LOOK_S, int(left_s))))
            activation = self._activation = seen.activation
        return activation

    def _buy(self) -> Activation:
        """The activation of this purchase. Done again it is the same: the order has its key."""
        self._is_ordered = True
        self._activation = self._ringlet.buy(self._service, self._country, **self._order)
        return self._activation

    def _wait(self, activation: Activation, until: float) -> int:
        try:
            with self._voice.waiting("Waiting for the code (Ctrl-C gives the number back)"):
                code = self._ringlet.wait_for_code(activation, max(until - time.monotonic(), 0.0))
        except CodeTimeout:
            return self._give_back(activation, "no code in time", NO_CODE)
        except ActivationOver as error:
            return self._over(error.activation or activation)
        except Unreachable as error:
            self._voice.none(
                activation, error.code, f"the installation is out of reach; {_refund(activation)}"
            )
            return REFUSED
        self._voice.code(activation, code)
        return FOUND

    def _over(self, activation: Activation) -> int:
        if activation.state == "failed":
            self._voice.none(activation, "no_numbers", "no number could be had; nothing is charged")
            return REFUSED
        self._voice.none(activation, "no_code", f"no code came: {activation.state} and refunded")
        return NO_CODE

    def _interrupted(self) -> int:
        """Ctrl-C. An order that was under way may have arrived: the same one again tells, and is then cancelled."""
        if not self._is_ordered:
            return INTERRUPTED
        self._voice.say("Interrupted; giving the number back")
        activation = self._activation
        try:
            return self._give_back(activation or self._buy(), "interrupted", INTERRUPTED)
        except KeyboardInterrupt:
            left = "" if activation is None else f": {_refund(activation)}"
            self._voice.complain(f"interrupted again; the number was not given back{left}")
            return INTERRUPTED

    def _give_back(self, activation: Activation, why: str, exit_code: int) -> int:
        """Ask for the refund and say what came of it; a code that was quicker is the result after all."""
        try:
            done = self._cancel(activation)
        except CancelRejected:
            return self._too_late(self._ringlet.status(activation), exit_code)
        except RingletError as error:
            self._voice.none(
                activation, error.code, f"{why}, and it could not be cancelled; {_refund(activation)}"
            )
            return REFUSED if exit_code == NO_CODE else exit_code
        how = f"refunded in about {done.retry_after or 0} s" if done.is_scheduled else "refunded"
        self._voice.none(
            activation,
            "cancel_scheduled" if done.is_scheduled else "cancelled",
            f"{why}: cancelled and {how}",
        )
        return exit_code

    def _cancel(self, activation: Activation) -> Cancelled:
        """The cancel; one that is only too early is asked for again, a few times."""
        for _ in range(CANCEL_TRIES - 1):
            try:
                return self._ringlet.cancel(activation, when_allowed=True)
            except CancelRejected as error:
                if error.retry_after is None:
                    raise
                time.sleep(min(error.retry_after, CANCEL_PAUSE_S))
        return self._ringlet.cancel(activation, when_allowed=True)

    def _too_late(self, seen: Status, exit_code: int) -> int:
        if seen.code is not None:
            self._voice.code(seen.activation, seen.code)
            return FOUND
        if seen.activation.is_open:
            self._voice.none(
                seen.activation, "not_cancelled", f"not cancelled yet; {_refund(seen.activation)}"
            )
            return REFUSED if exit_code == NO_CODE else exit_code
        self._over(seen.activation)
        return exit_code


def _refund(activation: Activation) -> str:
    return f"without a code it is refunded by itself after {activation.expires_at.astimezone():%H:%M:%S}"
