"""Ways to pay, as the operator sets them up: their keys (write-only), their terms, their order, and whether they answer.

A gateway's kind and mode are chosen once: money of the one mode never pays for a wallet of the other (rule T8). What it
earned and refused is history, so none is ever deleted. Adapters are asked with nothing of the database in hand.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString, TypedDict, cast
from urllib.parse import urlsplit

import msgspec
from psycopg.rows import args_row

from ringlet import acts
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, StartupError, ValidationFailed
from ringlet.payments import book
from ringlet.payments.book import Config, Terms
from ringlet.payments.demo import Demo
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Gateway, Refused

MODES = ("live", "test")
CHOICES = ("credit", "review")
LABEL_MAX, VALUE_MAX = 60, 8_000
AMOUNT_MAX_MICROS = 10**15
SURCHARGE_PERCENT_MAX = Decimal(50)
#: so many payments are counted for "within 30 days"
COUNTED_MAX = 100_000


class Line(msgspec.Struct, frozen=True):
    """One gateway on the operator's list: `settled_micros` came by it within 30 days, in `settled_count` payments
    (`COUNTED_MAX` stands for that and more). `compared` is what the last comparison found (`topups/reconcile.py`).
    """

    id: int
    kind: str
    label: str
    mode: str
    is_on: bool
    place: int
    min_micros: int
    max_micros: int
    surcharge_percent: Decimal
    surcharge_micros: int
    on_over: str
    on_under: str
    on_late: str
    checked_at: datetime | None
    failing_since: datetime | None
    failure: str | None
    compared_at: datetime | None
    compared: dict[str, Any] | None
    settled_count: int
    settled_micros: int
    currency: str | None

    @property
    def name(self) -> str:
        """What its kind is called."""
        return KINDS[self.kind].name

    @property
    def is_asked(self) -> bool:
        """Whether payers choose it and name an amount."""
        return KINDS[self.kind].can.asks

    @property
    def can_list(self) -> bool:
        """Whether it is compared at all."""
        return KINDS[self.kind].can.lists


async def lines(tx: Tx) -> list[Line]:
    """Every gateway, in the order that payers see."""
    return await _lines(tx, None)


async def line(tx: Tx, gateway_id: int) -> Line:
    """One of them. Refuses: NotFound."""
    found = await _lines(tx, gateway_id)
    if not found:
        raise NotFound("No such way to pay")
    return found[0]


async def _lines(tx: Tx, gateway_id: int | None) -> list[Line]:
    cursor = tx.cursor(row_factory=args_row(Line))
    return await (await cursor.execute(_LINES, {"id": gateway_id, "counted": COUNTED_MAX})).fetchall()


_LINES: LiteralString = """
select g.id, g.kind, g.label, g.mode, g.is_on, g.place, g.min_micros, g.max_micros, g.surcharge_percent,
    g.surcharge_micros, g.on_over, g.on_under, g.on_late, g.checked_at, g.failing_since, g.failure, g.compared_at,
    g.compared, counted.n, counted.micros, counted.currency
