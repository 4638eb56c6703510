"""Asking a gateway to make a payment."""

import structlog

from ringlet import failpoints
from ringlet.desk import Desk
from ringlet.payments.book import Terms
from ringlet.payments.port import Capabilities, Order, Refused, Unreachable
from ringlet.topups import store
from ringlet.topups.store import Topup

FIRST_LOOK_S = 60.0

log = structlog.get_logger("ringlet.topups")


async def ask(desk: Desk, terms: Terms, topup: Topup) -> None:
    """Have the gateway make the payment of a 'new' top-up. Asked twice, it is made once: its id is the key.

    Refuses: ServiceUnavailable (the database).
    """
    adapter = desk.gateways.adapter(terms)
    try:
        made = await adapter.create(await _order(desk, terms, topup))
    except Unreachable as error:
        log.warning("gateway_unreachable", gateway=terms.kind, topup=topup.public_id, why=str(error))
        return
    except Refused as error:
        log.warning("gateway_refused", gateway=terms.kind, topup=topup.public_id, why=str(error))
        async with desk.db.transaction() as tx:
            await store.end(tx, topup.id, "new", "failed", "refused")
        return
    failpoints.reach("topup_made")
    async with desk.db.transaction() as tx:
        # When two processes asked, they were told the same payment.
        await store.opened(tx, topup.id, made, first_look_s(desk, adapter.can))


def first_look_s(desk: Desk, can: Capabilities) -> float | None:
    """When to ask for the first time after a payment was made; None: there is nobody to ask."""
    return min(FIRST_LOOK_S, desk.settings.topup_look_s) if can.fetches else None


async def _order(desk: Desk, terms: Terms, topup: Topup) -> Order:
    async with desk.db.connection() as tx:
        email, brand_id = await store.payer(tx, topup.wallet_id)
    settings = desk.brands.get(brand_id).worn
    return Order(
        id=topup.public_id,
        charge_micros=topup.charge_micros,
        currency=topup.currency,
        title=settings.name,
        email=email,
        return_url=f"{settings.public_url}/wallet/top-up/{topup.public_id}",
        notice_url=f"{desk.settings.public_url}/payments/{terms.kind}/{terms.id}",
        expires_at=topup.expires_at,
    )
