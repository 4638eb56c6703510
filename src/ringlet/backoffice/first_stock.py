"""The first own numbers, as the first run's form takes them: of one country, for every service, at one cost."""

from decimal import Decimal, InvalidOperation

import msgspec

from ringlet import acts, money, stocktaking
from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.stocktaking import BadRow, NumberRow

NAME_LENGTH_MAX = 64


class NewStock(msgspec.Struct, frozen=True):
    """What the form says; `numbers` has one a line."""

    owner: str
    country: str
    cost: str
    numbers: str


async def load_stock(desk: Desk, actor: Actor, form: NewStock) -> int:
    """Put them on sale; returns how many are new. Refuses: ValidationFailed, naming the first line that is wrong."""
    if not (0 < len(form.owner) <= NAME_LENGTH_MAX and form.owner.isprintable()):
        raise ValidationFailed(f"A name of 1 to {NAME_LENGTH_MAX} characters", field="owner")
    cost, rows = _cost(form.cost), _rows(form)
    added = 0
    async for loaded in stocktaking.load(desk, form.owner, rows, cost):
        added += loaded.added
    async with desk.db.transaction() as tx:
        await acts.write(
            tx, actor, "stock.loaded", f"owner {form.owner}", after={"numbers": added, "cost": cost}
        )
    await desk.refresh_prices()
    return added


def _cost(text: str) -> Decimal:
    try:
        cost = Decimal(text)
    except InvalidOperation:
        cost = Decimal(-1)
    if not (cost.is_finite() and 0 <= cost <= money.PRICE_MAX):
        raise ValidationFailed("What a number costs you, such as 0.02", field="cost")
    return cost


def _rows(form: NewStock) -> list[NumberRow]:
    lines = [line.strip() for line in form.numbers.splitlines() if line.strip()]
    if not lines:
        raise ValidationFailed("One number a line, with its country code", field="numbers")
    told = [
        {"phone": line, "country": form.country, "operator": "any", "services": stocktaking.EVERY_SERVICE}
        for line in lines
    ]
    rows = []
    for row in stocktaking.read_rows(told):
        if isinstance(row, BadRow):
            raise ValidationFailed(f"Line {row.line - 1}: {row.why}", field="numbers")
        rows.append(row)
    return rows
