"""A customer's webhook endpoints: made, listed, changed, deleted, and their secrets."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.rows import args_row

from ringlet import events, sealed
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, WebhookRejected
from ringlet.idempotency import Once
from ringlet.tokens import ALPHABET
from ringlet.webhooks import answers
from ringlet.webhooks.addresses import Guard
from ringlet.webhooks.answers import Answer

PER_WALLET_MAX = 20
SECRET_BYTES = 32
SECRETS_MAX = 5
OVERLAP_HOURS = 24
PURPOSE = "webhook secret"
#: of these an endpoint of the form 'field' is told, whatever else happens
FIELD_TYPES = (events.MESSAGE,)


class Endpoint(msgspec.Struct, frozen=True):
    """One address and what it is told; no `types` means everything."""

    id: int
    public_id: str
    wallet_id: int
    url: str
    description: str
    form: str
    types: list[str]
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_why: str | None
    created_at: datetime


class NewEndpoint(msgspec.Struct, frozen=True):
    """What a customer asks for."""

    url: str
    types: Sequence[str] = ()
    description: str = ""
    form: str = "standard"


class Made(Answer, frozen=True):
    """An endpoint with a new secret, shown this once (and to who repeats the request under its key)."""

    endpoint: Endpoint
    secret: str


COLUMNS: LiteralString = "id, public_id, wallet_id, url, description, form, types, failing_since, disabled_at, disabled_why, created_at"


async def create(desk: Desk, wallet_id: int, new: NewEndpoint, once: Once | None = None) -> Made:
    """A new endpoint; the same `once` makes one.

    Refuses: ValidationFailed (the address), WebhookRejected (too many, or there already), IdempotencyMismatch.
    """
    Guard(desk.settings).check(new.url)
    types = FIELD_TYPES if new.form == "field" else tuple(dict.fromkeys(new.types))
    public_id = "wh_" + "".join(secrets.choice(ALPHABET) for _ in range(22))
    values = [public_id, wallet_id, new.url, new.description, new.form, list(types)]
    try:
        async with desk.db.transaction() as tx:
            if (known := await answers.recall(tx, desk, once, Made)) is not None:
                return known
            await _lock_wallet(tx, wallet_id)
            if len(await _of_wallet(tx, wallet_id)) >= PER_WALLET_MAX:
                raise WebhookRejected(f"You have {PER_WALLET_MAX} webhooks already, which is the most")
            cursor = tx.cursor(row_factory=args_row(Endpoint))
            endpoint = await (await cursor.execute(_CREATE, values)).fetchone()
            assert endpoint is not None
            secret = await _add_secret(tx, desk, endpoint.id)
            await _note_listening(tx, wallet_id)
            return await answers.keep(tx, desk, once, Made(endpoint, secret))
    except UniqueViolation as error:
        raise WebhookRejected("You have a webhook with this url already") from error


_CREATE: LiteralString = f"""
insert into webhook_endpoint (public_id, wallet_id, url, description, form, types)
values (%s, %s, %s, %s, %s, %s) returning {COLUMNS}
"""


async def _lock_wallet(tx: Tx, wallet_id: int) -> None:
    """Whoever else changes this wallet's endpoints waits. It does not stand in the way of sales."""
    await tx.execute("select from wallet where id = %s for no key update", [wallet_id])


def new_secret() -> str:
    """What both sides sign with, as Standard Webhooks write one."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def _add_secret(tx: Tx, desk: Desk, endpoint_id: int) -> str:
    secret = new_secret()
    stored = sealed.seal(desk.settings.secret, PURPOSE, secret)
    await tx.execute(
        "insert into webhook_secret (endpoint_id, sealed) values (%s, %s)", [endpoint_id, stored]
    )
    return secret


async def _note_listening(tx: Tx, wallet_id: int) -> None:
    """Events are written for wallets that somebody listens to. Without endpoints a stream may, for a day."""
    await tx.execute(_NOTE_LISTENING, {"wallet": wallet_id})


_NOTE_LISTENING: LiteralString = """
update wallet set listens_until = case
    when exists (select from webhook_endpoint where wallet_id = %(wallet)s and disabled_at is null) then 'infinity'
    else least(listens_until, now() + interval '1 day') end
where id = %(wallet)s
"""


async def list_endpoints(desk: Desk, wallet_id: int) -> list[Endpoint]:
    """The wallet's endpoints, oldest first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _of_wallet(tx, wallet_id)


async def _of_wallet(tx: Tx, wallet_id: int) -> list[Endpoint]:
    cursor = tx.cursor(row_factory=args_row(Endpoint))
    return await (await cursor.execute(_OF_WALLET, [wallet_id])).fetchall()


_OF_WALLET: LiteralString = f"select {COLUMNS} from webhook_endpoint where wallet_id = %s order by id"


async def look(desk: Desk, wallet_id: int, public_id: str) -> Endpoint:
    """The wallet's own endpoint. Refuses: NotFound, also for somebody else's."""
    async with desk.db.connection() as tx:
        return await by_public_id(tx, wallet_id, public_id)


async def by_public_id(tx: Tx, wallet_id: int, public_id: str) -> Endpoint:
    """The wallet's own endpoint. Refuses: NotFound, also for somebody else's."""
    cursor = tx.cursor(row_factory=args_row(Endpoint))
    found = await (await cursor.execute(_BY_PUBLIC_ID, [public_id, wallet_id])).fetchone()
    if found is None:
        raise NotFound("No such webhook")
    return found


