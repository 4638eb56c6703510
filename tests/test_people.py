"""People sign up, sign in, lose their passwords, and their sessions end when they should."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ringlet import accounts
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, RateLimited, Refusal, Unauthorized, ValidationFailed
from ringlet.people import change, forget, reset, sessions, sign_up
from ringlet.people.sign_in import sign_in
from ringlet.people.visitor import check_fresh, needs_proof
from tests.people_rig import ADDRESS, PASSWORD, enter, execute, letters_to, link_token, new_person, seen

OTHER = "a quite other sentence"


async def test_a_person_signs_up_confirms_and_signs_in(desk: Desk) -> None:
    """The first minutes: an account with both wallets, a letter with a link, a session."""
    ann = await new_person(desk, "Ann@Example.org")
    assert (ann.visitor.email, ann.visitor.mode, ann.visitor.is_confirmed) == (
        "ann@example.org",
        "live",
        True,
    )
    assert ann.visitor.wallet_id == ann.visitor.live_wallet_id != ann.visitor.test_wallet_id
    assert not ann.visitor.awaits_second_factor
    assert [each.email for each in (line.customer for line in await accounts.list_accounts(desk))] == [
        "ann@example.org"
    ]


async def test_signing_up_twice_tells_only_the_owner(desk: Desk) -> None:
    """Whoever tries an address learns nothing; its owner gets a letter, and the password stays as it was."""
    await new_person(desk)
    await sign_up.sign_up(desk, "ann@example.org", OTHER, address="192.0.2.66", agreed=1)
    assert "already have an account" in (await letters_to(desk, "ann@example.org"))[0].subject
    with pytest.raises(Unauthorized):
        await sign_in(desk, "ann@example.org", OTHER, ADDRESS)
    await enter(desk)


async def test_signing_up_at_once_makes_one_account(desk: Desk) -> None:
    """Two clicks, two processes: one customer, one person, and both are answered alike."""
    await asyncio.gather(*(sign_up.sign_up(desk, "ann@example.org", PASSWORD, agreed=1) for _ in range(8)))
    assert len(await accounts.list_accounts(desk)) == 1
    subjects = [each.subject for each in await letters_to(desk, "ann@example.org")]
    assert sum(each.startswith("Confirm") for each in subjects) == 1


async def test_a_link_confirms_once(desk: Desk) -> None:
    """Of twenty who open it at once, one is the first; a used, an old and an invented one are refused alike."""
    await sign_up.sign_up(desk, "ann@example.org", PASSWORD, agreed=1)
    token = await link_token(desk, "ann@example.org")
    done = await asyncio.gather(*(sign_up.confirm(desk, token) for _ in range(20)), return_exceptions=True)
    assert [each for each in done if each is None] == [None]
    assert sum(isinstance(each, NotFound) for each in done) == 19
    for wrong in (token[:-1] + "x", "", "\0", "é" * 40):
        with pytest.raises(NotFound):
            await sign_up.confirm(desk, wrong)


async def test_a_link_ends(desk: Desk) -> None:
    """After a day the first letter's link is nothing; a new one can be had and ends the old one."""
    await sign_up.sign_up(desk, "ann@example.org", PASSWORD, agreed=1)
    ann = await enter(desk)
    assert not ann.visitor.is_confirmed
    old = await link_token(desk, "ann@example.org")
    await execute(desk, "update proof set ends_at = now()")
    with pytest.raises(NotFound):
        await sign_up.confirm(desk, old)
    await sign_up.confirm_again(desk, ann.visitor)
    await sign_up.confirm(desk, await link_token(desk, "ann@example.org"))
    assert (await seen(desk, ann.token)).is_confirmed
    with pytest.raises(ValidationFailed):
        await sign_up.confirm_again(desk, ann.visitor)


async def test_a_link_serves_its_purpose_only(desk: Desk) -> None:
    """The link that confirms an address sets no password."""
    await sign_up.sign_up(desk, "ann@example.org", PASSWORD, agreed=1)
    with pytest.raises(NotFound):
        await reset.reset(desk, await link_token(desk, "ann@example.org"), OTHER)


