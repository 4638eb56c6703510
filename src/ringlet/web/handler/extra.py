"""A number that was used, leased once more: getExtraActivation, checkExtraActivation, and reactivate of the later kind.

The new lease has an id of its own.
"""

from decimal import Decimal
from typing import NoReturn

from ringlet.activations import resend
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.errors import NotFound, ResendRejected
from ringlet.web.handler import spell
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.buy import spelled
from ringlet.web.handler.change import find
from ringlet.web.handler.words import No


async def check_extra_activation(ask: Ask) -> Answer:
    """What it would cost."""
    row = await _used(ask)
    assert row.phone is not None
    return Answer(
        {
            "status": "success",
            "cost": spell.amount(_price(ask, row)),
            "service": row.service,
            "phone": int(row.phone),
            "country": row.country,
        }
    )


async def get_extra_activation(ask: Ask) -> Answer:
    """Lease it once more."""
    row = await _leased(ask)
    return Answer(f"ACCESS_NUMBER:{row.public_id}:{row.phone}")


async def reactivate(ask: Ask) -> Answer:
    """Lease it once more."""
    return Answer(spelled(await _leased(ask), ask))


async def get_reactivation_price(ask: Ask) -> Answer:
    """What it would cost."""
    return Answer({"status": "success", "data": {"price": spell.amount(_price(ask, await _used(ask)))}})


async def _leased(ask: Ask) -> Activation:
    row = await _used(ask)
    _price(ask, row)
    try:
        return (await resend.resend(ask.office.desk, ask.wallet, row.public_id)).activation
    except ResendRejected as refusal:
        _refuse("RENEW_ACTIVATION_NOT_AVAILABLE", refusal.message)


async def _used(ask: Ask) -> Activation:
    """The last activation of the lease that brought a code; the lease must be over. Refuses: No."""
    try:
        lease = await find(ask, "activationId", "id")
    except NotFound as refusal:
        _refuse("WRONG_ACTIVATION_ID", refusal.message)
    used = [row for row in lease.rows if row.state == State.FINISHED]
    if lease.is_open or not used:
        _refuse("RENEW_ACTIVATION_NOT_AVAILABLE", "Only an activation that is finished can be had again")
    return used[-1]


def _price(ask: Ask, row: Activation) -> Decimal:
    price = resend.resend_price(ask.office.desk, ask.wallet, row)
    if price is None:
        _refuse("RENEW_ACTIVATION_NOT_AVAILABLE", "This number cannot be had again")
    return price


def _refuse(word: str, message: str) -> NoReturn:
    raise No(word, details=message, classic={"status": "error", "msg": message, "error": word})
