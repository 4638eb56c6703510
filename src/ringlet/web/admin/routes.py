"""All admin pages under one router with one gate."""

from litestar import Router
from litestar.exceptions import HTTPException

from ringlet.errors import Refusal
from ringlet.web.admin import (
    brands,
    brands_dress,
    brands_words,
    figures,
    gate,
    gifts,
    home,
    office,
    policy,
    policy_limits,
    policy_rules,
    pricing,
    pricing_bulk,
    pricing_rule,
    privacy,
    reports,
    staff,
    supplier,
    supplier_codes,
    supplier_money,
    suppliers,
    system,
    welcome,
)
from ringlet.web.pages import errors

router = Router(
    "/",
    route_handlers=[
        *home.HANDLERS,
        *policy.HANDLERS,
        *policy_rules.HANDLERS,
        *policy_limits.HANDLERS,
        *brands.HANDLERS,
        *brands_dress.HANDLERS,
        *brands_words.HANDLERS,
        *figures.HANDLERS,
        *office.HANDLERS,
        *gifts.HANDLERS,
        *staff.HANDLERS,
        *privacy.HANDLERS,
        *reports.HANDLERS,
        *pricing.HANDLERS,
        *pricing_rule.HANDLERS,
        *pricing_bulk.HANDLERS,
        *suppliers.HANDLERS,
        *supplier.HANDLERS,
        *supplier_money.HANDLERS,
        *supplier_codes.HANDLERS,
        *system.HANDLERS,
        *welcome.HANDLERS,
    ],
    guards=[gate.guard],
    exception_handlers={
        Refusal: errors.ErrorPage,
        HTTPException: errors.ErrorPage,
        Exception: errors.ErrorPage,
    },
)
