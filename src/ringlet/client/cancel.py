"""Giving a number back."""

from ringlet.client.patience import insist, new_key
from ringlet.client.status import public_id
from ringlet.client.talk import Talk, post, read
from ringlet.client.values import Activation, Cancelled


def cancel(
    activation: Activation | str, *, when_allowed: bool, idempotency_key: str | None, total_s: float
) -> Talk[Cancelled]:
    """Before a code has come: the money is back, or will be as soon as the supplier takes the number."""
    asked = post(
        "/resell/virtual/cancel",
        idempotency_key or new_key(),
        activation_id=public_id(activation),
        when_allowed=when_allowed or None,
    )
    return read((yield from insist(asked, total_s)), Cancelled)
