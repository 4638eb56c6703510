"""5sim's REST API, version 1, so that programs written for it work with our address: /v1/user and /v1/guest."""

from litestar import Router
from litestar.exceptions import HTTPException

from ringlet.errors import Refusal
from ringlet.web.fivesim import absent, buy, cancel, check, complaints, entry, finish, guest, history, profile
from ringlet.web.fivesim import reuse as again

_user = Router(
    "/user",
    route_handlers=[
        profile.get_profile, history.get_orders, history.get_payments, buy.buy_activation, buy.buy_hosting,
        again.reuse, check.check, check.inbox, finish.finish, cancel.cancel, cancel.ban,
        absent.get_max_prices, absent.set_max_price, absent.delete_max_price,
    ],
    guards=[entry.let_in],
)  # fmt: skip
_vendor = Router("/", route_handlers=[absent.get_vendor, absent.withdraw], guards=[entry.let_in])
_guest = Router(
    "/guest",
    route_handlers=[guest.get_prices, guest.get_products, guest.get_countries, guest.get_flash],
    guards=[entry.let_guest_in],
)

router = Router(
    "/v1",
    route_handlers=[_user, _vendor, _guest],
    # All of them: a handler of the application for a kind of error would win over one here for every error.
    exception_handlers=dict.fromkeys((Refusal, HTTPException, Exception), complaints.render),
    include_in_schema=False,
)
