"""All pages under one router, whose refusals are pages too."""

from litestar import Router
from litestar.exceptions import HTTPException

from ringlet.errors import Refusal
from ringlet.web.pages import (
    assets,
    brand,
    brand_shop,
    buy,
    data,
    developers,
    docs,
    errors,
    frame,
    history,
    live,
    mailbox,
    profile,
    receipt,
    referral,
    report,
    resting,
    rules,
    security,
    sign,
    topup,
    topup_demo,
    wallet,
    webhooks,
)

router = Router(
    "/",
    route_handlers=[
        assets.get_static,
        *frame.HANDLERS,
        *brand.HANDLERS,
        *brand_shop.HANDLERS,
        *sign.HANDLERS,
        *profile.HANDLERS,
        *data.HANDLERS,
        *rules.HANDLERS,
        *report.HANDLERS,
        *resting.HANDLERS,
        *security.HANDLERS,
        *buy.HANDLERS,
        *live.HANDLERS,
        *history.HANDLERS,
        *wallet.HANDLERS,
        *referral.HANDLERS,
        *topup.HANDLERS,
        *receipt.HANDLERS,
        *topup_demo.HANDLERS,
        *webhooks.HANDLERS,
        *developers.HANDLERS,
        *docs.HANDLERS,
        *mailbox.HANDLERS,
    ],
    # By name: the application has handlers for refusals of its own, which are nearer than one for everything.
    exception_handlers={
        Refusal: errors.ErrorPage,
        HTTPException: errors.ErrorPage,
        Exception: errors.ErrorPage,
    },
)
