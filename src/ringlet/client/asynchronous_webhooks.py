"""`AsyncRinglet.webhooks`."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from ringlet.client import webhooks
from ringlet.client.talk import Talk
from ringlet.client.values import Delivery, NewWebhook, Webhook

T = TypeVar("T")


class AsyncHold(Protocol):
    """Carries a conversation through to its result."""

    async def __call__(self, talk: Talk[T]) -> T: ...


class AsyncWebhooks:
    """Where the installation tells what happens. Raises NotFound for an id that is none of yours."""

    def __init__(self, hold: AsyncHold, total_s: float) -> None:
        self._hold = hold
        self._total_s = total_s

    async def create(
        self, url: str, types: Sequence[str] = (), *, description: str = "", form: str = "standard"
    ) -> NewWebhook:
        """A new webhook; no `types` means all. Keep the `secret`. Raises WebhookRejected when there is one there."""
        return await self._hold(webhooks.create(url, types, description, form, self._total_s))

    async def list(self) -> list[Webhook]:
        """All of them, oldest first."""
        return await self._hold(webhooks.every(self._total_s))

    async def get(self, webhook_id: str) -> Webhook:
        """One of them."""
        return await self._hold(webhooks.look(webhook_id, self._total_s))

    async def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """What is not given stays."""
        return await self._hold(webhooks.change(webhook_id, url, types, description, enabled, self._total_s))

    async def delete(self, webhook_id: str) -> None:
        """No webhook is sent there any more."""
        await self._hold(webhooks.delete(webhook_id, self._total_s))

    async def rotate(self, webhook_id: str) -> NewWebhook:
        """A new secret; the old ones stay good for 24 hours."""
        return await self._hold(webhooks.rotate(webhook_id, self._total_s))

    async def test(self, webhook_id: str) -> str:
        """A test event is sent; the id of its delivery."""
        return await self._hold(webhooks.test(webhook_id, self._total_s))

    async def deliveries(self, webhook_id: str) -> AsyncIterator[Delivery]:
        """What was sent, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = await self._hold(webhooks.deliveries(webhook_id, cursor, self._total_s))
            for each in page.data:
                yield each
            cursor = page.next_cursor
            if cursor is None:
                return

    async def replay(self, webhook_id: str, delivery_id: str) -> str:
        """One delivery is sent again, with the same `webhook-id`."""
        return await self._hold(webhooks.replay(webhook_id, delivery_id, self._total_s))

    async def recover(self, webhook_id: str, since: datetime) -> int:
        """All that failed for good since then is sent again; returns how many."""
        return await self._hold(webhooks.recover(webhook_id, since, self._total_s))
