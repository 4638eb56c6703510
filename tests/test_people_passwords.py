"""Passwords: which are taken, how they are kept, lost and changed; and how often anything may be tried."""

import asyncio
import time
from importlib.resources import files

import pytest

from ringlet import accounts
from ringlet.desk import Desk
from ringlet.errors import Forbidden, RateLimited, Unauthorized, ValidationFailed
from ringlet.people import change, emails, passwords, reset, sessions, throttle
from ringlet.people.sign_in import sign_in
from ringlet.people.throttle import Bucket
from tests.people_rig import ADDRESS, PASSWORD, enter, execute, letters_to, link_token, new_person, seen

OTHER = "a quite other sentence"


@pytest.mark.parametrize(
    "password",
    ["short one", "x" * 257, "aaaaaaaaaaaa", "abcabcabcabc", "abcdefghijkl", "qwertyuiop12", "0987654321",
     "password1234", "P@ssw0rd2024!", "ann@example.org", "ringlet2026", "example.org1", "iloveyousomuch",
     "Ringletringlet", "йцукенгшщзхъ"],
)  # fmt: skip
def test_what_anybody_would_try_is_no_password(password: str) -> None:
    """Common ones, rows of the keyboard, repetitions, the address and the shop's name."""
    with pytest.raises(ValidationFailed):
        passwords.check(password, email="ann@example.org", name="Ringlet")


@pytest.mark.parametrize(
    "password", ["plum kettle orbit 7", "x7#kQ!m2pL", "ein ganz langer Satz", "длинная фраза про кота", "w" + "x9" * 9 + "lmq",
                 "ann likes plums"]
)  # fmt: skip
def test_everything_else_is_one(password: str) -> None:
    """No rules of composition: length is what counts, in every script."""
    passwords.check(password, email="ann@example.org", name="Ringlet")


def test_the_list_of_common_passwords() -> None:
    """Small letters, no repetition, and long enough to be worth having."""
    text = files("ringlet.data").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines)) > 200
    assert all(line == line.lower().strip() for line in lines)


