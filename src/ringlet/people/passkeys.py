"""Passkeys (WebAuthn): added, listed, removed, and asked for: as second factor, in place of the password, or once more
within a session. What an authenticator is asked to sign is good for five minutes and for one answer.
"""

import json
from datetime import datetime
from typing import Any, LiteralString
from urllib.parse import urlsplit

import msgspec
import webauthn
from psycopg.errors import UniqueViolation
from psycopg.rows import args_row
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ringlet import tokens
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, Unauthorized, ValidationFailed, translatable
from ringlet.people import letters, persons, throttle, words
from ringlet.people.letters import Translate, untranslated
from ringlet.people.sign_in import open_session, proven
from ringlet.people.totp import factor_gone, first_codes
from ringlet.people.visitor import SignedIn, Visitor, check_owner, check_whole
from ringlet.settings import Settings

PREFIX = "rlc_"
PER_PERSON_MAX = 20
NAME_LENGTH_MAX = 100
CHALLENGE_S = 300
ANSWER_LENGTH_MAX = 20_000
WRONG = translatable("This passkey was not accepted; try again")
_BROKEN = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError)


class PasskeyOptions(msgspec.Struct, frozen=True):
    """For the browser: `options` is JSON for navigator.credentials, `challenge` comes back with the answer."""

    options: str
    challenge: str


class PasskeyLine(msgspec.Struct, frozen=True):
    """A passkey as its owner sees it."""

    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


class Added(msgspec.Struct, frozen=True):
    """A new passkey; with the first factor come recovery codes, shown this once."""

    id: int
    recovery_codes: list[str]


class _Known(msgspec.Struct, frozen=True):
    id: int
    person_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int


def _host(settings: Settings) -> str:
    return urlsplit(settings.public_url).hostname or ""


