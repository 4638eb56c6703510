"""setStatus and its newer kin: the customer's word on an activation.

1  the message was sent      nothing to do
3  one more message, free    after a code: a new activation on the number takes the lease over
6  done                      the lease ends
8  give it back (also -1)    before a code
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from ringlet.activations import cancel, finish, leases, resend
from ringlet.activations.leases import Lease
from ringlet.errors import CancelRejected, ResendRejected, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.web.api import about
from ringlet.web.handler.answers import DONE, Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.words import No

NEAR_END = timedelta(seconds=1)


async def set_status(ask: Ask) -> Answer:
    """By number."""
    change = _BY_NUMBER.get(ask.given.text("status"))
    lease = await find(ask)
    if change is None:
        raise No("BAD_STATUS", details="1, 3, 6 or 8")
    return Answer(await change(ask, lease))


async def finish_activation(ask: Ask) -> Answer:
    """Status 6, answered without a word."""
    await _finish(ask, await find(ask))
    return DONE


async def cancel_activation(ask: Ask) -> Answer:
    """Status 8, answered without a word."""
    await _cancel(ask, await find(ask))
    return DONE


async def find(ask: Ask, *names: str) -> Lease:
    """The lease that is asked about, named in the log line. Refuses: NotFound, ServiceUnavailable."""
    public_id = ask.given.activation_id(*(names or ("id", "activationId")))
    lease = await leases.find(ask.office.desk, ask.wallet.id, public_id)
    about(ask.request, lease.first.public_id)
    return lease


async def _ready(_: Ask, lease: Lease) -> str:
    if not lease.is_open:
        raise No("ACTIVATION_NOT_ACTIVE", details="This activation is over")
    return "ACCESS_READY"


async def _again(ask: Ask, lease: Lease) -> str:
    if lease.is_waiting:  # for a message already
        return "ACCESS_RETRY_GET"
    newest = lease.newest
    # After its lease the number could only be leased anew, for money; here one more message is free.
    if not lease.is_open or newest.expires_at - datetime.now(UTC) < NEAR_END:
        raise No("ACTIVATION_NOT_ACTIVE", details="This activation is over")
    key = f"handler-again:{newest.public_id}"  # asked twice at the same time is asked once
    once = Once(ask.wallet.id, key, key.encode())
    try:
        await resend.resend(ask.office.desk, ask.wallet, newest.public_id, once)
    except ResendRejected:
        if not (await find(ask)).is_waiting:  # nor did the other one succeed
            raise
    ask.office.statuses.changed(newest.public_id)
    return "ACCESS_RETRY_GET"


async def _finish(ask: Ask, lease: Lease) -> str:
    if lease.code is None:
        raise No("ACTIVATION_NOT_ACTIVE", details="No code has come; give the number back instead")
    if lease.is_waiting:
        await _let_go(ask, lease)
    elif lease.is_open:
        await finish.finish(ask.office.desk, ask.wallet.id, lease.newest.public_id)
        ask.office.statuses.changed(lease.newest.public_id)
    return "ACCESS_ACTIVATION"


async def _let_go(ask: Ask, lease: Lease) -> None:
    """It has its code and waits for one more, which costs nothing: the wait ends, now or with the lease."""
    try:
        await cancel.cancel(ask.office.desk, ask.wallet.id, lease.newest.public_id, when_allowed=True)
    except CancelRejected:
        pass  # the supplier keeps it to the end of its lease
    except ServiceUnavailable as refusal:
        if refusal.__cause__ is not None:  # the database; a supplier that is silent is asked again
            raise
    ask.office.statuses.changed(lease.newest.public_id)


async def _cancel(ask: Ask, lease: Lease) -> str:
    if lease.is_refunded:  # asked twice: the first answer was lost
        return "ACCESS_CANCEL"
    if lease.code is not None:
        raise No("OTP_RECEIVED", details="A code has come; finish it instead")
    try:
        await cancel.cancel(ask.office.desk, ask.wallet.id, lease.newest.public_id)
    except CancelRejected as refusal:
        raise _too_early(lease, refusal) from None
    ask.office.statuses.changed(lease.newest.public_id)
    return "ACCESS_CANCEL"


def _too_early(lease: Lease, refusal: CancelRejected) -> No:
    """`minActivationTime` is how old an activation must be."""
    left_s = refusal.extra.get("retry_after")
    if left_s is None:
        return No("OTP_RECEIVED", details=refusal.message)
    age_s = (datetime.now(UTC) - lease.first.created_at).total_seconds()
    info = {"minActivationTime": math.ceil(max(age_s, 0) + left_s)}
    return No("EARLY_CANCEL_DENIED", details=refusal.message, info=info, retry_after_s=left_s)


_BY_NUMBER: Mapping[str, Callable[[Ask, Lease], Awaitable[str]]] = {
    "1": _ready,
    "3": _again,
    "6": _finish,
    "8": _cancel,
    "-1": _cancel,
}