async def test_hashes_are_argon2id_and_nobodys_costs_the_same() -> None:
    """A stranger must not tell by the clock whether an address is known."""
    stored = await passwords.hashed(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.NOBODYS.rpartition("p=1$")[0] == stored.rpartition("p=1$")[0]
    assert await passwords.verify(PASSWORD, stored)
    assert await passwords.verify("plum kettle orbit ７", stored), "the same letters from another keyboard"
    assert not await passwords.verify(PASSWORD, None)
    assert not await passwords.verify("x" * 5_000, stored)
    times = {}
    for name, known in (("known", stored), ("unknown", None)):
        began = time.perf_counter()
        for _ in range(8):
            await passwords.verify("wrong", known)
        times[name] = time.perf_counter() - began
    assert 0.4 < times["known"] / times["unknown"] < 2.5


async def test_too_many_hashes_at_once_are_refused() -> None:
    """A flood waits in a queue that ends, not in memory."""
    done = await asyncio.gather(
        *(passwords.verify("wrong", None) for _ in range(passwords.WAITING_MAX + 10)), return_exceptions=True
    )
    assert sum(isinstance(each, RateLimited) for each in done) == 10


async def test_one_address_tries_so_many_accounts(desk: Desk) -> None:
    """Thirty attempts from one place, whichever accounts they are for; an IPv6 subscriber is one place."""
    bucket = Bucket("sign_in_address", 3, 1_000)
    for last in range(3):
        await throttle.take(desk, bucket, throttle.place(f"2001:db8:1:2::{last}"))
    with pytest.raises(RateLimited):
        await throttle.take(desk, bucket, throttle.place("2001:db8:1:2:ffff::9"))
    await throttle.take(desk, bucket, throttle.place("2001:db8:1:3::1"))
    assert throttle.place("::ffff:192.0.2.1") == throttle.place("192.0.2.1")
    assert throttle.place(None) == throttle.place("nonsense") == "unknown"


async def test_a_bucket_is_shared_and_fills_again(desk: Desk) -> None:
    """Of many at once so many get through as it holds; with time there is one more, and never more than it holds."""
    bucket = Bucket("test", 5, 100)
    done = await asyncio.gather(
        *(throttle.take(desk, bucket, "x") for _ in range(30)), return_exceptions=True
    )
    assert done.count(None) == 5
    await execute(desk, "update throttle set at = at - interval '100 seconds'")
    await throttle.take(desk, bucket, "x")
    with pytest.raises(RateLimited):
        await throttle.take(desk, bucket, "x")
    await execute(desk, "update throttle set at = at - interval '1 day'")
    done = await asyncio.gather(*(throttle.take(desk, bucket, "x") for _ in range(9)), return_exceptions=True)
    assert done.count(None) == 5


async def test_a_lost_password(desk: Desk) -> None:
    """A link, once, within the hour; every session ends, the old password too, and the owner hears of it."""
    ann = await new_person(desk)
    await reset.request_reset(desk, "ann@example.org")
    token = await link_token(desk, "ann@example.org")
    with pytest.raises(ValidationFailed):
        await reset.reset(desk, token, "password1234")
    done = await asyncio.gather(*(reset.reset(desk, token, OTHER) for _ in range(5)), return_exceptions=True)
    assert done.count(None) == 1
    assert await sessions.find(desk, ann.token) is None
    assert "was changed" in (await letters_to(desk, "ann@example.org"))[0].subject
    with pytest.raises(Unauthorized):
        await sign_in(desk, "ann@example.org", PASSWORD, ADDRESS)
    await enter(desk, password=OTHER)


async def test_a_reset_of_nobody_is_answered_alike(desk: Desk) -> None:
    """No refusal, no letter; and nobody's mailbox is filled."""
    await reset.request_reset(desk, "nobody@example.org")
    assert await letters_to(desk, "nobody@example.org") == []
    await new_person(desk)
    for _ in range(8):
        await reset.request_reset(desk, "ann@example.org")
    assert len(await letters_to(desk, "ann@example.org")) == 1 + throttle.LETTER_ACCOUNT.size


async def test_an_account_of_the_operator_gets_its_password_by_letter(desk: Desk) -> None:
    """Whoever reads the mail of a customer without a person chooses the first password, and is confirmed."""
    await accounts.open_account(desk, "ann@example.org", 5_000_000, actor="test")
    await reset.request_reset(desk, "ann@example.org")
    await reset.reset(desk, await link_token(desk, "ann@example.org"), PASSWORD)
    assert (await enter(desk)).visitor.is_confirmed


async def test_a_changed_password_ends_other_sessions(desk: Desk) -> None:
    """Whoever else was in is out; this session stays; the old password must be known."""
    ann, other = await new_person(desk), await enter(desk)
    with pytest.raises(Forbidden):
        await change.change_password(desk, ann.visitor, "wrong", OTHER)
    await change.change_password(desk, ann.visitor, PASSWORD, OTHER)
    assert await sessions.find(desk, other.token) is None
    await seen(desk, ann.token)
    await enter(desk, password=OTHER)


async def test_a_sign_in_does_not_outlive_a_change_of_password(desk: Desk) -> None:
    """A session that is opened while the password changes is ended by it or never opened."""
    ann = await new_person(desk)
    signing = asyncio.gather(*(sign_in(desk, "ann@example.org", PASSWORD, ADDRESS) for _ in range(6)),
                             return_exceptions=True)  # fmt: skip
    await asyncio.sleep(0.03)
    await change.change_password(desk, ann.visitor, PASSWORD, OTHER)
    tokens = [each.token for each in await signing if not isinstance(each, BaseException)]
    assert [await sessions.find(desk, token) for token in tokens] == [None] * len(tokens)


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@example.org", "a b@example.org", "a,b@example.org", "ann@example.org\nBcc: x@y",
              "<ann@example.org>", "ann@-x.org", "a" * 65 + "@example.org", "ä@example.org", "a@b@example.org"]
)  # fmt: skip
def test_what_is_no_address(email: str) -> None:
    """Nothing that a mail header could read in two ways."""
    with pytest.raises(ValidationFailed):
        emails.checked(email)
    assert emails.masked("ann@example.org") == "a…@example.org"