async def add_passkey_options(desk: Desk, visitor: Visitor) -> PasskeyOptions:
    """What the browser needs to make a passkey. Refuses: Forbidden, ValidationFailed (too many)."""
    check_owner(visitor)
    async with desk.db.transaction() as tx:
        known = await _of_person(tx, visitor.person_id)
        if len(known) >= PER_PERSON_MAX:
            raise ValidationFailed(f"You have {PER_PERSON_MAX} passkeys, which is the most: remove one first")
        options = webauthn.generate_registration_options(
            rp_id=_host(desk.settings),
            rp_name=desk.settings.name,
            user_name=visitor.email,
            # The same for every passkey of a person, and nothing that names him.
            user_id=tokens.fingerprint(desk.settings.secret, f"passkey user {visitor.person_id}"),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        token = await _keep(tx, desk, "add", visitor.session_id, options.challenge)
    return PasskeyOptions(webauthn.options_to_json(options), token)


async def _of_person(tx: Tx, person_id: int) -> list[_Known]:
    cursor = tx.cursor(row_factory=args_row(_Known))
    return await (await cursor.execute(_OF_PERSON, [person_id])).fetchall()


_COLUMNS: LiteralString = "id, person_id, credential_id, public_key, sign_count"
_OF_PERSON: LiteralString = f"select {_COLUMNS} from passkey where person_id = %s order by id"


async def _keep(tx: Tx, desk: Desk, purpose: str, session_id: int | None, challenge: bytes) -> str:
    token = tokens.make(PREFIX)
    fingerprint = tokens.fingerprint(desk.settings.secret, token)
    await tx.execute(_KEEP, [fingerprint, purpose, session_id, challenge, CHALLENGE_S])
    return token


_KEEP: LiteralString = """
insert into passkey_challenge (token_fingerprint, purpose, session_id, challenge, ends_at)
values (%s, %s, %s, %s, now() + make_interval(secs => %s))
"""


async def _take(tx: Tx, desk: Desk, token: str, purpose: str, session_id: int | None) -> bytes:
    """The challenge, used up whatever becomes of the answer. Refuses: Unauthorized."""
    fingerprint = tokens.fingerprint(desk.settings.secret, token)
    row = await (await tx.execute(_TAKE, [fingerprint, purpose, session_id])).fetchone()
    if row is None:
        raise Unauthorized("That took too long; try again")
    return bytes(row[0])


_TAKE: LiteralString = """
delete from passkey_challenge
where token_fingerprint = %s and purpose = %s and session_id is not distinct from %s and ends_at > now()
returning challenge
"""


async def add_passkey(
    desk: Desk,
    visitor: Visitor,
    challenge: str,
    answer: str,
    name: str,
    *,
    translate: Translate = untranslated,
) -> Added:
    """The browser made a passkey; `answer` is its JSON. Refuses: Forbidden, ValidationFailed, Unauthorized (too late)."""
    check_owner(visitor)
    name = _named(name) or "Passkey"
    async with desk.db.connection() as tx:
        asked = await _take(tx, desk, challenge, "add", visitor.session_id)
    try:
        made = webauthn.verify_registration_response(
            credential=_decoded(answer),
            expected_challenge=asked,
            expected_rp_id=_host(desk.settings),
            expected_origin=desk.settings.public_url,
        )
    except _BROKEN as error:
        raise ValidationFailed(WRONG) from error
    values = [visitor.person_id, made.credential_id, made.credential_public_key, made.sign_count, name]
    try:
        async with desk.db.transaction() as tx:
            await persons.lock(tx, visitor.person_id)
            row = await (await tx.execute(_ADD, values)).fetchone()
            assert row is not None
            await letters.write(
                tx, desk.settings, visitor.email, words.FACTOR_ADDED, translate, factor=_passkey(translate)
            )
            return Added(int(row[0]), await first_codes(tx, desk, visitor.person_id))
    except UniqueViolation as error:
        raise ValidationFailed("This passkey is known already") from error


def _passkey(translate: Translate) -> str:
    """What this factor is called in letters."""
    return translate("a passkey")


_ADD: LiteralString = """
insert into passkey (person_id, credential_id, public_key, sign_count, name) values (%s, %s, %s, %s, %s) returning id
"""


def _named(text: str) -> str:
    """One line, without what cannot be seen."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())[:NAME_LENGTH_MAX]


def _decoded(answer: str) -> dict[str, Any]:
    found = json.loads(answer) if len(answer) <= ANSWER_LENGTH_MAX else None
    if not isinstance(found, dict):
        raise TypeError("not an answer")
    return found


async def list_passkeys(desk: Desk, visitor: Visitor) -> list[PasskeyLine]:
    """The person's passkeys, the oldest first. Refuses: Forbidden."""
    check_whole(visitor)
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(PasskeyLine))
        return await (await cursor.execute(_LIST, [visitor.person_id])).fetchall()


_LIST: LiteralString = (
    "select id, name, created_at, last_used_at from passkey where person_id = %s order by id"
)


async def rename_passkey(desk: Desk, visitor: Visitor, passkey_id: int, name: str) -> None:
    """Call it something else. Refuses: Forbidden, ValidationFailed (no name), NotFound (also somebody else's)."""
    check_whole(visitor)
    if not (name := _named(name)):
        raise ValidationFailed("A passkey needs a name")
    async with desk.db.transaction() as tx:
        if (await tx.execute(_RENAME, [name, passkey_id, visitor.person_id])).rowcount == 0:
            raise NotFound("No such passkey")


_RENAME: LiteralString = "update passkey set name = %s where id = %s and person_id = %s"


async def remove_passkey(
    desk: Desk, visitor: Visitor, passkey_id: int, *, translate: Translate = untranslated
) -> None:
    """Refuses: Forbidden, NotFound (also somebody else's)."""
    check_owner(visitor)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        gone = await tx.execute(
            "delete from passkey where id = %s and person_id = %s", [passkey_id, visitor.person_id]
        )
        if gone.rowcount == 0:
            raise NotFound("No such passkey")
        await factor_gone(tx, desk, visitor, _passkey(translate), translate)


