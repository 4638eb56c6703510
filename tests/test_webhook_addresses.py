"""Where a webhook must never go, however the address is spelled and whatever the name server says."""

import asyncio
import socket
import threading
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from ringlet.errors import StartupError, ValidationFailed
from ringlet.settings import Settings, load
from ringlet.webhooks import post
from ringlet.webhooks.addresses import Guard, is_public
from ringlet.webhooks.claim import Claimed, Task
from ringlet.webhooks.endpoints import Endpoint
from ringlet.webhooks.payload import Event
from tests.fakes.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

PRIVATE = [
    # this machine and this network
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "255.255.255.255", "::", "::1",
    # our neighbours
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.1",
    "100.127.255.255", "169.254.169.254", "169.254.0.1", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1",
    # protocols, documentation, measuring, multicast, reserved
    "192.0.0.1", "192.0.0.9", "192.0.0.171", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "2001:2::1", "2001:10::1", "2001:20::1", "3fff::1", "3ffe::1",
    "5f00::1", "2620:4f:8000::1", "4000::1", "e000::1",
    # one address inside of another: mapped, compatible, translated, NAT64, 6to4, Teredo
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:1::1",
    "2001::1", "2001:0:7f00:1::1",
]  # fmt: skip

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
          "198.17.255.255", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "2620:4f:7fff::1",
          "::ffff:8.8.8.8"]  # fmt: skip

SPELLINGS = [
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://127.1/", "https://127.0.1/", "https://017700000001/", "https://0/", "https://0x0/", "https://127.0.0.1./",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:7f00:0001]/", "https://[64:ff9b::a00:1]/", "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/", "https://[fe80::1]/", "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/", "https://0xa9fea9fe/", "https://0251.0376.0251.0376/", "https://10.0.0.1:8443/",
]  # fmt: skip

MALFORMED = [
    "", "shop.example.com", "http://shop.example.com/", "ftp://shop.example.com/", "file:///etc/passwd",
    "gopher://shop.example.com/", "javascript:alert(1)", "//shop.example.com/", "https://", "https:///path",
    "https://user@shop.example.com/", "https://user:pw@shop.example.com/", "https://:@shop.example.com/",
    "https://@shop.example.com/", "https://shop.example.com@127.0.0.1/", "https://127.0.0.1#@shop.example.com/",
    "https://shop.example.com:80/", "https://shop.example.com:22/", "https://shop.example.com:5432/",
    "https://shop.example.com:99999/", "https://shop.example.com:x/", "https://shop.example.com/#part",
    "https://shop.example.com\\@127.0.0.1/", "https://shop.example.com/a b", "https://shop.example.com/\r\nX: y",
    "https://shop.example.com/\0", "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://exämple.com/",
    "https://-shop.example.com/", "https://shop..example.com/", "https://shop.example.0x7f/", "https://[::1/",
    "https://shop.example.com/" + "a" * 2_000,
]  # fmt: skip


def settings(**more: Any) -> Settings:
    return Settings(home=Path("/nowhere"), secret=b"s" * 32, **more)


#: everything is allowed by spelling, nothing by address
OPEN = Guard(settings(webhook_http=True))


def task(url: str) -> Task:
    now = datetime.now(UTC)
    endpoint = Endpoint(1, "wh_x", 1, url, "", "standard", [], None, None, None, now)
    event = Event(1, 1, "webhook.test", None, None, None, None, None, now)
    return Task(Claimed(1, 1, 1, 0), endpoint, event, None, [SECRET])


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    """Every form of the table, also those of which the standard library says that they are global."""
    assert not OPEN.may_reach(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pytest.raises(OSError, match="not a public address"):
        OPEN.open_socket((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443)))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address: str) -> None:
    """The edges of each network, from outside."""
    assert OPEN.may_reach(address)
    if not address.startswith("::ffff"):
        assert is_public(ip_address(address))


@pytest.mark.parametrize("url", SPELLINGS)
def test_literals_are_checked_in_every_spelling(url: str) -> None:
    """Decimal, hexadecimal, octal, shortened, bracketed: what a C library reads as an address is one."""
    with pytest.raises(ValidationFailed):
        Guard(settings()).check(url)


@pytest.mark.parametrize("url", MALFORMED)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Other schemes and ports, users, fragments, backslashes, spaces, letters outside ASCII."""
    with pytest.raises(ValidationFailed):
        Guard(settings()).check(url)


@pytest.mark.parametrize(
    "url",
    ["https://shop.example.com", "https://shop.example.com:8443/hook?a=1", "https://8.8.8.8/", "https://a-b.example/x",
     "https://[2606:4700:4700::1111]/", "https://xn--exmple-cua.com/", "https://SHOP.example.com/"],
)  # fmt: skip
def test_ordinary_addresses_are_taken(url: str) -> None:
    """The rules are in nobody's way."""
    Guard(settings()).check(url)


def test_networks_can_be_allowed() -> None:
    """For receivers inside: only what the operator named, and only by address; mapped ones count as what they are."""
    guard = Guard(settings(webhook_allowed_networks="127.0.0.0/8, 10.1.0.0/16,fd00::/8"))
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::1"):
        assert guard.may_reach(address)
    for address in ("10.2.0.1", "::1", "192.168.0.1", "64:ff9b::7f00:1", "not an address", ""):
        assert not guard.may_reach(address)
    with pytest.raises(ValidationFailed):
        guard.check("http://127.0.0.1/")


