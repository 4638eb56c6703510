"""The hook for identity checks: the operator's own service is asked by a signed POST, and answers by one.

    we ask      POST the configured address   {"type": "identity.asked", "timestamp": …, "data": {"customer_id", "email"}}
    it answers  POST /hooks/identity          {"customer_id": "12", "state": "verified"}

Both are signed as Standard Webhooks under one secret, which the page shows once. What is asked is a row with a time:
a worker that died asks again, under the same id.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, LiteralString

import aiohttp
import msgspec
import structlog
from psycopg.rows import args_row
from standardwebhooks import Webhook, WebhookVerificationError

from ringlet import acts, privacy, sealed
from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import NotFound, Unauthorized, ValidationFailed
from ringlet.people import identity
from ringlet.webhooks.addresses import Guard
from ringlet.webhooks.endpoints import new_secret

PURPOSE = "identity hook secret"
#: who answers, in the log of what staff did
SERVICE = Actor("identity service", "owner")
AT_ONCE = 5
CLAIMED_S = 60
WITHIN_S = 15.0
#: seconds after each attempt that came to nothing; after the last one somebody of the staff decides
PAUSES_S = (60, 600, 3_600, 21_600)
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValidationFailed, ValueError)

log = structlog.get_logger("ringlet.identity")


async def set_hook(desk: Desk, actor: Actor, url: str) -> str:
    """Ask this address from now on; returns the new secret, which is shown this once.

    Refuses: ValidationFailed (as for the webhooks of customers: https, and an address that may be reached).
    """
    url = url.strip()
    Guard(desk.settings).check(url)
    secret = new_secret()
    async with desk.db.transaction() as tx:
        await tx.execute(_SET, [url, sealed.seal(desk.settings.secret, PURPOSE, secret)])
        await acts.write(tx, actor, "identity_hook.set", "privacy", after={"url": url})
    return secret


_SET: LiteralString = "update privacy set identity_url = %s, identity_secret = %s"


async def drop_hook(desk: Desk, actor: Actor) -> None:
    """Nobody is asked any more, and no answer is taken."""
    async with desk.db.transaction() as tx:
        await tx.execute(_SET, [None, None])
        await acts.write(tx, actor, "identity_hook.dropped", "privacy")


class _Due(msgspec.Struct, frozen=True):
    customer_id: int
    email: str
    attempts: int
    changed_at: datetime


async def ask_due(desk: Desk) -> int:
    """Ask about those who are due, each claimed by putting its time off; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        hook = await privacy.load(tx, desk.settings)
        if hook.identity_url is None or hook.identity_secret is None:
            return 0
        cursor = tx.cursor(row_factory=args_row(_Due))
        due = await (await cursor.execute(_CLAIM, [CLAIMED_S, AT_ONCE])).fetchall()
    if due:
        signer = Webhook(sealed.unseal(desk.settings.secret, PURPOSE, hook.identity_secret))
        async with Guard(desk.settings).session() as session:
            for each in due:
                await _note(desk, each, await _ask(session, desk, hook.identity_url, signer, each))
    return len(due)


_CLAIM: LiteralString = """
update identity_check i set due_at = now() + make_interval(secs => %s) from customer c
where c.id = i.customer_id and i.customer_id in (select customer_id from identity_check where due_at <= now()
    order by due_at limit %s for update skip locked)
returning i.customer_id, c.email, i.attempts, i.changed_at
"""


async def _ask(
    session: aiohttp.ClientSession, desk: Desk, url: str, signer: Webhook, due: _Due
) -> str | None:
    """One attempt; what went wrong, if anything did."""
    now = datetime.now(UTC)
    data = {"customer_id": str(due.customer_id), "email": due.email}
    body = json.dumps({"type": "identity.asked", "timestamp": now.isoformat(), "data": data})
    name = f"identity_{due.customer_id}_{int(due.changed_at.timestamp())}"
    head = {
        "content-type": "application/json", "webhook-id": name, "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(name, now, body),
    }  # fmt: skip
    try:
        Guard(desk.settings).check(url)
        async with session.post(
            url, data=body, headers=head, allow_redirects=False, timeout=aiohttp.ClientTimeout(WITHIN_S)
        ) as answer:
            return None if answer.ok else f"the answer was {answer.status}"
    except _BROKEN as broken:
        return (str(broken) or type(broken).__name__)[:200].replace("\0", "")


async def _note(desk: Desk, due: _Due, error: str | None) -> None:
    if error is not None:
        log.warning("identity_not_asked", customer=due.customer_id, attempts=due.attempts + 1, error=error)
    pause_s = PAUSES_S[due.attempts] if error is not None and due.attempts < len(PAUSES_S) else None
    async with desk.db.connection() as tx:
        await tx.execute(_NOTE, [pause_s, error, due.customer_id])


# Answered meanwhile: then it is not due any more, and stays so.
_NOTE: LiteralString = """
update identity_check set due_at = now() + make_interval(secs => %s), error = %s, attempts = attempts + 1
where customer_id = %s and due_at is not null
"""


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    customer_id: str
    state: str


async def answer(desk: Desk, body: bytes, head: Mapping[str, str]) -> None:
    """What the operator's service says of a customer; the same again changes nothing.

    Refuses: Unauthorized (not signed with the secret, or too old), ValidationFailed, NotFound, ServiceUnavailable.
    """
    async with desk.db.connection() as tx:
        secret = (await privacy.load(tx, desk.settings)).identity_secret
    if secret is None:
        raise NotFound
    _verify(sealed.unseal(desk.settings.secret, PURPOSE, secret), body, head)
    try:
        said = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValidationFailed("JSON with customer_id and state") from error
    if not (said.customer_id.isascii() and said.customer_id.isdigit() and len(said.customer_id) <= 18):  # noqa: PLR2004
        raise NotFound("No such customer")
    await identity.decide(desk, SERVICE, int(said.customer_id), said.state)


def _verify(secret: str, body: bytes, head: Mapping[str, Any]) -> None:
    try:
        Webhook(secret).verify(body.decode(), dict(head))
    except (WebhookVerificationError, UnicodeDecodeError, ValueError) as error:
        raise Unauthorized("This answer is not signed with the secret of the hook") from error