async def test_wrong_ones_are_refused_alike(desk: Desk) -> None:
    """Unknown, wrong and without a password of its own: one sentence."""
    await new_person(desk)
    await accounts.open_account(desk, "operator-made@example.org", 0, actor="test")
    told = set()
    for email in ("ann@example.org", "nobody@example.org", "operator-made@example.org", "", "\x01"):
        with pytest.raises(Unauthorized) as refusal:
            await sign_in(desk, email, "wrong password", ADDRESS)
        told.add(refusal.value.message)
    assert len(told) == 1


async def test_guessing_is_slowed_and_the_owner_gets_in(desk: Desk) -> None:
    """An account takes ten guesses from strangers, from however many addresses; where its owner was before, he enters."""
    ann = await new_person(desk)
    refusals: list[type[Refusal]] = []
    for index in range(12):
        with pytest.raises(Refusal) as refusal:
            await sign_in(desk, "ann@example.org", "wrong", f"198.51.100.{index}")
        refusals.append(type(refusal.value))
    assert refusals == [Unauthorized] * 10 + [RateLimited] * 2
    assert refusal.value.extra["retry_after"] <= 30
    await sessions.sign_out(desk, ann.visitor)
    await enter(desk)


async def test_each_sign_in_has_its_own_token(desk: Desk) -> None:
    """Nobody can plant a session: a token is made when somebody signs in, and the table does not hold it."""
    ann, again = await new_person(desk), await enter(desk)
    assert ann.token != again.token
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select token_fingerprint from person_session")).fetchall()
    assert {ann.token.encode(), again.token.encode()}.isdisjoint({bytes(row[0]) for row in rows})
    for wrong in ("", "x", ann.token[:-1], ann.token + "0", "rls_" + "é" * 43):
        assert await sessions.find(desk, wrong) is None


async def test_an_ended_session_is_gone(desk: Desk) -> None:
    """Signed out, ended by hand, ended with the others: the next look finds nobody."""
    ann, second, third = await new_person(desk), await enter(desk), await enter(desk)
    assert [each.is_this for each in await sessions.list_sessions(desk, second.visitor)] == [
        False,
        True,
        False,
    ]
    await sessions.end_session(desk, second.visitor, third.visitor.session_id)
    assert await sessions.find(desk, third.token) is None
    assert await sessions.end_other_sessions(desk, second.visitor) == 1
    assert await sessions.find(desk, ann.token) is None
    await sessions.sign_out(desk, second.visitor)
    assert await sessions.find(desk, second.token) is None


async def test_somebody_elses_session_is_not_found(desk: Desk) -> None:
    """Every query names its owner."""
    ann, bob = await new_person(desk), await new_person(desk, "bob@example.org")
    with pytest.raises(NotFound):
        await sessions.end_session(desk, bob.visitor, ann.visitor.session_id)
    assert await sessions.end_other_sessions(desk, bob.visitor) == 0
    await seen(desk, ann.token)


@pytest.mark.parametrize(
    "passed",
    ["seen_at = now() - interval '12 hours 1 second'", "created_at = now() - interval '30 days 1 second'",
     "awaits_second_factor = true, created_at = now() - interval '11 minutes'"],
)  # fmt: skip
async def test_sessions_end_by_themselves(desk: Desk, passed: str) -> None:
    """Idle for twelve hours, thirty days old, or without its second factor for ten minutes."""
    ann = await new_person(desk)
    await execute(desk, f"update person_session set {passed}")
    assert await sessions.find(desk, ann.token) is None


async def test_being_seen_is_written_once_a_minute(desk: Desk) -> None:
    """A page costs no write; a minute later one does, and the session lives on."""
    ann = await new_person(desk)
    for ago, written in (("30 seconds", False), ("11 hours", True)):
        await execute(desk, f"update person_session set seen_at = now() - interval '{ago}'")
        before = (await sessions.list_sessions(desk, ann.visitor))[0].seen_at
        await seen(desk, ann.token)
        assert ((await sessions.list_sessions(desk, ann.visitor))[0].seen_at > before) is written


