"""Webhooks out: what is sent, how it is signed, when it is tried again, and what customers see of it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringlet.activations.buy import buy
from ringlet.activations.cancel import cancel
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed, WebhookRejected
from ringlet.settings import Settings
from ringlet.webhooks import alerts, deliver, endpoints, forget, log, schedule
from ringlet.webhooks.endpoints import NewEndpoint
from tests.fakes.receiver import Receiver
from tests.hooks import IG, complete, courier_of, fetch, listen, pass_time, settings_for, settle
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path, database_url)


async def test_a_completed_activation_is_told_step_by_step(desk: Desk, shop: Shop) -> None:
    """Created, message, completed: each with the state and the code of its moment, signed, in sequence."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver)
        activation = await complete(desk, shop)
        await settle(desk)
        heard = sorted(receiver.heard, key=lambda each: each.payload["data"]["sequence"])
        assert all(each.is_signed_by(made.secret) for each in heard)
        told = [(each.payload["type"], each.payload["data"]["activation"]) for each in heard]
        assert [(type_, each["state"], each["code"]) for type_, each in told] == [
            ("activation.created", "waiting", None),
            ("activation.message", "waiting", None),
            ("activation.completed", "received", "1234"),
        ]
        assert {each["activation_id"] for _, each in told} == {str(activation.public_id)}
        assert [len(each["messages"]) for _, each in told] == [0, 1, 1]
        message = heard[1].payload["data"]["message"]
        assert (message["code"], message["text"]) == ("1234", "Your Instagram code is 1234")
        assert "message" not in heard[2].payload["data"]
        assert len({each.webhook_id for each in heard}) == 3
        for each in heard:
            assert set(each.payload) == {"type", "timestamp", "data"}
            assert abs(int(each.headers["webhook-timestamp"]) - time.time()) < 60


async def test_cancelled_and_expired_are_told(desk: Desk, shop: Shop) -> None:
    """Each end has its own type, with the refund in it."""
    async with Receiver() as receiver:
        await listen(desk, shop.alice, receiver, types=("activation.cancelled",))
        activation = (await buy(desk, shop.alice, IG)).activation
        await cancel(desk, shop.alice.id, activation.public_id)
        await settle(desk)
        (heard,) = receiver.heard
        assert heard.payload["type"] == "activation.cancelled"
        assert heard.payload["data"]["activation"]["refunded"] is True


async def test_nobody_hears_of_others(desk: Desk, shop: Shop) -> None:
    """Bob's and the test wallet's endpoints stay silent while Alice buys; without endpoints nothing is written."""
    async with Receiver() as receiver:
        await complete(desk, shop)
        assert await fetch(desk, "select 1 from event") == []
        await listen(desk, shop.bob, receiver, "/bob")
        await listen(desk, shop.rehearsal, receiver, "/test")
        await complete(desk, shop)
        await listen(desk, shop.alice, receiver, "/alice")
        await complete(desk, shop)
        await settle(desk)
        assert [len(receiver.at(path)) for path in ("/alice", "/bob", "/test")] == [3, 0, 0]


async def test_only_what_was_asked_for(desk: Desk, shop: Shop) -> None:
    """`types` narrows; a changed list counts from then on; a disabled one hears nothing."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver, types=("activation.completed",))
        await complete(desk, shop)
        await endpoints.change(
            desk, shop.alice.id, made.endpoint.public_id, {"types": ["activation.created"]}
        )
        await complete(desk, shop)
        await settle(desk)
        await endpoints.change(desk, shop.alice.id, made.endpoint.public_id, {"enabled": False})
        await complete(desk, shop)
        await settle(desk)
        assert sorted(each.payload["type"] for each in receiver.heard) == [
            "activation.completed",
            "activation.created",
        ]


async def test_the_field_form(desk: Desk, shop: Shop) -> None:
    """Unsigned, one type, exactly the six fields that programs of this trade read."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver, form="field", types=("activation.created",))
        assert made.endpoint.types == ["activation.message"]
        activation = await complete(desk, shop)
        await log.send_test(desk, shop.alice.id, made.endpoint.public_id)
        await settle(desk)
        heard, test = sorted(receiver.heard, key=lambda each: -each.payload["activationId"])
        assert "webhook-signature" not in heard.headers
        received_at = heard.payload["receivedAt"]
        assert abs(datetime.fromisoformat(received_at + "+00:00") - datetime.now(UTC)) < timedelta(minutes=1)
        assert heard.payload == {
            "activationId": activation.public_id, "service": "ig", "text": "Your Instagram code is 1234",
            "code": "1234", "country": 6, "receivedAt": received_at,
        }  # fmt: skip
        assert set(test.payload) == set(heard.payload)


