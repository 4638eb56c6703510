"""The pages of customers, orders and money."""

from litestar.types import ControllerRouterHandler

from ringlet.web.admin import (
    customer,
    customer_data,
    customer_identity,
    customers,
    inbox,
    ledger,
    look,
    money,
    order,
    orders,
    payments,
    payments_gateway,
    payments_topup,
    payments_topups,
    vouchers,
)

HANDLERS: list[ControllerRouterHandler] = [
    *customers.HANDLERS, *customer.HANDLERS, *customer_data.HANDLERS, *customer_identity.HANDLERS, *look.HANDLERS, *orders.HANDLERS, *order.HANDLERS,
    *inbox.HANDLERS, *money.HANDLERS, *ledger.HANDLERS,
    *payments.HANDLERS, *payments_gateway.HANDLERS, *payments_topups.HANDLERS, *payments_topup.HANDLERS, *vouchers.HANDLERS,
]  # fmt: skip
