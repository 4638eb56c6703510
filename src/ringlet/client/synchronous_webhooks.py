"""`Ringlet.webhooks`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from ringlet.client import webhooks
from ringlet.client.talk import Talk
from ringlet.client.values import Delivery, NewWebhook, Webhook

T = TypeVar("T")


class Hold(Protocol):
    """Carries a conversation through to its result."""

    def __call__(self, talk: Talk[T]) -> T: ...


class Webhooks:
    """Where the installation tells what happens. Raises NotFound for an id that is none of yours."""

    def __init__(self, hold: Hold, total_s: float) -> None:
        self._hold = hold
        self._total_s = total_s

    def create(
        self, url: str, types: Sequence[str] = (), *, description: str = "", form: str = "standard"
    ) -> NewWebhook:
        """A new webhook; no `types` means all. Keep the `secret`. Raises WebhookRejected when there is one there."""
        return self._hold(webhooks.create(url, types, description, form, self._total_s))

    def list(self) -> list[Webhook]:
        """All of them, oldest first."""
        return self._hold(webhooks.every(self._total_s))

    def get(self, webhook_id: str) -> Webhook:
        """One of them."""
        return self._hold(webhooks.look(webhook_id, self._total_s))

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """What is not given stays."""
        return self._hold(webhooks.change(webhook_id, url, types, description, enabled, self._total_s))

    def delete(self, webhook_id: str) -> None:
        """No webhook is sent there any more."""
        self._hold(webhooks.delete(webhook_id, self._total_s))

    def rotate(self, webhook_id: str) -> NewWebhook:
        """A new secret; the old ones stay good for 24 hours."""
        return self._hold(webhooks.rotate(webhook_id, self._total_s))

    def test(self, webhook_id: str) -> str:
        """A test event is sent; the id of its delivery."""
        return self._hold(webhooks.test(webhook_id, self._total_s))

    def deliveries(self, webhook_id: str) -> Iterator[Delivery]:
        """What was sent, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._hold(webhooks.deliveries(webhook_id, cursor, self._total_s))
            yield from page.data
            cursor = page.next_cursor
            if cursor is None:
                return

    def replay(self, webhook_id: str, delivery_id: str) -> str:
        """One delivery is sent again, with the same `webhook-id`."""
        return self._hold(webhooks.replay(webhook_id, delivery_id, self._total_s))

    def recover(self, webhook_id: str, since: datetime) -> int:
        """All that failed for good since then is sent again; returns how many."""
        return self._hold(webhooks.recover(webhook_id, since, self._total_s))