from gateway g cross join lateral (
    select count(*) as n, coalesce(sum(t.credited_micros), 0)::bigint as micros, min(t.currency) as currency from (
        select credited_micros, currency from topup
        where gateway_id = g.id and settled_at > now() - interval '30 days' order by settled_at desc limit %(counted)s) t
) counted
where %(id)s::bigint is null or g.id = %(id)s
order by g.place, g.id
"""


def kinds() -> list[type[Gateway]]:
    """What may be added by hand. Vouchers come with their first batch."""
    return [each for each in KINDS.values() if each.can.asks]


def shown(desk: Desk, terms: Terms) -> dict[str, str]:
    """What was entered and is no secret; of a secret only that it is there ("set"). {} when it cannot be unsealed."""
    try:
        config = desk.gateways.config(terms)
    except StartupError:
        return {}
    return {
        field.name: "set" if field.is_secret and config.get(field.name) else config.get(field.name, "")
        for field in KINDS[terms.kind].fields
    }


def notice_url(desk: Desk, terms: Terms) -> str:
    """Where the gateway tells us, to be entered there."""
    return f"{desk.settings.public_url}/payments/{terms.kind}/{terms.id}"


class Conditions(TypedDict, total=False):
    """The terms that may change; what is not named stays."""

    label: str
    min_micros: int
    max_micros: int
    surcharge_percent: Decimal
    surcharge_micros: int
    on_over: str
    on_under: str
    on_late: str


async def add(
    desk: Desk, actor: Actor, kind: str, mode: str, conditions: Conditions, given: Mapping[str, str]
) -> int:
    """Another way to pay, still off; returns its id. `given`: what was entered for the kind's fields.

    Refuses: ValidationFailed (the kind, the mode, a term, or keys that cannot be right), ServiceUnavailable.
    """
    if kind not in {each.kind for each in kinds()}:
        raise ValidationFailed("There is no such kind of gateway", field="kind")
    if mode not in MODES:
        raise ValidationFailed("Live money or test money", field="mode")
    if kind == Demo.kind and mode == "live" and not desk.settings.demo:
        raise ValidationFailed("The demo gateway gives money away: it takes test money only", field="mode")
    checked = _checked(conditions)
    config = _config(kind, given, {})
    _try(desk, kind, mode, config)
    new = book.New(kind, checked["label"], mode, config, checked["min_micros"], checked["max_micros"])
    async with desk.db.transaction() as tx:
        gateway_id = await book.add(tx, desk.settings.secret, new)
        await _write(tx, gateway_id, checked)
        after = {"kind": kind, "mode": mode, "keys": sorted(config), **_plain(checked)}
        await acts.write(tx, actor, "gateway.added", f"gateway {gateway_id}", after=after)
    return gateway_id


def _checked(found: Conditions) -> Conditions:
    """All of them, in their place. Refuses: ValidationFailed."""
    label = " ".join(found["label"].split())
    if not 0 < len(label) <= LABEL_MAX or not label.isprintable():
        raise ValidationFailed(f"A name of 1 to {LABEL_MAX} characters", field="label")
    if not 0 < found["min_micros"] <= AMOUNT_MAX_MICROS or found["min_micros"] % 10_000:
        raise ValidationFailed("An amount in whole cents, above nothing", field="min")
    if not found["min_micros"] <= found["max_micros"] <= AMOUNT_MAX_MICROS or found["max_micros"] % 10_000:
        raise ValidationFailed("An amount in whole cents, no less than the least", field="max")
    percent = found["surcharge_percent"]
    if not 0 <= percent <= SURCHARGE_PERCENT_MAX or percent != percent.quantize(Decimal("0.01")):
        raise ValidationFailed("From 0 to 50 percent, with two decimal places", field="surcharge_percent")
    if not 0 <= found["surcharge_micros"] <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount, or nothing", field="surcharge")
    for name in ("on_over", "on_under", "on_late"):
        if found[name] not in CHOICES:
            raise ValidationFailed("Credit it, or look at it first", field=name)
    return cast("Conditions", {**found, "label": label})


def _config(kind: str, given: Mapping[str, str], before: Config) -> dict[str, str]:
    """What is to be stored: an empty secret keeps the old one. Refuses: ValidationFailed."""
    config: dict[str, str] = {}
    for field in KINDS[kind].fields:
        value = given.get(field.name, "").strip()
        if len(value) > VALUE_MAX or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value.replace("\r\n", "\n")):
            raise ValidationFailed("This is too long, or no text", field=field.name)
        value = value or (before.get(field.name, "") if field.is_secret or field.name not in given else "")
        if field.is_needed and not value:
            raise ValidationFailed("This is needed", field=field.name)
        if value:
            config[field.name] = value
    _check_address(kind, given, config, before)
    return config


def _check_address(kind: str, given: Mapping[str, str], config: Config, before: Config) -> None:
    """Keys go to the address: a new one wants them again. Refuses: ValidationFailed."""
    url = config.get("url", "")
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise ValidationFailed("An address begins with https://", field="url")
    if before and url != before.get("url", ""):
        for field in KINDS[kind].fields:
            if field.is_secret and before.get(field.name) and not given.get(field.name, "").strip():
                raise ValidationFailed("A new address gets the key: give it again", field=field.name)


def _try(desk: Desk, kind: str, mode: str, config: Config) -> None:
    try:
        desk.gateways.make(kind, mode, config)
    except Refused as error:
        raise ValidationFailed(str(error)) from None


async def change(desk: Desk, actor: Actor, gateway_id: int, conditions: Conditions) -> None:
    """Other terms from now on; payments that were asked for keep theirs. Refuses: NotFound, ValidationFailed."""
    async with desk.db.transaction() as tx:
        known = await _locked(tx, gateway_id)
        before = cast("Conditions", {name: getattr(known, name) for name in Conditions.__annotations__})
        after = _checked(cast("Conditions", {**before, **conditions}))
        changed = [name for name in after if after[name] != before[name]]  # type: ignore[literal-required]
        if not changed:
            return
        await _write(tx, gateway_id, after)
        was, now = _plain(before), _plain(after)
        await acts.write(
            tx, actor, "gateway.changed", f"gateway {gateway_id}",
            before={name: was[name] for name in changed}, after={name: now[name] for name in changed},
        )  # fmt: skip


def _plain(conditions: Conditions) -> dict[str, Any]:
    return {name: value if isinstance(value, int) else str(value) for name, value in conditions.items()}


async def _locked(tx: Tx, gateway_id: int) -> Terms:
    await tx.execute("select from gateway where id = %s for update", [gateway_id])
    found = await book.load(tx, gateway_id)
    if found is None:
        raise NotFound("No such way to pay")
    return found


async def _write(tx: Tx, gateway_id: int, conditions: Conditions) -> None:
    await tx.execute(_WRITE, {"id": gateway_id, **conditions})


_WRITE: LiteralString = """
update gateway set label = %(label)s, min_micros = %(min_micros)s, max_micros = %(max_micros)s,
    surcharge_percent = %(surcharge_percent)s, surcharge_micros = %(surcharge_micros)s, on_over = %(on_over)s,
    on_under = %(on_under)s, on_late = %(on_late)s, changed_at = clock_timestamp()
