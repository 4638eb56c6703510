"""The pages of customers, orders and money."""

from litestar.types import ControllerRouterHandler

from ringlet.web.admin import customer, customer_data, customers, inbox, ledger, look, money, order, orders

HANDLERS: list[ControllerRouterHandler] = [
    *customers.HANDLERS, *customer.HANDLERS, *customer_data.HANDLERS, *look.HANDLERS, *orders.HANDLERS, *order.HANDLERS,
    *inbox.HANDLERS, *money.HANDLERS, *ledger.HANDLERS,
]  # fmt: skip