async def test_a_new_address(desk: Desk) -> None:
    """The new one proves itself, the old one hears of it, and links that went to the old one are dead."""
    ann = await new_person(desk)
    await reset.request_reset(desk, "ann@example.org")
    stale = await link_token(desk, "ann@example.org")
    await change.change_email(desk, ann.visitor, "Anna@example.org")
    assert "new e-mail address" in (await letters_to(desk, "ann@example.org"))[0].subject
    token = await link_token(desk, "anna@example.org")
    assert (await seen(desk, ann.token)).email == "ann@example.org"
    done = await asyncio.gather(
        *(change.confirm_email(desk, token) for _ in range(5)), return_exceptions=True
    )
    assert done.count(None) == 1
    assert (await seen(desk, ann.token)).email == "anna@example.org"
    with pytest.raises(NotFound):
        await reset.reset(desk, stale, OTHER)
    await enter(desk, "anna@example.org")


async def test_a_taken_address_is_not_given_away(desk: Desk) -> None:
    """Asking for somebody's address looks the same, and changes nothing; also when it is taken meanwhile."""
    ann = await new_person(desk)
    await new_person(desk, "bob@example.org")
    await change.change_email(desk, ann.visitor, "bob@example.org")
    assert "already have" in (await letters_to(desk, "bob@example.org"))[0].subject
    await change.change_email(desk, ann.visitor, "carl@example.org")
    token = await link_token(desk, "carl@example.org")
    await sign_up.sign_up(desk, "carl@example.org", PASSWORD, agreed=1)
    with pytest.raises(ValidationFailed):
        await change.confirm_email(desk, token)


async def test_proof_grows_old(desk: Desk) -> None:
    """After an hour the password is asked for once more; then the session goes on under a new token."""
    ann = await new_person(desk)
    assert not needs_proof(ann.visitor)
    old = msgspec.structs.replace(ann.visitor, proven_at=datetime.now(UTC) - timedelta(hours=1))
    assert needs_proof(old)
    with pytest.raises(Forbidden) as refusal:
        await change.change_email(desk, old, "anna@example.org")
    assert refusal.value.extra == {"needs_proof": True}
    with pytest.raises(Forbidden):
        await sessions.prove(desk, old, "wrong")
    proven = await sessions.prove(desk, old, PASSWORD)
    assert await sessions.find(desk, ann.token) is None
    check_fresh(await seen(desk, proven.token))


async def test_mode_and_preferences(desk: Desk) -> None:
    """The mode is the session's, the rest the person's; nonsense is refused and nothing else changes."""
    ann, other = await new_person(desk), await enter(desk)
    await sessions.switch_mode(desk, ann.visitor, "test")
    assert (await seen(desk, ann.token)).wallet_id == ann.visitor.test_wallet_id
    assert (await seen(desk, other.token)).mode == "live"
    await sessions.set_preferences(desk, ann.visitor, language="pt-BR", time_zone="Asia/Jakarta")
    await sessions.set_preferences(desk, ann.visitor, theme="dark")
    found = await seen(desk, other.token)
    assert (found.language, found.time_zone, found.theme) == ("pt-BR", "Asia/Jakarta", "dark")
    wrong: list[dict[str, Any]] = [{"language": "../x"}, {"time_zone": "Mars/Base"}, {"theme": "pink"}]
    for each in wrong:
        with pytest.raises(ValidationFailed):
            await sessions.set_preferences(desk, ann.visitor, **each)
    with pytest.raises(ValidationFailed):
        await sessions.switch_mode(desk, ann.visitor, "both")


async def test_what_nobody_needs_is_forgotten(desk: Desk) -> None:
    """Letters, links, sessions and buckets go when their time is over, and nothing before."""
    await new_person(desk)
    await forget.forget_old(desk)
    for table, column in (("letter", "created_at"), ("proof", "ends_at"), ("person_session", "created_at"),
                          ("throttle", "at")):  # fmt: skip
        assert await execute(desk, f"update {table} set {column} = {column} - interval '70 days'") > 0
    await forget.forget_old(desk)
    for table in ("letter", "proof", "person_session", "throttle"):
        assert await execute(desk, f"delete from {table}") == 0
