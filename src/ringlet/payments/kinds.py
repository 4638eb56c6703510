"""Every kind of gateway, by the word it is stored as. A new one is a module and a line here."""

from collections.abc import Mapping

from ringlet.payments.bank import Bank
from ringlet.payments.demo import Demo
from ringlet.payments.port import Gateway

KINDS: Mapping[str, type[Gateway]] = {each.kind: each for each in (Demo, Bank)}
