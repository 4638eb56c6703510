"""Waiting for another message on the same number."""

from msgspec import Struct

from ringlet.client.patience import insist, new_key
from ringlet.client.status import public_id
from ringlet.client.talk import Talk, post, read
from ringlet.client.values import Activation


class _Resent(Struct):
    activation: Activation


def resend(activation: Activation | str, idempotency_key: str | None, total_s: float) -> Talk[Activation]:
    """The new activation on the same number."""
    asked = post("/resell/virtual/resend", idempotency_key or new_key(), activation_id=public_id(activation))
    return read((yield from insist(asked, total_s)), _Resent).activation
