"""What Ringlet should do, in the simplest words: dictionaries, no database, no time but its own.

The model does not choose which free number is sold or what id an activation gets: it is told, and says whether
that was allowed.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LEASE_S = 1200.0
REST_S = 30 * 86_400.0
OPEN = {"waiting", "received"}
ANY = "<any>"  # a code or number that the simulator invents

#: the simulator's services: seconds to each message and whether it has a code; seconds of doubt; of lease
SCRIPTS: dict[str, tuple[list[tuple[float, bool]], float | None, float]] = {
    "go": ([(2, True)], None, LEASE_S),
    "test_never": ([], None, LEASE_S),
    "test_two_codes": ([(2, True), (4, True)], None, LEASE_S),
    "test_late": ([(7, True)], None, 5),
    "test_no_code": ([(2, False)], None, LEASE_S),
    "test_timeout": ([(5, True)], 3, LEASE_S),
}
REFUSING = {"test_no_numbers": "NoNumbers", "test_unavailable": "ServiceUnavailable"}


class RefusedError(Exception):
    """The model refuses, with the name of the refusal."""


@dataclass(slots=True)
class Lease:
    public_id: int
    wallet: str
    service: str
    phone: str | None
    state: str
    amount: int
    expires: float
    due: float
    code: str | None = None
    resent_from: int | None = None
    used: bool = False
    messages: list[tuple[str, str | None, bool]] = field(default_factory=list)
    planned: list[tuple[float, bool]] = field(default_factory=list)


@dataclass(slots=True)
class Model:
    """`shelf` is the state of each number for each service; "t" is the wallet of test mode."""

    price: int
    money: dict[str, list[int]]
    shelf: dict[tuple[str, str], str]
    now: float = 0.0
    leases: dict[int, Lease] = field(default_factory=dict)
    rest_due: dict[tuple[str, str], float] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    sms_ids: set[int] = field(default_factory=set)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)

    # Money: available, held, revenue.

    def hold(self, wallet: str, amount: int) -> None:
        if self.money[wallet][0] < amount:
            raise RefusedError("InsufficientBalance")
        self.money[wallet][0] -= amount
        self.money[wallet][1] += amount

    def settle(self, lease: Lease, account: int) -> None:
        """What is held goes back (0) or is earned (2)."""
        self.money[lease.wallet][1] -= lease.amount
        self.money[lease.wallet][account] += lease.amount

    # What customers do.

    def check_buy(self, wallet: str, service: str, key: str | None) -> int | None:
        """The activation that the key already made; refuses what cannot be sold."""
        known = self.keys.get((wallet, key)) if key else None
        if known is not None:
            if self.leases[known].service != service:
                raise RefusedError("IdempotencyMismatch")
            return known
        if wallet == "t":
            if service in REFUSING:
                raise RefusedError(REFUSING[service])
        elif "free" not in [state for (_, for_), state in self.shelf.items() if for_ == service]:
            raise RefusedError("NoNumbers")
        if self.money[wallet][0] < self.price:
            raise RefusedError("InsufficientBalance")
        return None

    def buy(self, wallet: str, service: str, key: str | None, public_id: int, phone: str | None) -> None:
        """A sale that `check_buy` allows, of the number that was picked."""
        assert self.check_buy(wallet, service, key) is None
        assert public_id not in self.leases
        self.hold(wallet, self.price)
        lease = Lease(public_id, wallet, service, phone, "waiting", self.price, 0, 0)
        if wallet == "t":
            messages, doubt_s, lease_s = SCRIPTS[service]
            lease.state, lease.phone = ("waiting", ANY) if doubt_s is None else ("ordering", None)
            lease.expires = self.now + lease_s
            lease.due = lease.expires if doubt_s is None else self.now + doubt_s
            lease.planned = [(self.now + after, has_code) for after, has_code in messages]
        else:
            assert phone is not None
            assert self.shelf[phone, service] == "free", f"{phone} is not free for {service}"
            self.shelf[phone, service] = "leased"
            lease.expires = lease.due = self.now + LEASE_S
        self.leases[public_id] = lease
        if key:
            self.keys[wallet, key] = public_id

    def cancel(self, wallet: str, public_id: int) -> None:
        lease = self.leases[public_id]
        if lease.wallet != wallet:
            raise RefusedError("NotFound")
        if lease.state != "waiting":
            raise RefusedError("CancelRejected")
        self._refund(lease, "cancelled")

    def check_resend(self, public_id: int) -> None:
        lease = self.leases[public_id]
        again = lease.state == "finished" or (lease.state == "received" and lease.expires <= self.now)
        taken = lease.state == "finished" and self.shelf.get((lease.phone or "", lease.service)) == "leased"
        goes_on = lease.state in OPEN and lease.expires > self.now
        if not (goes_on or again) or taken:
            raise RefusedError("ResendRejected")
        if again and self.money[lease.wallet][0] < self.price:
            raise RefusedError("InsufficientBalance")

    def resend(self, public_id: int, new_id: int) -> None:
        """Another activation on the same number takes its place."""
        self.check_resend(public_id)
        old = self.leases[public_id]
        goes_on = old.state in OPEN and old.expires > self.now
        amount = (old.amount if old.state == "waiting" else 0) if goes_on else self.price
        used = old.used or old.code is not None
        if old.state == "waiting":
            self.settle(old, 0)
            old.state = "cancelled"
        old.state = "finished" if old.state == "received" else old.state
        self.hold(old.wallet, amount)
        if old.wallet != "t":
            assert old.phone is not None
            self._shelve(old.phone, old.service, "leased")
        expires = old.expires if goes_on else self.now + LEASE_S
        planned = SCRIPTS[old.service][0] if old.wallet == "t" else []
        self.leases[new_id] = Lease(
            new_id, old.wallet, old.service, old.phone, "waiting", amount, expires, expires,
            resent_from=public_id, used=used,
            planned=[(self.now + after, has_code) for after, has_code in planned],
        )  # fmt: skip

    # What owners do.

    def message(self, sms_id: int, phone: str, text: str, code: str | None, names: str | None) -> None:
        """To the lease whose service it names, else to the oldest that waits, else to the newest that has a code."""
        if sms_id in self.sms_ids:
            return
        self.sms_ids.add(sms_id)
        leases = [each for each in self.leases.values() if each.phone == phone and each.state in OPEN]
        waiting = [each for each in leases if each.state == "waiting"]
        received = [each for each in reversed(leases) if each.state == "received"]
        candidates = waiting + received
        named = [each for each in candidates if each.service == names]
        if not candidates:
            self.orphans.append(text)
        else:
            self._deliver((named or candidates)[0], text, code)

    def _deliver(self, lease: Lease, text: str, code: str | None) -> None:
        lease.messages.append((text, code, False))
        if code is not None:
            lease.code = code
            if lease.state == "waiting":
                lease.state = "received"
                self.settle(lease, 2)

    # What workers do.

    def due(self) -> list[Lease]:
        return [
            each
            for each in self.leases.values()
            if each.state in OPEN | {"ordering"} and each.due <= self.now
        ]

    def time_out(self, lease: Lease) -> None:
        match lease.state:
            case "waiting":
                self._refund(lease, "expired")
            case "received":
                lease.state = "finished"
                self._shelve(lease.phone, lease.service, "resting")
            case _:
                lease.state, lease.phone, lease.due = "waiting", ANY, lease.expires

    def pushable(self, lease: Lease) -> int:
        """How many of its simulated messages are due: none before the number is known."""
        return 0 if lease.state == "ordering" else sum(due <= self.now for due, _ in lease.planned)

    def push_first(self, lease: Lease) -> None:
        _, has_code = lease.planned.pop(0)
        code = ANY if has_code else None
        if lease.state in OPEN:
            self._deliver(lease, ANY, code)
        else:
            lease.messages.append((ANY, code, True))

    def wake_rested(self) -> None:
        for place, due in list(self.rest_due.items()):
            if due <= self.now:
                self._shelve(*place, "free")

    def _refund(self, lease: Lease, state: str) -> None:
        self.settle(lease, 0)
        lease.state = state
        self._shelve(lease.phone, lease.service, "resting" if lease.used else "free")

    def _shelve(self, phone: str | None, service: str, state: str) -> None:
        """Simulated numbers stand on no shelf."""
        if phone is None or (phone, service) not in self.shelf:
            return
        self.shelf[phone, service] = state
        self.rest_due.pop((phone, service), None)
        if state == "resting":
            self.rest_due[phone, service] = self.now + REST_S

    def view(self) -> dict[str, Any]:
        """Everything that can be compared with the database."""
        return {
            "money": {wallet: tuple(accounts) for wallet, accounts in self.money.items()},
            "shelf": dict(self.shelf),
            "leases": {
                each.public_id: (each.wallet, each.service, each.phone, each.state, each.amount, each.code,
                                 each.resent_from, each.used)
                for each in self.leases.values()
            },
            "messages": {each.public_id: each.messages for each in self.leases.values() if each.messages},
            "planned": +Counter({each.public_id: len(each.planned) for each in self.leases.values()}),
            "orphans": self.orphans,
            "keys": dict(self.keys),
        }  # fmt: skip
