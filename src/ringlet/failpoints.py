"""Places where a test may kill the process: between the steps of what must survive being killed there.

`RINGLET_TEST_FAIL_AT="after_supplier:0.2"` ends the process by SIGKILL at that place, at one time in five. Without
the variable a place costs one dictionary look-up.
"""

import os
import random
import signal

#: Every place, in the order of a purchase's life. `tests/test_failpoints.py` visits them all.
PLACES = (
    "order_opened",  # the order and its hold are committed, the supplier has not been asked
    "order_answered",  # the supplier has answered, nothing is written
    "order_retargeted",  # the next supplier is committed, he has not been asked
    "order_leased",  # the lease is committed, the customer has not been answered
    "order_refused",  # everybody refused, the money is still held
    "strays_found",  # what the supplier holds for us and we do not know is committed
    "order_recovered",  # an unknown outcome is settled, nobody has been told
    "message_seen",  # the supplier has told a message, it is not committed
    "cancel_wished",  # the customer's wish to cancel is committed, the supplier has not been asked
    "cancel_answered",  # the supplier has confirmed the cancel, the money is still held
    "return_claimed",  # a rental is to be given back, the supplier has not been asked
    "return_answered",  # the supplier has confirmed it, nothing is written
    # and of a payment's: `tests/test_topup_faults.py` visits these
    "topup_made",  # the gateway has made the payment, nothing is written
    "topup_fetched",  # the gateway has told the truth, nothing is written
    "topup_settled",  # credited, not committed
    # and of money on its way back: `tests/test_topup_refunds.py` visits these
    "refund_opened",  # the balance has given it and the wish is committed, the gateway has not been asked
    "refund_answered",  # the gateway has given it back, nothing is written
    "refund_restored",  # the gateway refused, the customer has it again, not committed
)


def _armed() -> dict[str, float]:
    pairs = [part.partition(":") for part in os.environ.get("RINGLET_TEST_FAIL_AT", "").split(",") if part]
    return {place: float(share or 1) for place, _, share in pairs}


_ARMED = _armed()


def reach(place: str) -> None:
    """The program is at this place now."""
    share = _ARMED.get(place)
    if share is not None and random.random() < share:  # noqa: S311 - a coin for a test
        os.kill(os.getpid(), signal.SIGKILL)