@pytest.mark.parametrize(("name", "value"), [("HTTP", "yes"), ("ALLOWED_NETWORKS", "127.0.0.1/8"),
                                             ("ALLOWED_NETWORKS", "localhost")])  # fmt: skip
def test_settings_that_make_no_sense_stop_the_start(tmp_path: Path, name: str, value: str) -> None:
    """A typing error here would be a hole."""
    with pytest.raises(StartupError):
        load({"RINGLET_HOME": str(tmp_path), f"RINGLET_WEBHOOK_{name}": value})


def answer(*addresses: str) -> Any:
    """A name server that says this, whatever it is asked."""

    def lookup(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in addresses
        ]

    return lookup


async def attempt(guard: Guard, url: str, lookup: Any = socket.getaddrinfo) -> post.Outcome:
    async with guard.session(lookup) as session:
        return await post.send(session, guard, task(url))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1"]
)
async def test_names_of_private_addresses_are_refused(address: str) -> None:
    """The name looks like any other; its address does not."""
    async with Receiver() as receiver:
        outcome = await attempt(OPEN, f"http://shop.example.com:{receiver.port}/", answer(address))
        assert outcome.error == "this host name does not lead to a public IP address"
        assert receiver.heard == []


async def test_one_private_address_among_public_ones_is_enough() -> None:
    """Every answer is checked: which of them is connected to is not ours to choose."""
    async with Receiver() as receiver:
        lookup = answer("93.184.216.34", "127.0.0.1")
        outcome = await attempt(OPEN, f"http://shop.example.com:{receiver.port}/", lookup)
        assert outcome.error == "this host name does not lead to a public IP address"
        assert receiver.heard == []


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """Rebinding: public when asked first, private a moment later. Each attempt asks once and connects to that."""
    asked = []

    def rebind(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        found: list[tuple[Any, ...]] = answer("93.184.216.34" if len(asked) == 1 else "127.0.0.1")(host, port)
        return found

    connected: list[str] = []

    class Watched(Guard):
        def open_socket(self, found: tuple[Any, ...]) -> socket.socket:
            connected.append(found[4][0])
            super().open_socket(found).close()
            raise OSError("no internet here")

    async with Receiver() as receiver:
        guard = Watched(settings(webhook_http=True))
        async with guard.session(rebind) as session:
            first = await post.send(session, guard, task(f"http://shop.example.com:{receiver.port}/"))
            second = await post.send(session, guard, task(f"http://shop.example.com:{receiver.port}/"))
        assert (first.error, second.error) == (
            "no connection",
            "this host name does not lead to a public IP address",
        )
        assert asked == ["shop.example.com"] * 2
        assert connected == ["93.184.216.34"]
        assert receiver.heard == []


async def test_the_socket_is_the_last_check() -> None:
    """An address that no check has seen, because the HTTP client did not ask for a name, is still not connected to."""

    class Careless(Guard):
        def check(self, url: str) -> None:
            """Lets everything pass."""

    async with Receiver() as receiver:
        guard = Careless(settings(webhook_http=True))
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"):
            outcome = await attempt(guard, f"http://{host}:{receiver.port}/")
            assert outcome.error is not None, host
            assert outcome.status is None
        assert receiver.heard == []


async def test_redirections_are_failures() -> None:
    """To a private address or to any other: nothing is followed."""
    async with Receiver() as private, Receiver(elsewhere=private.url("/private")) as receiver:
        receiver.behave("/", "301")
        guard = Guard(settings(webhook_http=True, webhook_allowed_networks="127.0.0.0/8"))
        outcome = await attempt(guard, receiver.url("/"))
        assert (outcome.status, outcome.is_success) == (301, False)
        assert private.heard == []


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect where we would not."""
    async with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        guard = Guard(settings(webhook_http=True, webhook_allowed_networks="127.0.0.0/8"))
        assert (await attempt(guard, receiver.url("/"))).is_success
        assert proxy.heard == []
        assert len(receiver.heard) == 1


async def test_a_name_server_that_hangs_holds_up_no_other_name() -> None:
    """Threads of its own, and more than the loop's few."""
    began = asyncio.Event()

    def lookup(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        if host.startswith("slow"):
            loop.call_soon_threadsafe(began.set)
            may_end.wait(5)
        found: list[tuple[Any, ...]] = answer("127.0.0.1")(host, port)
        return found

    loop = asyncio.get_running_loop()
    may_end = threading.Event()
    guard = Guard(settings(webhook_http=True, webhook_allowed_networks="127.0.0.0/8"))
    async with Receiver() as receiver, guard.session(lookup) as session:
        slow = [
            asyncio.create_task(post.send(session, guard, task(f"http://slow{n}.example:{receiver.port}/")))
            for n in range(40)
        ]
        await began.wait()
        outcome = await post.send(session, guard, task(f"http://quick.example:{receiver.port}/"))
        assert outcome.is_success
        assert outcome.took_ms < 1_000
        may_end.set()
        await asyncio.gather(*slow)
