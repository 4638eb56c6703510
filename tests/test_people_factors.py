"""The second factor: codes of an app, recovery codes, passkeys. Each is good once."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyotp
import pytest

from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, RateLimited, Unauthorized, ValidationFailed
from ringlet.people import passkeys, recovery, sessions, totp
from ringlet.people.keys import list_keys
from ringlet.people.visitor import SignedIn
from tests.fakes.authenticator import Authenticator, b64, unb64
from tests.people_rig import Signed, enter, execute, letters_to, new_person, seen

ORIGIN = "http://127.0.0.1:8080"


async def with_app(desk: Desk, person: Signed) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator app, and the recovery codes that came with it."""
    offer = await totp.begin_totp(desk, person.visitor)
    app = pyotp.TOTP(offer.secret)
    codes = await totp.confirm_totp(desk, person.visitor, app.now())
    await execute(desk, "update person set totp_step = totp_step - 3")  # as if it had been a while ago
    return app, codes


async def with_passkey(desk: Desk, person: Signed, **more: Any) -> Authenticator:
    """A passkey in a software authenticator."""
    authenticator = Authenticator(ORIGIN, **more)
    asked = await passkeys.add_passkey_options(desk, person.visitor)
    await passkeys.add_passkey(
        desk, person.visitor, asked.challenge, authenticator.create(asked.options), "Mine"
    )
    return authenticator


def entered(done: list[SignedIn | BaseException]) -> list[SignedIn]:
    return [each for each in done if isinstance(each, SignedIn)]


async def test_an_app_is_set_up(desk: Desk) -> None:
    """A picture to scan, a first code, ten recovery codes; the secret is sealed and the owner hears of it."""
    ann = await new_person(desk)
    offer = await totp.begin_totp(desk, ann.visitor)
    assert offer.uri.startswith("otpauth://totp/Ringlet:ann%40example.org?secret=" + offer.secret)
    assert offer.svg.startswith("<svg")
    assert "style=" not in offer.svg
    assert not (await seen(desk, ann.token)).has_second_factor
    assert await totp.offered_totp(desk, ann.visitor) == offer
    with pytest.raises(ValidationFailed):
        await totp.confirm_totp(desk, ann.visitor, "000000")
    codes = await totp.confirm_totp(desk, ann.visitor, pyotp.TOTP(offer.secret).now())
    assert len(set(codes)) == 10
    assert await totp.offered_totp(desk, ann.visitor) is None
    assert (await seen(desk, ann.token)).has_second_factor
    assert "added" in (await letters_to(desk, "ann@example.org"))[0].subject
    with pytest.raises(ValidationFailed):
        await totp.begin_totp(desk, ann.visitor)
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select totp_secret from person")).fetchone()
    assert row is not None
    assert offer.secret.encode() not in bytes(row[0])


async def test_without_the_second_factor_nothing_opens(desk: Desk) -> None:
    """A session that waits for it sees no keys, no sessions, and changes nothing."""
    ann = await new_person(desk)
    app, _ = await with_app(desk, ann)
    waiting = await enter(desk)
    assert waiting.visitor.awaits_second_factor
    for act in (sessions.list_sessions, list_keys, sessions.end_other_sessions, totp.begin_totp,
                passkeys.list_passkeys, recovery.new_recovery_codes):  # fmt: skip
        with pytest.raises(Forbidden):
            await act(desk, waiting.visitor)
    signed_in = await totp.verify_totp(desk, waiting.visitor, app.now())
    assert await sessions.find(desk, waiting.token) is None, "the token of before is worth nothing"
    assert not (await seen(desk, signed_in.token)).awaits_second_factor


async def test_a_code_is_good_once(desk: Desk) -> None:
    """The same code in many sessions at once lets one in, and nobody later; the next one does again."""
    ann = await new_person(desk)
    app, _ = await with_app(desk, ann)
    waiting = [await enter(desk) for _ in range(5)]
    code = app.now()
    done = await asyncio.gather(
        *(totp.verify_totp(desk, each.visitor, code) for each in waiting), return_exceptions=True
    )
    assert len(entered(done)) == 1
    again = await enter(desk)
    with pytest.raises(Unauthorized):
        await totp.verify_totp(desk, again.visitor, code)
    await totp.verify_totp(desk, again.visitor, app.at(int(time.time()) + 30))


