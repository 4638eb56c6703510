"""Is this webhook from our installation? Signed by Standard Webhooks, with any of the endpoint's secrets."""

from collections.abc import Mapping
from typing import Any

import msgspec
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from ringlet.client.errors import NotConfigured, NotVerified


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str) -> Any:
    """The event in a webhook's raw body. Give it the body as it came: one that was read and written again differs.

    Raises NotVerified when it was not signed with this secret (`whsec_…`) or is more than five minutes old, and
    NotConfigured for a secret that cannot be one. The same event may come twice: `webhook-id` tells.
    """
    try:
        webhook = Webhook(secret)
    except (EmptyWebhookSecretError, ValueError) as error:
        raise NotConfigured("a webhook secret looks like whsec_…") from error
    raw = body.encode() if isinstance(body, str) else body
    try:
        webhook.verify(raw, dict(headers), json_parse=False)
        return msgspec.json.decode(raw)
    except (
        WebhookVerificationError,
        ValueError,
    ) as error:  # ValueError: a header or body that is no text at all
        raise NotVerified("this webhook was not signed with that secret, or it is too old") from error
