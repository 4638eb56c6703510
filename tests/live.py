"""Gateways of which an operator gives test keys, by environment variables; and a line that names the others.

What is tested against our own fakes says how we have read the documentation, and no more.
"""

import os
from collections.abc import Mapping

import pytest

#: kind → field of the gateway → the variable that gives it; those in brackets may be missing
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "stripe": {"secret_key": "STRIPE_TEST_KEY"},
    "btcpay": {
        "url": "BTCPAY_TEST_URL", "store_id": "BTCPAY_TEST_STORE", "api_key": "BTCPAY_TEST_KEY",
        "webhook_secret": "(BTCPAY_TEST_WEBHOOK_SECRET)",
    },
    "nowpayments": {
        "api_key": "NOWPAYMENTS_TEST_KEY", "ipn_secret": "(NOWPAYMENTS_TEST_IPN_SECRET)",
        "pay_currency": "NOWPAYMENTS_TEST_COIN",
    },
    "paypal": {"client_id": "PAYPAL_TEST_CLIENT_ID", "client_secret": "PAYPAL_TEST_CLIENT_SECRET"},
    "cryptomus": {"merchant": "CRYPTOMUS_TEST_MERCHANT", "payment_key": "CRYPTOMUS_TEST_KEY"},
}  # fmt: skip
#: stands where a gateway wants a secret that only its notices need
UNUSED = "0" * 32


def keys(kind: str) -> dict[str, str] | None:
    """What to configure this gateway with; None when a variable is missing."""
    found = {}
    for field, variable in VARIABLES[kind].items():
        value = os.environ.get(variable.strip("()")) or (UNUSED if variable.startswith("(") else None)
        if value is None:
            return None
        found[field] = value
    return found


def given() -> list[str]:
    """The gateways whose keys we have."""
    return [kind for kind in VARIABLES if keys(kind) is not None]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Whoever tests gateways reads which of them met the real thing."""
    reports = [report for every in terminalreporter.stats.values() for report in every]
    names = {getattr(report, "nodeid", "") for report in reports}
    if not any(name.startswith(("tests/test_gateway", "tests/test_topup")) for name in names):
        return
    met = {
        kind
        for kind in given()
        if any("test_gateways_live.py" in name and f"[{kind}]" in name for name in names)
    }
    for kind, variables in VARIABLES.items():
        if kind not in met:
            needed = " ".join(each for each in variables.values() if not each.startswith("("))
            terminalreporter.write_line(
                f"NOT tested against the real {kind}: make test-payments with {needed}"
            )