@pytest.mark.parametrize("wrong", ["", "12345", "abcdef", "１２３４５６", "0" * 10_000, "-12345"])
async def test_what_is_no_code(desk: Desk, wrong: str) -> None:
    """Refused, whatever it is, and the session still waits."""
    ann = await new_person(desk)
    await with_app(desk, ann)
    waiting = await enter(desk)
    with pytest.raises(Unauthorized):
        await totp.verify_totp(desk, waiting.visitor, wrong)
    assert (await seen(desk, waiting.token)).awaits_second_factor


async def test_an_old_code_is_none(desk: Desk) -> None:
    """Clocks may differ by a step, not by two."""
    ann = await new_person(desk)
    app, _ = await with_app(desk, ann)
    waiting = await enter(desk)
    for off_s in (-61, 91):
        with pytest.raises(Unauthorized):
            await totp.verify_totp(desk, waiting.visitor, app.at(int(time.time()) + off_s))


async def test_guessing_codes_is_slowed(desk: Desk) -> None:
    """Six guesses of any kind, then one every two minutes; a right one does not help before."""
    ann = await new_person(desk)
    app, _ = await with_app(desk, ann)
    waiting = await enter(desk)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await totp.verify_totp(desk, waiting.visitor, "000000")
        with pytest.raises(Unauthorized):
            await recovery.verify_recovery_code(desk, waiting.visitor, "aaaa-bbbb-cccc")
    with pytest.raises(RateLimited):
        await totp.verify_totp(desk, waiting.visitor, app.now())


async def test_a_recovery_code_is_good_once(desk: Desk) -> None:
    """Two at once with the same: one gets in; the owner hears how many are left; spelling does not matter."""
    ann = await new_person(desk)
    _, codes = await with_app(desk, ann)
    first, second = await enter(desk), await enter(desk)
    done = await asyncio.gather(
        recovery.verify_recovery_code(desk, first.visitor, codes[0]),
        recovery.verify_recovery_code(desk, second.visitor, codes[0].upper().replace("-", " ")),
        return_exceptions=True,
    )
    assert len(entered(done)) == 1
    assert "9 are left" in ((await letters_to(desk, "ann@example.org"))[0].body or "")
    bob = await new_person(desk, "bob@example.org")
    await with_app(desk, bob)
    waiting = await enter(desk, "bob@example.org")
    with pytest.raises(Unauthorized):
        await recovery.verify_recovery_code(desk, waiting.visitor, codes[1])


async def test_a_code_is_not_spent_on_a_session_that_ended(desk: Desk) -> None:
    """What did not let anybody in is still good."""
    ann = await new_person(desk)
    _, codes = await with_app(desk, ann)
    waiting, other = await enter(desk), await enter(desk)
    await sessions.sign_out(desk, waiting.visitor)
    with pytest.raises(Unauthorized):
        await recovery.verify_recovery_code(desk, waiting.visitor, codes[0])
    await recovery.verify_recovery_code(desk, other.visitor, codes[0])


async def test_new_recovery_codes_end_the_old(desk: Desk) -> None:
    """Ten new ones, for whoever has a second factor."""
    ann = await new_person(desk)
    with pytest.raises(ValidationFailed):
        await recovery.new_recovery_codes(desk, ann.visitor)
    _, codes = await with_app(desk, ann)
    fresh = await recovery.new_recovery_codes(desk, ann.visitor)
    waiting = await enter(desk)
    with pytest.raises(Unauthorized):
        await recovery.verify_recovery_code(desk, waiting.visitor, codes[0])
    await recovery.verify_recovery_code(desk, waiting.visitor, fresh[0])


