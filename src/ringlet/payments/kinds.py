"""Every kind of gateway, by the word it is stored as. A new one is a module and a line here."""

from collections.abc import Mapping

from ringlet.payments.bank import Bank
from ringlet.payments.btcpay import BTCPay
from ringlet.payments.cryptomus import Cryptomus
from ringlet.payments.demo import Demo
from ringlet.payments.nowpayments import NOWPayments
from ringlet.payments.paypal import PayPal
from ringlet.payments.port import Gateway
from ringlet.payments.stripe import Stripe
from ringlet.payments.voucher import Voucher

KINDS: Mapping[str, type[Gateway]] = {
    each.kind: each for each in (Demo, Bank, Voucher, Stripe, BTCPay, NOWPayments, PayPal, Cryptomus)
}
