"""API keys that people make for themselves, and what a key may spend in a day."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from ringlet import customers
from ringlet.customers import SCOPES, ApiKey
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.people import keys, sign_up
from ringlet.people.keys import KeyLine, NewKey
from ringlet.people.visitor import Visitor
from tests.people_rig import PASSWORD, Signed, enter, execute, letters_to, new_person

DAY = 24 * 3_600


async def opened(desk: Desk, token: str) -> ApiKey:
    """What a token opens."""
    async with desk.db.connection() as tx:
        found = await customers.key_by_token(tx, desk.settings.secret, token)
    assert found is not None
    return found


async def newest(desk: Desk, person: Signed) -> KeyLine:
    return (await keys.list_keys(desk, person.visitor))[0]


async def test_a_key_is_made_and_shown_once(desk: Desk) -> None:
    """Name, mode, bounds; the list has everything but the token, and the owner gets a letter without it."""
    ann = await new_person(desk)
    assert await keys.list_keys(desk, ann.visitor) == []
    ends = datetime.now(UTC) + timedelta(days=30)
    token = await keys.create_key(
        desk,
        ann.visitor,
        NewKey(name="  my  shop ", scopes=["balance:read", "prices:read"], expires_at=ends,
               allowed_addresses=["192.0.2.7/24", "2001:db8::1"], daily_cap_micros=5_000_000),
    )  # fmt: skip
    assert token.startswith("rl_live_")
    key = await opened(desk, token)
    assert (key.wallet_id, key.customer_id) == (ann.visitor.live_wallet_id, ann.visitor.customer_id)
    assert (key.scopes, key.expires_at, key.daily_cap_micros) == (
        ["prices:read", "balance:read"],
        ends,
        5_000_000,
    )
    assert key.allowed_addresses == [ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128")]
    shown = await newest(desk, ann)
    assert (shown.name, shown.mode, shown.created_by, shown.is_good) == (
        "my shop",
        "live",
        "ann@example.org",
        True,
    )
    assert shown.allowed_addresses == ["192.0.2.0/24", "2001:db8::1/128"]
    assert shown.hint == token[:8] + "…" + token[-4:]
    letter = (await letters_to(desk, "ann@example.org"))[0]
    assert "my shop" in (letter.body or "")
    assert token not in (letter.body or "")


async def test_a_test_key_opens_the_test_wallet(desk: Desk) -> None:
    """The modes never mix."""
    ann = await new_person(desk)
    token = await keys.create_key(desk, ann.visitor, NewKey(name="try", mode="test"))
    assert token.startswith("rl_test_")
    assert (await opened(desk, token)).wallet_id == ann.visitor.test_wallet_id
    assert (await newest(desk, ann)).mode == "test"


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"name": "x" * 101}, {"name": "a\0b"}, {"mode": "both"}, {"scopes": []}, {"scopes": ["admin"]},
     {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, {"allowed_addresses": []}, {"daily_cap_micros": 0},
     {"allowed_addresses": ["here"]}, {"allowed_addresses": [f"192.0.2.{n}" for n in range(51)]},
     {"daily_cap_micros": -1}, {"daily_cap_micros": 2**63}],
)  # fmt: skip
async def test_what_no_key_can_be(desk: Desk, wrong: dict[str, Any]) -> None:
    """Each mistake is named and nothing is made."""
    ann = await new_person(desk)
    with pytest.raises(ValidationFailed) as refusal:
        await keys.create_key(desk, ann.visitor, NewKey(**{"name": "key", **wrong}))
    assert refusal.value.extra["errors"][0]["field"] == next(iter(wrong))
    assert await keys.list_keys(desk, ann.visitor) == []


async def test_who_may_make_keys(desk: Desk) -> None:
    """Confirmed, in good standing, and with a proof of this hour."""
    await sign_up.sign_up(desk, "bob@example.org", PASSWORD, agreed=1)
    bob = (await enter(desk, "bob@example.org")).visitor
    ann = (await new_person(desk)).visitor
    old = datetime.now(UTC) - timedelta(hours=2)
    for each in (bob, msgspec.structs.replace(ann, is_frozen=True), msgspec.structs.replace(ann, proven_at=old),
                 msgspec.structs.replace(ann, awaits_second_factor=True)):  # fmt: skip
        with pytest.raises(Forbidden):
            await keys.create_key(desk, each, NewKey(name="key"))


async def test_a_key_is_changed(desk: Desk) -> None:
    """What is named changes, what is not stays, and every process hears of it."""
    ann = await new_person(desk)
    token = await keys.create_key(desk, ann.visitor, NewKey(name="one", daily_cap_micros=7))
    key_id = (await newest(desk, ann)).id
    changed = await keys.change_key(
        desk, ann.visitor, key_id, {"name": "two", "allowed_addresses": ["192.0.2.1"]}
    )
    assert (changed.name, changed.daily_cap_micros) == ("two", 7)
    changed = await keys.change_key(
        desk, ann.visitor, key_id, {"daily_cap_micros": None, "scopes": ["prices:read"]}
    )
    assert (changed.daily_cap_micros, changed.allowed_addresses) == (None, ["192.0.2.1/32"])
    assert (await opened(desk, token)).scopes == ["prices:read"]
    wrong: list[dict[str, Any]] = [{"scopes": []}, {"wallet_id": 1}, {"mode": "test"}, {"name": ""}]
    for each in wrong:
        with pytest.raises(ValidationFailed):
            await keys.change_key(desk, ann.visitor, key_id, each)


async def test_a_key_is_rolled(desk: Desk) -> None:
    """A new token with the same bounds; the old one ends when the overlap is over, and is rolled only once."""
    ann = await new_person(desk)
    new = NewKey(
        name="shop", scopes=["prices:read"], allowed_addresses=["192.0.2.0/24"], daily_cap_micros=100
    )
    token = await keys.create_key(desk, ann.visitor, new)
    old_id = (await newest(desk, ann)).id
    async with desk.db.transaction() as tx:
        assert await customers.reserve_spending(tx, old_id, 60)
    done = await asyncio.gather(
        *(keys.roll_key(desk, ann.visitor, old_id, 3_600) for _ in range(4)), return_exceptions=True
    )
    fresh = [each for each in done if isinstance(each, str)]
    assert len(fresh) == 1
    before, after = await opened(desk, token), await opened(desk, fresh[0])
    assert before.expires_at is not None
    assert 3_500 < (before.expires_at - datetime.now(UTC)).total_seconds() <= 3_600
    assert (after.scopes, after.allowed_addresses, after.expires_at) == (
        before.scopes,
        before.allowed_addresses,
        None,
    )
    listed = {each.id: each for each in await keys.list_keys(desk, ann.visitor)}
    assert listed[old_id].rolled_to == after.id
    assert listed[after.id].spent_today_micros == 60
    # A rolled key's end is not put off again.
    changed = await keys.change_key(
        desk, ann.visitor, old_id, {"expires_at": datetime.now(UTC) + timedelta(days=9)}
    )
    assert changed.expires_at == before.expires_at
    await keys.roll_key(desk, ann.visitor, after.id, 0)
    assert not {each.id: each for each in await keys.list_keys(desk, ann.visitor)}[after.id].is_good
    with pytest.raises(ValidationFailed):
        await keys.roll_key(desk, ann.visitor, after.id, 0)


async def test_a_key_is_revoked(desk: Desk) -> None:
    """At once and for good."""
    ann = await new_person(desk)
    token = await keys.create_key(desk, ann.visitor, NewKey(name="key"))
    key_id = (await newest(desk, ann)).id
    done = await asyncio.gather(
        *(keys.revoke_key(desk, ann.visitor, key_id) for _ in range(4)), return_exceptions=True
    )
    assert done.count(None) == 1
    assert (await opened(desk, token)).revoked_at is not None
    with pytest.raises(ValidationFailed):
        await keys.change_key(desk, ann.visitor, key_id, {"name": "again"})
    await execute(desk, "update api_key set revoked_at = now() - interval '31 days'")
    assert await keys.list_keys(desk, ann.visitor) == []


Act = Callable[[Desk, Visitor, int], Awaitable[object]]
ACTS: list[Act] = [
    keys.look,
    lambda desk, visitor, key_id: keys.change_key(desk, visitor, key_id, {"name": "mine"}),
    lambda desk, visitor, key_id: keys.roll_key(desk, visitor, key_id, 0),
    keys.revoke_key,
]


@pytest.mark.parametrize("act", ACTS)
async def test_somebody_elses_key_is_not_found(desk: Desk, act: Act) -> None:
    """Every query names its owner, and nothing of the other's key changes."""
    ann, bob = await new_person(desk), await new_person(desk, "bob@example.org")
    await keys.create_key(desk, ann.visitor, NewKey(name="hers"))
    before = await newest(desk, ann)
    with pytest.raises(NotFound):
        await act(desk, bob.visitor, before.id)
    assert await newest(desk, ann) == before
    assert await keys.list_keys(desk, bob.visitor) == []