_BY_PUBLIC_ID: LiteralString = (
    f"select {COLUMNS} from webhook_endpoint where public_id = %s and wallet_id = %s"
)


async def change(desk: Desk, wallet_id: int, public_id: str, changes: Mapping[str, Any]) -> Endpoint:
    """Change url, types, description or enabled. Refuses: NotFound, ValidationFailed, WebhookRejected."""
    if "url" in changes:
        Guard(desk.settings).check(changes["url"])
    try:
        async with desk.db.transaction() as tx:
            await _lock_wallet(tx, wallet_id)
            endpoint = await by_public_id(tx, wallet_id, public_id)
            values = {"id": endpoint.id, "wallet": wallet_id, **_changed(endpoint, changes)}
            cursor = tx.cursor(row_factory=args_row(Endpoint))
            changed = await (await cursor.execute(_CHANGE, values)).fetchone()
            assert changed is not None
            if changed.disabled_at is not None:
                await end_deliveries(tx, endpoint.id)
            await _note_listening(tx, wallet_id)
    except UniqueViolation as error:
        raise WebhookRejected("You have a webhook with this url already") from error
    return changed


def _changed(endpoint: Endpoint, changes: Mapping[str, Any]) -> dict[str, Any]:
    types = endpoint.types if endpoint.form == "field" else changes.get("types", endpoint.types)
    return {
        "url": changes.get("url", endpoint.url),
        "description": changes.get("description", endpoint.description),
        "types": list(dict.fromkeys(types)),
        "enabled": changes.get("enabled", endpoint.disabled_at is None),
    }


_CHANGE: LiteralString = f"""
update webhook_endpoint set url = %(url)s, description = %(description)s, types = %(types)s,
    failing_since = case when %(enabled)s and disabled_at is null then failing_since end,
    disabled_at = case when not %(enabled)s then coalesce(disabled_at, now()) end,
    disabled_why = case when not %(enabled)s then coalesce(disabled_why, 'disabled by you') end
where id = %(id)s and wallet_id = %(wallet)s
returning {COLUMNS}
"""


async def delete(desk: Desk, wallet_id: int, public_id: str) -> None:
    """No more webhooks to this address; what waited for it is over. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        await _lock_wallet(tx, wallet_id)
        endpoint = await by_public_id(tx, wallet_id, public_id)
        await tx.execute(
            "delete from webhook_endpoint where id = %s and wallet_id = %s", [endpoint.id, wallet_id]
        )
        await end_deliveries(tx, endpoint.id)
        await _note_listening(tx, wallet_id)


async def disable(tx: Tx, wallet_id: int, endpoint_id: int, why: str) -> bool:
    """Send nothing more to this address, because of what it answered; false when somebody was first."""
    await _lock_wallet(tx, wallet_id)
    if (await tx.execute(_DISABLE, [why, endpoint_id, wallet_id])).rowcount == 0:
        return False
    await end_deliveries(tx, endpoint_id)
    await _note_listening(tx, wallet_id)
    return True


_DISABLE: LiteralString = """
update webhook_endpoint set disabled_at = now(), disabled_why = %s
where id = %s and wallet_id = %s and disabled_at is null
"""


async def end_deliveries(tx: Tx, endpoint_id: int) -> int:
    """Nothing waits for this endpoint any more; `recover` brings it back."""
    return (await tx.execute(_END_DELIVERIES, [endpoint_id])).rowcount


_END_DELIVERIES: LiteralString = """
update delivery set due_at = null, claimed_until = null, failed_at = now()
where endpoint_id = %s and due_at is not null
"""


async def rotate(desk: Desk, wallet_id: int, public_id: str, once: Once | None = None) -> Made:
    """A new secret; those before it sign beside it for a day. The same `once` rotates once.

    Refuses: NotFound, WebhookRejected (too often), IdempotencyMismatch.
    """
    async with desk.db.transaction() as tx:
        if (known := await answers.recall(tx, desk, once, Made)) is not None:
            return known
        await _lock_wallet(tx, wallet_id)
        endpoint = await by_public_id(tx, wallet_id, public_id)
        await tx.execute(_FORGET_SECRETS, [endpoint.id])
        await tx.execute(_END_NEWEST, [OVERLAP_HOURS, endpoint.id])
        secret = await _add_secret(tx, desk, endpoint.id)
        if len(await secrets_of(tx, [endpoint.id])) > SECRETS_MAX:
            raise WebhookRejected(
                f"{SECRETS_MAX} secrets of this webhook are in use; the oldest ends within a day"
            )
        return await answers.keep(tx, desk, once, Made(endpoint, secret))


_FORGET_SECRETS: LiteralString = "delete from webhook_secret where endpoint_id = %s and good_until <= now()"
_END_NEWEST: LiteralString = """
update webhook_secret set good_until = now() + make_interval(hours => %s)
where endpoint_id = %s and good_until is null
"""


async def secrets_of(tx: Tx, endpoint_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """(endpoint, sealed secret) of all that sign now, the newest of each first."""
    return await (await tx.execute(_SECRETS_OF, [list(endpoint_ids)])).fetchall()


_SECRETS_OF: LiteralString = """
select endpoint_id, sealed from webhook_secret
where endpoint_id = any(%s) and (good_until is null or good_until > now()) order by endpoint_id, id desc
"""