where id = %(id)s
"""


async def set_keys(desk: Desk, actor: Actor, gateway_id: int, given: Mapping[str, str]) -> Sequence[str]:
    """Enter keys anew; returns the names of the fields that changed. An empty secret stays, a field that is not named too.

    Refuses: NotFound, ValidationFailed.
    """
    async with desk.db.transaction() as tx:
        known = await _locked(tx, gateway_id)
        before = _unsealed(desk, known)
        config = _config(known.kind, given, before)
        _try(desk, known.kind, known.mode, config)
        changed = sorted(name for name in {*config, *before} if config.get(name, "") != before.get(name, ""))
        if changed:
            await tx.execute(_SET_KEYS, [book.seal(desk.settings.secret, config), gateway_id])
            await acts.write(
                tx, actor, "gateway.keys_changed", f"gateway {gateway_id}", after={"fields": changed}
            )
    return changed


def _unsealed(desk: Desk, terms: Terms) -> Config:
    """What is stored; keys that another secret has sealed are gone, and are entered anew."""
    try:
        return desk.gateways.config(terms)
    except StartupError:
        return {}


# Asked at once whether the new keys are good.
_SET_KEYS: LiteralString = """
update gateway set sealed_config = %s, changed_at = clock_timestamp(), check_due_at = now() where id = %s
"""


async def switch(desk: Desk, actor: Actor, gateway_id: int, *, is_on: bool) -> None:
    """Offer it to payers, or no more; what was begun by it goes on. Refuses: NotFound, ValidationFailed (keys missing)."""
    async with desk.db.transaction() as tx:
        known = await _locked(tx, gateway_id)
        if known.is_on == is_on:
            return
        if is_on:
            _config(known.kind, {}, _unsealed(desk, known))
            if known.kind == Demo.kind and known.mode == "live" and not desk.settings.demo:
                raise ValidationFailed("The demo gateway gives money away: it takes test money only")
        await tx.execute(_SWITCH, [is_on, gateway_id])
        act = "gateway.switched_on" if is_on else "gateway.switched_off"
        await acts.write(tx, actor, act, f"gateway {gateway_id}")


_SWITCH: LiteralString = """
update gateway set is_on = %s, changed_at = clock_timestamp(), check_due_at = now(), failing_since = null, failure = null
where id = %s
"""


async def move(desk: Desk, actor: Actor, gateway_id: int, *, is_up: bool) -> None:
    """One place up or down in the order that payers see. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        # All of them, in one order: two who move at once do it one after the other.
        await tx.execute("select from gateway order by id for update")
        ids = [each.id for each in await book.everyone(tx)]
        if gateway_id not in ids:
            raise NotFound("No such way to pay")
        at = ids.index(gateway_id)
        to = min(max(at + (-1 if is_up else 1), 0), len(ids) - 1)
        ids.insert(to, ids.pop(at))
        await tx.execute(_PLACES, [ids])
        if at != to:
            await acts.write(
                tx,
                actor,
                "gateway.moved",
                f"gateway {gateway_id}",
                before={"place": at + 1},
                after={"place": to + 1},
            )


_PLACES: LiteralString = """
update gateway g set place = wanted.place from unnest(%s::bigint[]) with ordinality as wanted (id, place)
where g.id = wanted.id and g.place is distinct from wanted.place
"""
