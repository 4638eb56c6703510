"""Leasing a number."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from ringlet.client.errors import ServiceUnavailable
from ringlet.client.patience import insist, new_key
from ringlet.client.talk import Talk, amount, post, read
from ringlet.client.values import Activation


class _Bought(Struct):
    activation: Activation


def buy(
    service: str,
    country: int,
    *,
    max_price: Decimal | int | str | None,
    operator: str | None,
    exclude_prefixes: Sequence[str],
    reference: str | None,
    idempotency_key: str | None,
    total_s: float,
) -> Talk[Activation]:
    """A new activation. One whose outcome at the supplier is not known yet is in state `ordering`, without a phone.

    The money is held for that one: raising would lead the caller to buy another.
    """
    asked = post(
        "/resell/virtual/buy",
        idempotency_key or new_key(),
        service=service,
        country=country,
        max_price=amount(max_price),
        operator=operator,
        exclude_prefixes=list(exclude_prefixes) or None,
        reference=reference,
    )
    try:
        answer = yield from insist(asked, total_s)
    except ServiceUnavailable as error:
        if error.activation is None:
            raise
        return error.activation
    return read(answer, _Bought).activation
