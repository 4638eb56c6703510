"""The protocols that we speak: one line each. A new supplier's protocol is one file and one line here."""

from collections.abc import Callable, Mapping

from ringlet.suppliers.agent import Agent
from ringlet.suppliers.fivesim import FiveSim
from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.handler_api_http import HandlerApiHttp
from ringlet.suppliers.port import Account, Port
from ringlet.suppliers.ringlet import Ringlet
from ringlet.suppliers.wire import Line

PROTOCOLS: Mapping[str, Callable[[Line, Account], Port]] = {
    "handler-api": HandlerApi,
    "handler-api-http": HandlerApiHttp,
    "fivesim": FiveSim,
    "ringlet": Ringlet,
    "agent": Agent,
}
