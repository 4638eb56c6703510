"""What a supplier has and did: its numbers, allotments, messages and money, with a truth of its own.

Every dialect (`fronts/`) speaks for the same warehouse. The faults are drawn from a seed in the order of the rents.
"""

import random
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

#: What may happen to the answer of a rent that was carried out; the number is allotted and paid all the same.
ANSWER_FAULTS = ("timeout", "drop", "garbage", "html", "error_sql", "half", "server_error")
#: What may be wrong with the allotment itself.
ALLOT_FAULTS = ("other_price", "same_number")


class No(Exception):  # noqa: N818 - an answer, not an error
    """The supplier refuses; the front spells `reason`."""

    def __init__(self, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.more = more


@dataclass
class Sms:
    id: int
    sender: str
    text: str
    code: str | None
    at: float


@dataclass
class Allotment:
    """One number that was given to the customer (to us). `standing`: active, cancelled or finished."""

    ref: str
    phone: str
    country: str
    service: str
    operator: str
    cost: Decimal
    reference: str | None
    fault: str | None
    created_at: float = field(default_factory=time.time)
    standing: str = "active"
    messages: list[Sms] = field(default_factory=list)
    #: another message was asked for after the last one
    is_waiting_again: bool = False


@dataclass
class Cell:
    cost: Decimal
    available: int


class Warehouse:
    """`faults`: name → share of the rents that meet it. `code_share` of the allotments get a code by themselves,
    after `code_after_s` (from, to).
    """

    def __init__(self, seed: int = 1, *, cancel_lock_s: float = 0, lease_s: float = 1200) -> None:
        self.random = random.Random(seed)
        self.cancel_lock_s = cancel_lock_s
        self.lease_s = lease_s
        self.balance = Decimal(10_000)
        self.cells: dict[tuple[str, str, str], Cell] = {}
        self.allotments: dict[str, Allotment] = {}
        self.faults: dict[str, float] = {}
        self.slow_s = 0.0
        self.code_share = 0.0
        self.code_after_s = (0.5, 2.0)
        self.refuse: str | None = None  # every rent is refused for this reason
        self.requests: dict[str, int] = {}
        #: where an agent pushes its messages, and the key that it says
        self.push_url: str | None = None
        self.push_key: str | None = None
        self._open: dict[str, Allotment] = {}  # what may still be active
        self._next = 1
        self._sms = 1

    def stock(self, country: str, service: str, cost: str, available: int, operator: str = "any") -> None:
        """Put a cell on the price list, or change it."""
        self.cells[country, service, operator] = Cell(Decimal(cost), available)

    def count(self, action: str) -> None:
        """Every front counts what it was asked."""
        self.requests[action] = self.requests.get(action, 0) + 1

    def rent(
        self, country: str, service: str, *, operators: tuple[str, ...] = (), excluded: tuple[str, ...] = (),
        cost_max: Decimal | None = None, reference: str | None = None,
    ) -> Allotment:  # fmt: skip
        """Allot a number and take its price. Raises No: no_numbers, no_balance, price, not_sold."""
        if self.refuse:
            raise No(self.refuse)
        cells = {
            key: cell for key, cell in self.cells.items()
            if key[:2] == (country, service) and (not operators or "any" in operators or key[2] in operators)
        }  # fmt: skip
        if not any(key[:2] == (country, service) for key in self.cells):
            raise No("not_sold")
        stocked = sorted((cell.cost, key) for key, cell in cells.items() if cell.available > 0)
        if not stocked:
            raise No("no_numbers")
        cost, key = stocked[0]
        if cost_max is not None and cost > cost_max:
            raise No("price", price=cost)
        fault = self._draw()
        if fault == "other_price":
            cost = cost * 3
        if cost > self.balance:
            raise No("no_balance")
        return self._allot(key, cost, excluded, reference, fault)

    def _allot(
        self, key: tuple[str, str, str], cost: Decimal, excluded: tuple[str, ...], reference: str | None, fault: str | None
    ) -> Allotment:  # fmt: skip
        phone = self._phone(excluded)
        if fault == "same_number":
            same = [
                a.phone for a in self.allotments.values() if a.standing == "active" and a.service == key[1]
            ]
            phone = same[-1] if same else phone
        ref = str(600_000_000 + self._next)
        self._next += 1
        self.cells[key].available -= 1
        self.balance -= cost
        allotment = Allotment(ref, phone, key[0], key[1], key[2], cost, reference, fault)
        self.allotments[ref] = self._open[ref] = allotment
        return allotment

    def _draw(self) -> str | None:
        at = self.random.random()
        for name, share in self.faults.items():
            if at < share:
                return name
            at -= share
        return None

    def _phone(self, excluded: tuple[str, ...]) -> str:
        while True:
            phone = f"62812{self.random.randrange(10**8):08}"
            if not phone.startswith(excluded or ("none",)):
                return phone

    def get(self, ref: str) -> Allotment:
        """Raises No: over."""
        if ref not in self.allotments:
            raise No("over")
        self._expire(self.allotments[ref])
        return self.allotments[ref]

    def active(self) -> list[Allotment]:
        """What is active now, the oldest first; cheap however much is over."""
        self.expire()
        return list(self._open.values())

    def cancel(self, ref: str) -> None:
        """Give the price back. Raises No: over, has_code, too_early. Twice is fine."""
        allotment = self.get(ref)
        if allotment.standing == "cancelled":
            return
        if allotment.messages or allotment.standing == "finished":
            raise No("has_code")
        left_s = allotment.created_at + self.cancel_lock_s - time.time()
        if left_s > 0:
            raise No("too_early", retry_after_s=left_s)
        self._return(allotment)

    def _return(self, allotment: Allotment) -> None:
        allotment.standing = "cancelled"
        self.balance += allotment.cost
        self.cells[allotment.country, allotment.service, allotment.operator].available += 1

    def finish(self, ref: str) -> None:
        """Raises No: over."""
        allotment = self.get(ref)
        if allotment.standing == "active":
            if allotment.messages:
                allotment.standing = "finished"
            else:
                self._return(allotment)

    def again(self, ref: str) -> None:
        """Wait for another message. Raises No: over."""
        allotment = self.get(ref)
        if allotment.standing != "active":
            raise No("over")
        allotment.is_waiting_again = bool(allotment.messages)

    def sms(self, ref: str, text: str, code: str | None, sender: str = "Example") -> Sms:
        """A message comes to an active number."""
        allotment = self.allotments[ref]
        message = Sms(self._sms, sender, text, code, time.time())
        self._sms += 1
        allotment.messages.append(message)
        allotment.is_waiting_again = False
        return message

    def expire(self) -> None:
        """What is past its lease ends by itself: paid when a message came, money back otherwise."""
        born_before = time.time() - self.lease_s
        for allotment in [each for each in self._open.values() if each.created_at < born_before]:
            self._expire(allotment)
        active = [each for each in self._open.values() if each.standing == "active"]
        if len(active) < len(self._open):
            self._open = {each.ref: each for each in active}

    def _expire(self, allotment: Allotment) -> None:
        if allotment.standing == "active" and time.time() > allotment.created_at + self.lease_s:
            if allotment.messages:
                allotment.standing = "finished"
            else:
                self._return(allotment)

    def truth(self) -> dict[str, Any]:
        """Everything, for the comparison with our books."""
        self.expire()
        return {
            "balance": str(self.balance),
            "requests": self.requests,
            "allotments": [
                {
                    "ref": a.ref, "phone": a.phone, "country": a.country, "service": a.service,
                    "cost": str(a.cost), "standing": a.standing, "fault": a.fault, "reference": a.reference,
                    "created_at": a.created_at,
                    "messages": [{"text": m.text, "code": m.code} for m in a.messages],
                }
                for a in self.allotments.values()
            ],
        }  # fmt: skip
