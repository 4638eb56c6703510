"""Every action, the scope that a key needs for it, and the verb that does it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ringlet.web.handler import absent, balance, buy, change, codes, extra, lists, prices, status, top
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask


class Action(NamedTuple):
    scope: str
    do: Callable[[Ask], Awaitable[Answer]]


BALANCE, PRICES = "balance:read", "prices:read"
READ, WRITE = "activations:read", "activations:write"

ACTIONS: Mapping[str, Action] = {
    "getBalance": Action(BALANCE, balance.get_balance),
    "getBalanceAndCashBack": Action(BALANCE, balance.get_balance),
    "getNumber": Action(WRITE, buy.get_number),
    "getNumberV2": Action(WRITE, buy.get_number_v2),
    "getMultiServiceNumber": Action(WRITE, buy.get_multi_service_number),
    "setStatus": Action(WRITE, change.set_status),
    "finishActivation": Action(WRITE, change.finish_activation),
    "cancelActivation": Action(WRITE, change.cancel_activation),
    "getStatus": Action(READ, status.get_status),
    "getStatusV2": Action(READ, status.get_status_v2),
    "getFullSms": Action(READ, status.get_full_sms),
    "getAllSms": Action(READ, status.get_all_sms),
    "getActiveActivations": Action(READ, lists.get_active_activations),
    "getHistory": Action(READ, lists.get_history),
    "getExtraActivation": Action(WRITE, extra.get_extra_activation),
    "checkExtraActivation": Action(READ, extra.check_extra_activation),
    "reactivate": Action(WRITE, extra.reactivate),
    "reactivationPrice": Action(READ, extra.get_reactivation_price),
    "getPrices": Action(PRICES, prices.get_prices),
    "getPricesExtended": Action(PRICES, prices.get_prices),
    "getPricesV2": Action(PRICES, prices.get_prices_v2),
    "getPricesV3": Action(PRICES, prices.get_prices_v3),
    "getPricesVerification": Action(PRICES, absent.get_prices_verification),
    "getNumbersStatus": Action(PRICES, prices.get_numbers_status),
    "getTopCountriesByService": Action(PRICES, top.get_top_countries),
    "getTopCountriesByServiceRank": Action(PRICES, top.get_top_countries),
    "getListOfTopCountriesByService": Action(PRICES, top.get_list_of_top_countries),
    "getCountries": Action(PRICES, codes.get_countries),
    "getServicesList": Action(PRICES, codes.get_services_list),
    "getOperators": Action(PRICES, codes.get_operators),
    **{name: Action(READ, absent.refuse) for name in absent.REFUSED},
}