async def test_both_secrets_sign_for_a_day(desk: Desk, shop: Shop) -> None:
    """Rotation cuts nobody off, a second one neither; after a day only the newest signs."""
    async with Receiver() as receiver:
        first = await listen(desk, shop.alice, receiver)
        id_ = first.endpoint.public_id
        second = await endpoints.rotate(desk, shop.alice.id, id_)
        third = await endpoints.rotate(desk, shop.alice.id, id_)
        await log.send_test(desk, shop.alice.id, id_)
        await settle(desk)
        made = (first, second, third)
        assert [receiver.heard[-1].is_signed_by(each.secret) for each in made] == [True, True, True]
        await pass_time(desk, days=1, seconds=1)
        await log.send_test(desk, shop.alice.id, id_)
        await settle(desk)
        assert [receiver.heard[-1].is_signed_by(each.secret) for each in made] == [False, False, True]
        for _ in range(endpoints.SECRETS_MAX - 1):
            await endpoints.rotate(desk, shop.alice.id, id_)
        with pytest.raises(WebhookRejected):
            await endpoints.rotate(desk, shop.alice.id, id_)


async def test_the_table_of_retries(desk: Desk, shop: Shop) -> None:
    """Ten tries in three days with their pauses, the same webhook-id, a timestamp of its own each; then failed."""
    async with Receiver() as receiver:
        receiver.behave("/hook", "500")
        made = await listen(desk, shop.alice, receiver, types=("activation.completed",))
        await complete(desk, shop)
        for tries, pause_s in enumerate([*schedule.PAUSES_S[1:], None], start=1):
            await settle(desk)
            await settle(desk)  # nothing is due
            assert len(receiver.heard) == tries
            found = await fetch(
                desk, "select attempts, extract(epoch from due_at - now())::float8, failed_at from delivery"
            )
            attempts, left_s, failed_at = found[0]
            assert attempts == tries
            if pause_s is None:
                assert (left_s, failed_at is None) == (None, False)
            else:
                assert 0.9 * pause_s - 5 < left_s <= 1.1 * pause_s
                await pass_time(desk, seconds=int(left_s) + 1)
        assert len({each.webhook_id for each in receiver.heard}) == 1
        (logged,) = await log.deliveries(desk, shop.alice.id, made.endpoint.public_id, None)
        assert [each.status for each in logged.attempts] == [500] * 10
        assert sum(schedule.PAUSES_S) == 75 * 3600 + 35 * 60 + 5


async def test_a_busy_receiver_says_when(desk: Desk, shop: Shop) -> None:
    """Retry-After lengthens the pause, to a day at most, and never shortens it."""
    async with Receiver(retry_after_s=600) as receiver:
        receiver.behave("/hook", "429")
        await listen(desk, shop.alice, receiver, types=("activation.created",))
        await buy(desk, shop.alice, IG)
        await settle(desk)
        assert (
            590 < (await fetch(desk, "select extract(epoch from due_at - now()) from delivery"))[0][0] <= 600
        )
    assert schedule.pause_s(1, 10**9) == 86_400
    assert (schedule.pause_s(4, 1) or 0) > 6_000


async def test_410_ends_it_at_once(desk: Desk, shop: Shop) -> None:
    """The endpoint is disabled, all that waits for it is over, events are no longer written after a day."""
    async with Receiver() as receiver:
        receiver.behave("/hook", "410")
        made = await listen(desk, shop.alice, receiver)
        await complete(desk, shop)
        await settle(desk)
        found = await endpoints.look(desk, shop.alice.id, made.endpoint.public_id)
        assert found.disabled_why == "it answered 410 Gone"
        assert len(receiver.heard) <= 3
        assert await fetch(desk, "select 1 from delivery where due_at is not null") == []
        assert await fetch(desk, "select 1 from wallet where listens_until = 'infinity'") == []