async def test_an_app_is_removed(desk: Desk) -> None:
    """Then the password is enough, and the recovery codes are gone; it needs a fresh proof."""
    ann = await new_person(desk)
    await with_app(desk, ann)
    old = msgspec.structs.replace(ann.visitor, proven_at=datetime.now(UTC) - timedelta(hours=2))
    for act in (totp.remove_totp, recovery.new_recovery_codes, passkeys.add_passkey_options):
        with pytest.raises(Forbidden):
            await act(desk, old)
    await totp.remove_totp(desk, ann.visitor)
    assert not (await enter(desk)).visitor.awaits_second_factor
    assert await execute(desk, "delete from recovery_code") == 0
    with pytest.raises(ValidationFailed):
        await totp.remove_totp(desk, ann.visitor)


async def test_a_passkey_as_second_factor(desk: Desk) -> None:
    """Holding it is enough after the password; with the first factor come recovery codes."""
    ann = await new_person(desk)
    authenticator = Authenticator(ORIGIN, asks_user=False)
    asked = await passkeys.add_passkey_options(desk, ann.visitor)
    added = await passkeys.add_passkey(
        desk, ann.visitor, asked.challenge, authenticator.create(asked.options), " "
    )
    assert len(added.recovery_codes) == 10
    assert [(each.id, each.name) for each in await passkeys.list_passkeys(desk, ann.visitor)] == [
        (added.id, "Passkey")
    ]
    waiting = await enter(desk)
    assert waiting.visitor.awaits_second_factor
    asked = await passkeys.passkey_options(desk, waiting.visitor)
    assert [each["id"] for each in json.loads(asked.options)["allowCredentials"]] == [
        b64(authenticator.credential_id)
    ]
    signed_in = await passkeys.passkey_verify(
        desk, waiting.visitor, asked.challenge, authenticator.get(asked.options)
    )
    assert not (await seen(desk, signed_in.token)).awaits_second_factor


async def test_a_passkey_instead_of_the_password(desk: Desk) -> None:
    """Alone it signs in, when it has asked for its holder; without that it does not."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    asked = await passkeys.passkey_options(desk)
    answer = authenticator.get(asked.options)
    signed_in = await passkeys.passkey_sign_in(desk, asked.challenge, answer, "192.0.2.9", "Browser 2")
    found = await seen(desk, signed_in.token)
    assert (found.email, found.awaits_second_factor) == ("ann@example.org", False)
    with pytest.raises(Unauthorized):
        await passkeys.passkey_sign_in(desk, asked.challenge, answer)
    authenticator.asks_user = False
    asked = await passkeys.passkey_options(desk)
    with pytest.raises(Unauthorized):
        await passkeys.passkey_sign_in(desk, asked.challenge, authenticator.get(asked.options))


async def test_an_answer_is_good_once(desk: Desk) -> None:
    """The same answer many times at once opens one session."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    asked = await passkeys.passkey_options(desk)
    answer = authenticator.get(asked.options)
    done = await asyncio.gather(
        *(passkeys.passkey_sign_in(desk, asked.challenge, answer) for _ in range(6)), return_exceptions=True
    )
    assert len(entered(done)) == 1


async def test_a_passkey_proves_within_a_session(desk: Desk) -> None:
    """In place of the password, under a new token."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    await execute(desk, "update person_session set proven_at = now() - interval '2 hours'")
    asked = await passkeys.passkey_options(desk, ann.visitor)
    proven = await passkeys.passkey_verify(
        desk, ann.visitor, asked.challenge, authenticator.get(asked.options)
    )
    found = await seen(desk, proven.token)
    assert datetime.now(UTC) - found.proven_at < timedelta(minutes=1)


async def test_a_copied_passkey_is_noticed(desk: Desk) -> None:
    """A counter that goes back is somebody else's copy."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    for counter, good in ((5, True), (3, False), (5, False), (6, True)):
        authenticator.counter = counter
        asked = await passkeys.passkey_options(desk)
        signing = passkeys.passkey_sign_in(desk, asked.challenge, authenticator.get(asked.options))
        if good:
            await signing
        else:
            with pytest.raises(Unauthorized):
                await signing


