"""Who asks: the `api_key` is a token of the REST API, with its limits, scopes and addresses."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request

from ringlet import customers
from ringlet.errors import Forbidden
from ringlet.web.api import Office
from ringlet.web.auth import Caller
from ringlet.web.handler.asking import Parameters
from ringlet.web.handler.words import No

#: A frozen account has no end that we know: whoever reads the date may ask again then.
BANNED_FOR = timedelta(days=1)


async def let_in(request: Request[Any, Any, Any], office: Office, given: Parameters) -> Caller:
    """Refuses: No NO_KEY, No BANNED, Unauthorized, Forbidden, RateLimited, ServiceUnavailable."""
    token = given.text("api_key")
    if not token:
        raise No("NO_KEY")
    client = request.scope.get("client")
    try:
        caller = await office.keys.caller(f"Bearer {token}", client[0] if client else None)
    except Forbidden:
        if await _is_frozen(office, token):
            until = datetime.now(UTC) + BANNED_FOR
            raise No(
                "BANNED", until.strftime("'%Y-%m-%d %H-%M-%S'"), details="This account is frozen"
            ) from None
        raise
    request.scope["state"]["caller"] = caller
    if office.limits.per_s:
        office.limits.take(caller.key.id)
    return caller


async def _is_frozen(office: Office, token: str) -> bool:
    async with office.desk.db.connection() as tx:
        key = await customers.key_by_token(tx, office.desk.settings.secret, token)
    return key is not None and key.frozen_at is not None


def must_have(caller: Caller, scope: str) -> None:
    """Refuses: Forbidden."""
    if scope not in caller.key.scopes:
        raise Forbidden(f"This API key lacks the scope {scope}")