async def test_disabled_after_five_days_of_failures_only(desk: Desk, shop: Shop) -> None:
    """One success in between begins the count anew; enabling it again does too."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver, types=("webhook.none",))
        wallet, id_ = shop.alice.id, made.endpoint.public_id

        async def fail_after(days: int, fault: str = "500") -> bool:
            """Whether it is disabled then."""
            await pass_time(desk, days=days)
            receiver.behave("/hook", fault)
            await log.send_test(desk, wallet, id_)
            await settle(desk)
            return (await endpoints.look(desk, wallet, id_)).disabled_at is not None

        assert [await fail_after(0), await fail_after(4), await fail_after(0, "ok")] == [False] * 3
        assert [await fail_after(2), await fail_after(4), await fail_after(2)] == [False, False, True]
        with pytest.raises(WebhookRejected):
            await log.send_test(desk, wallet, id_)
        assert "5 days" in str((await endpoints.look(desk, wallet, id_)).disabled_why)
        await endpoints.change(desk, wallet, id_, {"enabled": True})
        assert not await fail_after(0)


async def test_replay_and_recover(desk: Desk, shop: Shop) -> None:
    """One again, whatever became of it; all failed ones since a time; never those of another endpoint."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver, types=("activation.completed",))
        other = await listen(desk, shop.alice, receiver, "/other", types=("activation.completed",))
        wallet, id_ = shop.alice.id, made.endpoint.public_id
        await complete(desk, shop)
        await settle(desk)
        (done,) = await log.deliveries(desk, wallet, id_, None)
        await log.replay(desk, wallet, id_, done.delivery.id)
        await settle(desk)
        assert [each.webhook_id for each in receiver.at("/hook")] == [receiver.at("/hook")[0].webhook_id] * 2
        with pytest.raises(NotFound):
            await log.replay(desk, wallet, other.endpoint.public_id, done.delivery.id)

        await complete(desk, shop)
        await complete(desk, shop)
        await endpoints.change(desk, wallet, id_, {"enabled": False})  # ends what waits
        await endpoints.change(desk, wallet, id_, {"enabled": True})
        await settle(desk)
        assert len(receiver.at("/hook")) == 2
        hour = timedelta(hours=1)
        assert (await log.recover(desk, wallet, id_, datetime.now(UTC) + hour)).count == 0
        assert (await log.recover(desk, wallet, id_, datetime.now(UTC) - hour)).count == 2
        assert (await log.recover(desk, wallet, id_, datetime.now(UTC) - hour)).count == 0
        await settle(desk)
        assert len(receiver.at("/hook")) == 4
        assert len(receiver.at("/other")) == 3


async def test_what_belongs_to_others_is_not_found(desk: Desk, shop: Shop) -> None:
    """Nothing can be seen or done through another wallet, not even through the same customer's test wallet."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver)
        await complete(desk, shop)
        (first, *_) = await log.deliveries(desk, shop.alice.id, made.endpoint.public_id, None)
        id_, since = made.endpoint.public_id, datetime.now(UTC)
        for wallet in (shop.bob.id, shop.rehearsal.id):
            for act in (
                endpoints.look(desk, wallet, id_), endpoints.change(desk, wallet, id_, {"enabled": False}),
                endpoints.delete(desk, wallet, id_), endpoints.rotate(desk, wallet, id_),
                log.deliveries(desk, wallet, id_, None), log.send_test(desk, wallet, id_),
                log.replay(desk, wallet, id_, first.delivery.id), log.recover(desk, wallet, id_, since),
            ):  # fmt: skip
                with pytest.raises(NotFound):
                    await act
            assert await endpoints.list_endpoints(desk, wallet) == []
        assert (await endpoints.look(desk, shop.alice.id, id_)).disabled_at is None


async def test_twenty_at_most_and_each_once(desk: Desk, shop: Shop) -> None:
    """Also when they are made at the same moment; a deleted one makes room and is told nothing more."""
    async with Receiver() as receiver:
        made = await asyncio.gather(
            *(listen(desk, shop.alice, receiver, f"/{n % 25}") for n in range(50)), return_exceptions=True
        )
        assert sum(not isinstance(each, BaseException) for each in made) == 20
        assert {type(each) for each in made if isinstance(each, BaseException)} == {WebhookRejected}
        found = await endpoints.list_endpoints(desk, shop.alice.id)
        assert len({each.url for each in found}) == 20
        await complete(desk, shop)
        for each in found:
            await endpoints.delete(desk, shop.alice.id, each.public_id)
        await settle(desk)
        assert receiver.heard == []
        await listen(desk, shop.alice, receiver)
        with pytest.raises(ValidationFailed):
            await endpoints.create(desk, shop.alice.id, NewEndpoint("http://10.0.0.1/"))


async def test_secrets_are_sealed(desk: Desk, shop: Shop) -> None:
    """What stands in the database opens nothing without the installation's secret."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver)
        assert made.secret.startswith("whsec_")
        stored = (await fetch(desk, "select sealed from webhook_secret"))[0][0]
        assert made.secret.removeprefix("whsec_").encode() not in stored