async def test_a_challenge_belongs_to_its_session_and_purpose(desk: Desk) -> None:
    """Another's, an old, an invented one, and one for something else: refused."""
    ann, bob = await new_person(desk), await new_person(desk, "bob@example.org")
    authenticator = await with_passkey(desk, ann)
    await with_passkey(desk, bob)
    asked = await passkeys.passkey_options(desk, ann.visitor)
    answer = authenticator.get(asked.options)
    with pytest.raises(Unauthorized):
        await passkeys.passkey_verify(desk, bob.visitor, asked.challenge, answer)
    with pytest.raises(Unauthorized):
        await passkeys.passkey_sign_in(desk, asked.challenge, answer)
    with pytest.raises(Unauthorized):
        await passkeys.add_passkey(desk, ann.visitor, asked.challenge, authenticator.create(
            (await passkeys.add_passkey_options(desk, ann.visitor)).options), "x")  # fmt: skip
    his = await passkeys.passkey_options(desk, bob.visitor)
    with pytest.raises(Unauthorized):  # her passkey in his session
        await passkeys.passkey_verify(desk, bob.visitor, his.challenge, authenticator.get(his.options))
    await execute(desk, "update passkey_challenge set ends_at = now()")
    with pytest.raises(Unauthorized):
        await passkeys.passkey_verify(desk, ann.visitor, asked.challenge, answer)


async def test_answers_that_are_none(desk: Desk) -> None:
    """Cut, garbled, of another site or without a signature: refused, never an accident."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    stranger = Authenticator(
        "https://evil.example", credential_id=authenticator.credential_id, key=authenticator.key
    )
    for index in range(60):
        await execute(desk, "delete from throttle")
        asked = await passkeys.passkey_options(desk)
        answer = json.loads(authenticator.get(asked.options))
        name = ("clientDataJSON", "authenticatorData", "signature")[index % 3]
        raw = unb64(answer["response"][name])
        answer["response"][name] = b64(raw[: index % len(raw)] if index % 2 else bytes(len(raw)))
        spelled = [json.dumps(answer), stranger.get(asked.options), "", "[]", "{}", '{"id":1}', "null", "x" * 30_000,
                   '{"id":"\\u0000","rawId":"AA","type":"public-key","response":null}'][index % 9]  # fmt: skip
        with pytest.raises(Unauthorized):
            await passkeys.passkey_sign_in(desk, asked.challenge, spelled)


async def test_registrations_that_are_none(desk: Desk) -> None:
    """The same for new passkeys; and one passkey is added once."""
    ann = await new_person(desk)
    authenticator = await with_passkey(desk, ann)
    for index in range(40):
        asked = await passkeys.add_passkey_options(desk, ann.visitor)
        answer = json.loads(Authenticator(ORIGIN).create(asked.options))
        raw = unb64(answer["response"]["attestationObject"])
        at = 5 * index % len(raw)
        answer["response"]["attestationObject"] = b64(
            raw[:at] if index % 2 else bytes([0xFF]) * 3 + raw[3:at]
        )
        with pytest.raises(ValidationFailed):
            await passkeys.add_passkey(desk, ann.visitor, asked.challenge, json.dumps(answer), "x")
    asked = await passkeys.add_passkey_options(desk, ann.visitor)
    with pytest.raises(ValidationFailed):
        await passkeys.add_passkey(
            desk, ann.visitor, asked.challenge, authenticator.create(asked.options), "x"
        )


async def test_passkeys_are_removed_by_their_owner(desk: Desk) -> None:
    """Somebody else's is not found; with the last one the second factor is over."""
    ann, bob = await new_person(desk), await new_person(desk, "bob@example.org")
    authenticator = await with_passkey(desk, ann)
    passkey = (await passkeys.list_passkeys(desk, ann.visitor))[0]
    with pytest.raises(NotFound):
        await passkeys.remove_passkey(desk, bob.visitor, passkey.id)
    await passkeys.remove_passkey(desk, ann.visitor, passkey.id)
    assert not (await enter(desk)).visitor.awaits_second_factor
    asked = await passkeys.passkey_options(desk)
    with pytest.raises(Unauthorized):
        await passkeys.passkey_sign_in(desk, asked.challenge, authenticator.get(asked.options))
    with pytest.raises(ValidationFailed):
        await passkeys.passkey_options(desk, ann.visitor)