async def test_there_is_a_most_of_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when many are made at once; ended ones do not count."""
    monkeypatch.setattr(keys, "PER_CUSTOMER_MAX", 3)
    ann = await new_person(desk)
    done = await asyncio.gather(
        *(keys.create_key(desk, ann.visitor, NewKey(name="key")) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in done) == 3
    await keys.revoke_key(desk, ann.visitor, (await newest(desk, ann)).id)
    await keys.create_key(desk, ann.visitor, NewKey(name="key"))


async def capped(desk: Desk, cap_micros: int | None) -> int:
    ann = await new_person(desk)
    await keys.create_key(desk, ann.visitor, NewKey(name="key", daily_cap_micros=cap_micros))
    return (await newest(desk, ann)).id


async def test_a_cap_is_never_passed(desk: Desk) -> None:
    """Of purchases at once so many are let through as the day's cap pays for, and not one more."""
    key_id = await capped(desk, 1_000)

    async def spend() -> bool:
        async with desk.db.transaction() as tx:
            return await customers.reserve_spending(tx, key_id, 300)

    assert sum(await asyncio.gather(*(spend() for _ in range(12)))) == 3
    async with desk.db.transaction() as tx:
        assert await customers.spent_today(tx, key_id) == 900
        assert not await customers.reserve_spending(tx, key_id, 1_001)
        assert await customers.reserve_spending(tx, key_id, 100)
        assert await customers.reserve_spending(tx, key_id, 0)
        await customers.return_spending(tx, key_id, 300)
        assert await customers.spent_today(tx, key_id) == 700


