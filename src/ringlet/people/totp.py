"""Codes of an authenticator app (RFC 6238): set up, asked for at sign-in, each good once."""

import hmac
import io
import time
from typing import LiteralString

import msgspec
import pyotp
import segno

from ringlet import sealed
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Unauthorized, ValidationFailed, translatable
from ringlet.people import letters, persons, recovery, throttle, words
from ringlet.people.letters import Translate, untranslated
from ringlet.people.sign_in import proven
from ringlet.people.visitor import SignedIn, Visitor, check_owner

PURPOSE = "totp secret"
STEP_S = 30
#: clocks may be this many steps apart
DRIFT = 1
WRONG = translatable("The code is wrong or was used already; wait for the next one")


class TotpOffer(msgspec.Struct, frozen=True):
    """What an authenticator app takes in: as a picture (an <svg> element), as a link or typed by hand."""

    secret: str
    uri: str
    svg: str


async def begin_totp(desk: Desk, visitor: Visitor) -> TotpOffer:
    """A new secret, which counts when a code of it is confirmed. Refuses: Forbidden, ValidationFailed (there is one)."""
    check_owner(visitor)
    secret = pyotp.random_base32()
    stored = sealed.seal(desk.settings.secret, PURPOSE, secret)
    async with desk.db.transaction() as tx:
        if (await tx.execute(_BEGIN, [stored, visitor.person_id])).rowcount == 0:
            raise ValidationFailed("You have an authenticator app already: remove it first")
    return _offer(desk, visitor, secret)


def _offer(desk: Desk, visitor: Visitor, secret: str) -> TotpOffer:
    uri = pyotp.TOTP(secret).provisioning_uri(name=visitor.email, issuer_name=desk.settings.name)
    return TotpOffer(secret, uri, _drawn(uri))


async def offered_totp(desk: Desk, visitor: Visitor) -> TotpOffer | None:
    """The offer that waits for its first code, to be shown once more; None without one. Refuses: Forbidden."""
    check_owner(visitor)
    async with desk.db.connection() as tx:
        secret = await _secret(tx, desk, visitor.person_id, is_confirmed=False)
    return None if secret is None else _offer(desk, visitor, secret)


_BEGIN: LiteralString = """
update person set totp_secret = %s, totp_step = null where id = %s and totp_confirmed_at is null
"""


def _drawn(uri: str) -> str:
    picture = io.BytesIO()
    # Without inline styles and fixed size: the page's rules say how it looks.
    segno.make(uri, error="m").save(picture, kind="svg", xmldecl=False, omitsize=True, border=2, light="#fff")
    return picture.getvalue().decode().strip()


async def confirm_totp(
    desk: Desk, visitor: Visitor, code: str, *, translate: Translate = untranslated
) -> list[str]:
    """The first code is right: from now on one is asked for. Returns the recovery codes, shown this once; none when
    there are some of another factor. Refuses: Forbidden, ValidationFailed (wrong code), RateLimited.
    """
    check_owner(visitor)
    await throttle.take(desk, throttle.FACTOR, visitor.person_id)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        step = _step(await _secret(tx, desk, visitor.person_id, is_confirmed=False), code)
        if step is None:
            raise ValidationFailed("The code is wrong: is the clock of your telephone right?", field="code")
        await tx.execute(
            "update person set totp_confirmed_at = now(), totp_step = %s where id = %s",
            [step, visitor.person_id],
        )
        await letters.write(
            tx, desk.settings, visitor.email, words.FACTOR_ADDED, translate, factor=_app(translate)
        )
        codes = await first_codes(tx, desk, visitor.person_id)
    await throttle.put_back(desk, throttle.FACTOR, visitor.person_id)
    return codes


async def first_codes(tx: Tx, desk: Desk, person_id: int) -> list[str]:
    """Recovery codes with the first factor; with any other those that are left stay."""
    return (
        [] if await recovery.left(tx, person_id) else await recovery.make(tx, desk.settings.secret, person_id)
    )


async def _secret(tx: Tx, desk: Desk, person_id: int, *, is_confirmed: bool) -> str | None:
    row = await (await tx.execute(_SEALED, [person_id, is_confirmed])).fetchone()
    return None if row is None else sealed.unseal(desk.settings.secret, PURPOSE, row[0])


_SEALED: LiteralString = """
select totp_secret from person
where id = %s and totp_secret is not null and (totp_confirmed_at is not null) = %s
"""


def _step(secret: str | None, code: str) -> int | None:
    """The step whose code this is, looking a little around now."""
    digits = "".join(code.split())
    if secret is None or not (digits.isascii() and digits.isdigit()):
        return None
    app, now = pyotp.TOTP(secret), int(time.time()) // STEP_S
    steps = [now + drift for drift in range(-DRIFT, DRIFT + 1)]
    return next((step for step in steps if hmac.compare_digest(app.generate_otp(step), digits)), None)


async def verify_totp(desk: Desk, visitor: Visitor, code: str) -> SignedIn:
    """The code as second factor; the session goes on under a new token.

    Refuses: Unauthorized (wrong, used, or the session has ended), RateLimited.
    """
    await throttle.take(desk, throttle.FACTOR, visitor.person_id)
    async with desk.db.transaction() as tx:
        step = _step(await _secret(tx, desk, visitor.person_id, is_confirmed=True), code)
        if step is None or (await tx.execute(_USE, [step, visitor.person_id, step])).rowcount == 0:
            raise Unauthorized(WRONG)
        signed_in = await proven(tx, desk, visitor.session_id, awaited=True)
    await throttle.put_back(desk, throttle.FACTOR, visitor.person_id)
    return signed_in


# Only forward: whoever saw a code over a shoulder cannot use it after its owner.
_USE: LiteralString = """
update person set totp_step = %s where id = %s and totp_confirmed_at is not null and coalesce(totp_step, -1) < %s
"""


async def remove_totp(desk: Desk, visitor: Visitor, *, translate: Translate = untranslated) -> None:
    """No app any more; with the last factor the recovery codes go too. Refuses: Forbidden, ValidationFailed."""
    check_owner(visitor)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        if (await tx.execute(_REMOVE, [visitor.person_id])).rowcount == 0:
            raise ValidationFailed("You have no authenticator app")
        await factor_gone(tx, desk, visitor, _app(translate), translate)


_REMOVE: LiteralString = """
update person set totp_secret = null, totp_confirmed_at = null where id = %s and totp_confirmed_at is not null
"""


def _app(translate: Translate) -> str:
    """What this factor is called in letters."""
    return translate("an authenticator app")


async def factor_gone(tx: Tx, desk: Desk, visitor: Visitor, factor: str, translate: Translate) -> None:
    """What follows when a factor of a locked person was removed; `factor` is its name in the person's language."""
    if not (await persons.by_id(tx, visitor.person_id)).has_second_factor:
        await recovery.drop(tx, visitor.person_id)
    await letters.write(tx, desk.settings, visitor.email, words.FACTOR_REMOVED, translate, factor=factor)
