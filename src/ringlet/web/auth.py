"""Who calls: bearer token → key → wallet. Kept in memory as long as news from the database keeps it true."""

from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec

from ringlet import customers, ledger, tokens
from ringlet.customers import ApiKey
from ringlet.desk import Desk
from ringlet.errors import Forbidden, Unauthorized
from ringlet.ledger import Wallet

KEPT_MAX = 50_000


class Caller(msgspec.Struct, frozen=True):
    """A key that was good when it was last looked at, and the wallet that it opens."""

    key: ApiKey
    wallet: Wallet


class KeyRing:
    """Callers by the fingerprint of their token. Fails safe: with the news in doubt it asks every time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._callers: dict[bytes, Caller] = {}
        self._generation = 0
        #: key → the address that it was used from
        self._used: dict[int, str | None] = {}
        desk.feed.subscribe(self._on_news, self.forget)

    def _on_news(self, topic: str, _: str) -> None:
        if topic == "keys":
            self.forget()

    def forget(self) -> None:
        """Believe nothing any more; what is being looked up now is not kept either."""
        self._callers.clear()
        self._generation += 1

    async def caller(self, authorization: str, client: str | None) -> Caller:
        """Refuses: Unauthorized (no, unknown, revoked or expired key), Forbidden (frozen, address not allowed),
        ServiceUnavailable.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized
        fingerprint = tokens.fingerprint(self._desk.settings.secret, token)
        caller = self._callers.get(fingerprint) or await self._look_up(fingerprint, token)
        _check(caller.key, client)
        self._used[caller.key.id] = client
        return caller

    async def _look_up(self, fingerprint: bytes, token: str) -> Caller:
        if not tokens.is_well_formed(token):
            raise Unauthorized
        generation = self._generation
        async with self._desk.db.connection() as tx:
            key = await customers.key_by_token(tx, self._desk.settings.secret, token)
            if key is None:
                raise Unauthorized
            caller = Caller(key, await ledger.wallet(tx, key.wallet_id))
        if self._desk.feed.sound and generation == self._generation:
            if len(self._callers) >= KEPT_MAX:
                self._callers.clear()
            self._callers[fingerprint] = caller
        return caller

    async def note_use(self) -> None:
        """Write down which keys were used since the last time; called about once a minute."""
        used, self._used = self._used, {}
        if used:
            async with self._desk.db.transaction() as tx:
                await customers.note_use(tx, list(used), [_address(each) for each in used.values()])


def _address(client: str | None) -> str | None:
    """What the database takes for an address; a socket of the file system has none."""
    try:
        return str(ip_address(client or ""))
    except ValueError:
        return None


def _check(key: ApiKey, client: str | None) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= datetime.now(UTC)):
        raise Unauthorized
    if key.frozen_at is not None:
        raise Forbidden("This account is frozen")
    if key.allowed_addresses is not None and not _is_allowed(key, client):
        raise Forbidden("This API key may not be used from this address")


def _is_allowed(key: ApiKey, client: str | None) -> bool:
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    return any(address in network for network in key.allowed_addresses or ())