async def test_a_cap_is_of_a_day(desk: Desk) -> None:
    """Yesterday's spending does not count, and what comes back from yesterday buys nothing today."""
    key_id = await capped(desk, 1_000)
    async with desk.db.transaction() as tx:
        assert await customers.reserve_spending(tx, key_id, 1_000)
    await execute(desk, "update key_spending set day = day - 1")
    async with desk.db.transaction() as tx:
        assert await customers.reserve_spending(tx, key_id, 800)
        await customers.return_spending(
            tx, key_id, 500, reserved_at=datetime.now(UTC) - timedelta(seconds=DAY)
        )
        assert await customers.spent_today(tx, key_id) == 800
        assert not await customers.reserve_spending(tx, key_id, 300)


async def test_what_is_reserved_goes_with_its_transaction(desk: Desk) -> None:
    """A sale that fails has spent nothing."""
    key_id = await capped(desk, 1_000)

    async def fail() -> None:
        async with desk.db.transaction() as tx:
            assert await customers.reserve_spending(tx, key_id, 800)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with desk.db.connection() as tx:
        assert await customers.spent_today(tx, key_id) == 0


async def test_where_a_key_was_used(desk: Desk) -> None:
    """Time and address of the last use; an unknown address does not wipe out a known one."""
    ann = await new_person(desk)
    for name in ("one", "two"):
        await keys.create_key(desk, ann.visitor, NewKey(name=name))
    two, one = await keys.list_keys(desk, ann.visitor)
    async with desk.db.transaction() as tx:
        await customers.note_use(tx, [two.id, one.id], ["2001:db8::7", None])
        await customers.note_use(tx, [two.id])
    two, one = await keys.list_keys(desk, ann.visitor)
    assert (two.last_used_address, one.last_used_address) == ("2001:db8::7", None)
    assert one.last_used_at is not None
    assert tuple(one.scopes) == SCOPES