async def passkey_options(
    desk: Desk, visitor: Visitor | None = None, *, address: str | None = None
) -> PasskeyOptions:
    """What the browser needs to ask for a passkey: of this visitor, or (None) of whoever wants to sign in.

    Refuses: ValidationFailed (the visitor has none), RateLimited.
    """
    if visitor is None:
        await throttle.take(desk, throttle.SIGN_IN_ADDRESS, throttle.place(address))
    async with desk.db.transaction() as tx:
        known = await _of_person(tx, visitor.person_id) if visitor else []
        if visitor and not known:
            raise ValidationFailed("You have no passkey")
        options = webauthn.generate_authentication_options(
            rp_id=_host(desk.settings),
            allow_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known]
            or None,
            user_verification=_wanted(visitor),
        )
        purpose, session_id = ("verify", visitor.session_id) if visitor else ("sign_in", None)
        token = await _keep(tx, desk, purpose, session_id, options.challenge)
    return PasskeyOptions(webauthn.options_to_json(options), token)


def _wanted(visitor: Visitor | None) -> UserVerificationRequirement:
    """After the password holding it is enough; alone it must have asked for finger, face or PIN."""
    if visitor is not None and visitor.awaits_second_factor:
        return UserVerificationRequirement.PREFERRED
    return UserVerificationRequirement.REQUIRED


async def passkey_verify(desk: Desk, visitor: Visitor, challenge: str, answer: str) -> SignedIn:
    """A passkey as second factor, or as proof within a session; it goes on under a new token.

    Refuses: Unauthorized, RateLimited.
    """
    await throttle.take(desk, throttle.FACTOR, visitor.person_id)
    async with desk.db.connection() as tx:
        asked = await _take(tx, desk, challenge, "verify", visitor.session_id)
    async with desk.db.transaction() as tx:
        known = await _check(tx, desk, asked, answer, is_alone=not visitor.awaits_second_factor)
        if known.person_id != visitor.person_id:
            raise Unauthorized(WRONG)
        signed_in = await proven(tx, desk, visitor.session_id, awaited=visitor.awaits_second_factor)
    await throttle.put_back(desk, throttle.FACTOR, visitor.person_id)
    return signed_in


async def passkey_sign_in(
    desk: Desk, challenge: str, answer: str, address: str | None = None, user_agent: str = ""
) -> SignedIn:
    """A new session by a passkey alone, which is two factors in one. Refuses: Unauthorized, RateLimited."""
    await throttle.take(desk, throttle.SIGN_IN_ADDRESS, throttle.place(address))
    async with desk.db.connection() as tx:
        asked = await _take(tx, desk, challenge, "sign_in", None)
    async with desk.db.transaction() as tx:
        known = await _check(tx, desk, asked, answer, is_alone=True)
        person = await persons.by_id(tx, known.person_id)
        return await open_session(tx, desk, person, address, user_agent, is_proven=True)


async def _check(tx: Tx, desk: Desk, asked: bytes, answer: str, *, is_alone: bool) -> _Known:
    """The passkey that signed the challenge; a counter that went back is a copy. Refuses: Unauthorized."""
    try:
        decoded = _decoded(answer)
        known = await _by_credential(tx, base64url_to_bytes(decoded["id"]))
        found = webauthn.verify_authentication_response(
            credential=decoded,
            expected_challenge=asked,
            expected_rp_id=_host(desk.settings),
            expected_origin=desk.settings.public_url,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=is_alone,
        )
    except _BROKEN as error:
        raise Unauthorized(WRONG) from error
    await tx.execute(
        "update passkey set sign_count = %s, last_used_at = now() where id = %s",
        [found.new_sign_count, known.id],
    )
    return known


async def _by_credential(tx: Tx, credential_id: bytes) -> _Known:
    """Locked, so that two answers of one authenticator are compared with its counter one after the other."""
    cursor = tx.cursor(row_factory=args_row(_Known))
    found = await (await cursor.execute(_BY_CREDENTIAL, [credential_id])).fetchone()
    if found is None:
        raise Unauthorized(WRONG)
    return found


_BY_CREDENTIAL: LiteralString = f"select {_COLUMNS} from passkey where credential_id = %s for update"
