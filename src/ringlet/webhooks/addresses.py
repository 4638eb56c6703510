"""Where a webhook may go: to the open internet, never to us, our neighbours or this machine.

An address is checked where it is used. The resolver of our HTTP client refuses a name with a forbidden address
among its answers, and the socket to each address is made by `Guard.open_socket`, which looks at exactly the one
that is connected next. So a name that answers otherwise a moment later, a literal in an odd spelling and a
library's mistake all end at the same check.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ringlet.errors import ValidationFailed
from ringlet.settings import Settings

URL_LENGTH_MAX = 2_000
PORTS = (443, 8443)
CONNECTIONS_MAX = 400
LOOKUPS_MAX = 100
CONNECT_WITHIN_S = 10.0
AGENT = "Ringlet/0.1 webhooks"

Address = IPv4Address | IPv6Address
#: as `socket.getaddrinfo`, which it is outside of tests
Lookup = Callable[..., list[tuple[Any, ...]]]

# `ipaddress.is_global` lets several of these pass (Python 3.11: multicast, 6to4's relay), so that each is named.
FORBIDDEN_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip

#: Of IPv6 only what is allotted for the open internet, without the parts that lead elsewhere: Teredo and other
#: protocols, documentation, 6to4. NAT64, mapped, local, segment routing and multicast lie outside of it.
ALLOTTED_6 = IPv6Network("2000::/3")
FORBIDDEN_6 = tuple(
    IPv6Network(each)
    for each in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
)


class ForbiddenAddress(OSError):  # noqa: N818 - an answer to a name, not an accident
    """The name leads to an address that no webhook may reach."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet."""
    if isinstance(address, IPv6Address):
        return (
            address.scope_id is None
            and address in ALLOTTED_6
            and address.is_global
            and not any(address in network for network in FORBIDDEN_6)
        )
    return address.is_global and not any(address in network for network in FORBIDDEN_4)


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of a list with commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Guard:
    """What this installation lets its webhooks reach."""

    def __init__(self, settings: Settings) -> None:
        self._http = settings.webhook_http
        self._allowed = networks(settings.webhook_allowed_networks)

    def may_reach(self, text: str) -> bool:
        """Whether the address that the operating system is about to connect to is allowed."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._allowed) or is_public(address)

    def check(self, url: str) -> None:
        """Refuse what no webhook may be sent to, as far as its spelling tells. Refuses: ValidationFailed."""
        if len(url) > URL_LENGTH_MAX or not (url.isascii() and url.isprintable()) or " " in url:
            raise _wrong(f"an address of at most {URL_LENGTH_MAX} printable ASCII characters")
        try:
            parsed = URL(url)
            host, port = parsed.raw_host or "", parsed.port
        except (ValueError, UnicodeError):
            raise _wrong("not an address") from None
        if parsed.scheme != "https" and not (self._http and parsed.scheme == "http"):
            raise _wrong("must begin with https://")
        # Looked for in what came: the library forgives an empty user.
        if not host or "@" in re.split(r"[/?]", url.partition("//")[2], maxsplit=1)[0]:
            raise _wrong("must name a host, without user and password")
        if port not in PORTS and not self._http:
            raise _wrong("the port must be 443 or 8443")
        if "\\" in url or "#" in url:
            raise _wrong("must have no fragment and no backslash")
        self._check_host(host.removesuffix("."))

    def _check_host(self, host: str) -> None:
        literal = _literal(host)
        if literal is not None and not self.may_reach(literal):
            raise _wrong("must lead to a public address")
        if literal is None and not _is_name(host):
            raise _wrong("must name a host of the public internet")

    def open_socket(self, found: tuple[Any, ...]) -> socket.socket:
        """The socket for one address that is about to be connected. Raises ForbiddenAddress."""
        family, kind, protocol, _, where = found
        if not self.may_reach(str(where[0])):
            raise ForbiddenAddress("not a public address")
        return socket.socket(family=family, type=kind, proto=protocol)

    @contextlib.asynccontextmanager
    async def session(self, lookup: Lookup = socket.getaddrinfo) -> AsyncIterator[aiohttp.ClientSession]:
        """A session that reaches only what is allowed.

        A new connection for every request: nothing is believed for longer than one attempt. No redirects (the caller
        says so with each request), no cookies, no proxy of the environment, no repetition, nothing unpacked.
        """
        resolver = CheckedResolver(self, lookup)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, resolver=resolver, use_dns_cache=False, force_close=True,
                socket_factory=self.open_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S),
            auto_decompress=False,
            trust_env=False,
        )  # fmt: skip
        session._retry_connection = False  # noqa: SLF001 - as in suppliers/wire.py: a request is sent once
        try:
            yield session
        finally:
            await session.close()
            await resolver.close()


class CheckedResolver(AbstractResolver):
    """Names to addresses, every time anew; a name with one forbidden address among them has none.

    Threads of its own: a customer's name server that never answers keeps a thread waiting, and the loop has few.
    """

    def __init__(self, guard: Guard, lookup: Lookup = socket.getaddrinfo) -> None:
        self._guard = guard
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, "webhook names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises ForbiddenAddress, OSError."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._lookup, host, port, family, socket.SOCK_STREAM
        )
        addresses = [(str(where[0]), kind) for kind, _, _, _, where in found]
        if not addresses or not all(self._guard.may_reach(address) for address, _ in addresses):
            raise ForbiddenAddress("not a public address")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, kind in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _literal(host: str) -> str | None:
    """The address that a host spells by numbers, in whatever way a C library would read it; None for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # 2130706433, 0x7f.1, 0177.0.0.1
    except (OSError, ValueError):
        return None


def _is_name(host: str) -> bool:
    """Labels of letters, digits and hyphens, the last one no number: no resolver takes it for an address."""
    labels = host.split(".")
    return (
        all(_is_label(label) for label in labels)
        and not labels[-1].isdigit()
        and not labels[-1].lower().startswith("0x")
    )


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= 63  # noqa: PLR2004 - DNS
        and all(c.isalnum() or c in "-_" for c in label)
        and not label.startswith("-")
        and not label.endswith("-")
    )


def _wrong(message: str) -> ValidationFailed:
    return ValidationFailed(message, field="url")