async def test_a_low_balance_is_told_once(desk: Desk, shop: Shop) -> None:
    """Below the mark: once, until it was at the mark again. With the figures as numbers."""
    async with Receiver() as receiver:
        await listen(desk, shop.alice, receiver, types=("balance.low",))
        await alerts.set_mark(desk, "alice@example.org", 99_900_000)
        assert await alerts.tell_low_balances(desk) == 0
        activation = (await buy(desk, shop.alice, IG)).activation
        assert await alerts.tell_low_balances(desk) == 1
        await buy(desk, shop.alice, IG)
        assert await alerts.tell_low_balances(desk) == 0
        await cancel(desk, shop.alice.id, activation.public_id)
        assert await alerts.tell_low_balances(desk) == 0
        await settle(desk)
        (heard,) = receiver.heard
        assert heard.payload["data"]["account"] == {"balance": 99.888511, "mark": 99.9, "currency": "USD"}


async def test_a_long_story_stays_below_twenty_kilobytes(desk: Desk, shop: Shop) -> None:
    """Many and long messages: the oldest are left out, then texts are cut."""
    async with Receiver() as receiver:
        await listen(desk, shop.alice, receiver, types=("activation.message",))
        activation = (await buy(desk, shop.alice, IG)).activation
        for text in ("no digits " * 1_500, "\N{PILE OF POO}" * 8_000, *["hello " * 200] * 30):
            await shop.push(desk, activation, text)
        await settle(desk)
        assert len(receiver.heard) == 32
        assert max(len(each.body) for each in receiver.heard) < 20_000
        assert all(each.payload["data"]["message"]["text"] for each in receiver.heard)


async def test_a_month_old_is_forgotten(desk: Desk, shop: Shop) -> None:
    """Events, deliveries, attempts; what is younger or still waits stays."""
    async with Receiver() as receiver:
        await listen(desk, shop.alice, receiver)
        await complete(desk, shop)
        await settle(desk)
        assert await forget.forget_old(desk) == 0
        for table, column in (("event", "created_at"), ("delivery", "created_at"),
                              ("delivery_attempt", "attempted_at")):  # fmt: skip
            async with desk.db.connection() as tx:
                await tx.execute(f"update {table} set {column} = {column} - interval '31 days'")  # type: ignore[arg-type]
        await complete(desk, shop)
        assert await forget.forget_old(desk) == 9
        await settle(desk)
        assert len(receiver.ids("/hook")) == 6


async def test_the_first_try_is_at_once(desk: Desk, shop: Shop) -> None:
    """The worker hears of an event when it is committed: measured from the push to the receiver."""
    async with Receiver() as receiver, courier_of(desk) as courier:
        await listen(desk, shop.alice, receiver, types=("activation.message",))
        stop = asyncio.Event()
        running = asyncio.create_task(courier.run(stop))
        bought = [(await buy(desk, shop.alice, IG)).activation for _ in range(20)]
        took = []
        for activation in bought:
            await asyncio.sleep(0.02)
            began = time.time()
            await shop.push(desk, activation, "Your Instagram code is 4711", "Instagram")
            await receiver.wait_for("/hook", len(took) + 1)
            took.append(receiver.heard[-1].at - began)
        stop.set()
        await running
        took.sort()
        print(f"push to webhook: p50 {took[10] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms")
        assert took[10] < 0.5  # idle and alone it is below 20 ms
        assert deliver.LOOK_AGAIN_S >= 0.5


async def test_one_bad_endpoint_stops_no_other(desk: Desk, shop: Shop) -> None:
    """A secret that cannot be read is that endpoint's failure alone."""
    async with Receiver() as receiver:
        made = await listen(desk, shop.alice, receiver, "/broken", types=("activation.created",))
        await listen(desk, shop.alice, receiver, types=("activation.created",))
        await fetch(
            desk,
            "update webhook_secret set sealed = 'x' where endpoint_id = %s returning 1",
            made.endpoint.id,
        )
        await buy(desk, shop.alice, IG)
        await settle(desk)
        assert len(receiver.at("/hook")) == 1
        (logged,) = await log.deliveries(desk, shop.alice.id, made.endpoint.public_id, None)
        assert logged.attempts[0].error == "it could not be written; ask your provider"
