"""Whether a notice is PayPal's: its signature, the certificate that it names, and who vouches for that.

PayPal signs `transmission id|time|webhook id|CRC-32 of the body` with RSA and names the address of its certificate.
Anybody can write a header, so the address must be one of PayPal's own, and the certificate must be PayPal's, for this
very purpose, by the word of a root that this machine trusts. Where it is not provable here, PayPal itself is asked.

A notice is good for four days: PayPal repeats one for three days with its first id and time, so that an hour's limit
would lose those that matter most. Nothing is lost by that: a repeated notice only makes us ask PayPal again.
"""

import asyncio
import ssl
import time
import warnings
import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ringlet.payments import vendor
from ringlet.payments.paypal_line import Api, send
from ringlet.payments.port import NoticeRefused, Unreachable
from ringlet.suppliers.port import NotSent
from ringlet.suppliers.wire import Line, Pace

ALGORITHM = "SHA256withRSA"
OLDEST = timedelta(days=4)
#: of a clock ahead of ours
NEWEST = timedelta(minutes=5)
HOSTS = ("api.paypal.com", "api-m.paypal.com", "api.sandbox.paypal.com", "api-m.sandbox.paypal.com")
CERTIFICATES = "/v1/notifications/certs/"
#: whose certificates sign notices, by mode; PayPal's simulator signs with the live one
SIGNERS: Mapping[str, Sequence[str]] = {
    "live": ("messageverificationcerts.paypal.com",),
    "test": ("messageverificationcerts.sandbox.paypal.com", "messageverificationcerts.paypal.com"),
}
KEPT_S = 24 * 3600.0
KEPT_MAX = 8
CHAIN_BYTES_MAX = 65_536
BITS_MIN = 2048
#: whoever sends rubbish makes us ask PayPal no more often than this
ASKS_PER_S = 2.0
#: and whoever comes then must come again
LONGEST_S = 2.0


class Seal(msgspec.Struct, frozen=True):
    """What PayPal writes above a notice."""

    id: str
    time: str
    signature: str
    certificate_url: str
    algorithm: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Seal":
        """Raises NoticeRefused when a part is missing."""
        names = ("transmission-id", "transmission-time", "transmission-sig", "cert-url", "auth-algo")
        return cls(*(vendor.header(headers, f"paypal-{name}") for name in names))


class Witness:
    """Knows PayPal's notices for one webhook."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: Api,
        webhook_id: str,
        mode: str,
        *,
        origin: str = "",
        roots: str = "",
    ) -> None:
        """`origin` and `roots`: where else certificates may lie, and who else vouches for them. For tests alone."""
        self._api = api
        self._webhook_id = webhook_id
        self._pace = Pace(ASKS_PER_S)
        self._certificates = Certificates(session, SIGNERS[mode], origin, roots, self._pace)

    async def hear(self, raw: bytes, headers: Mapping[str, str]) -> None:
        """Return when these bytes are PayPal's, said to this webhook. Raises NoticeRefused, Unreachable."""
        if not self._webhook_id:
            raise NoticeRefused("no webhook id is set up")
        seal = Seal.of(headers)
        _check_time(seal)
        key = await self._certificates.key(seal.certificate_url)
        if key is None:
            await self._ask(raw, seal)
        else:
            _check_signature(key, seal, self._webhook_id, raw)

    async def _ask(self, raw: bytes, seal: Seal) -> None:
        """PayPal's own word on it. It wants the notice as it came, not as we would write it."""
        try:
            msgspec.json.decode(raw)  # what is JSON cannot say anything beside its place in what we send
        except (ValueError, RecursionError):
            raise NoticeRefused("no JSON") from None
        about = msgspec.json.encode({
            "auth_algo": seal.algorithm, "cert_url": seal.certificate_url, "transmission_id": seal.id,
            "transmission_sig": seal.signature, "transmission_time": seal.time, "webhook_id": self._webhook_id,
        })  # fmt: skip
        question = about.removesuffix(b"}") + b',"webhook_event":' + raw + b"}"
        await _turn(self._pace)
        answer = await self._api.ask("POST", "/v1/notifications/verify-webhook-signature", raw=question)
        if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise NoticeRefused("PayPal cannot read it")
        verdict: _Verdict = vendor.read(answer, _Verdict)
        if verdict.verification_status != "SUCCESS":
            raise NoticeRefused("PayPal does not know it")


class _Verdict(msgspec.Struct, frozen=True):
    verification_status: str


def _check_time(seal: Seal) -> None:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(seal.time)
    except (ValueError, TypeError, OverflowError):  # no time, or one without a zone
        raise NoticeRefused("no time") from None
    if not -NEWEST < age < OLDEST:
        raise NoticeRefused("too old, or too early")


def _check_signature(key: RSAPublicKey, seal: Seal, webhook_id: str, raw: bytes) -> None:
    if seal.algorithm != ALGORITHM:
        raise NoticeRefused("signed in another way")
    said = f"{seal.id}|{seal.time}|{webhook_id}|{zlib.crc32(raw)}".encode()
    try:
        key.verify(b64decode(seal.signature, validate=True), said, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        raise NoticeRefused("the signature is of something else") from None


async def _turn(pace: Pace) -> None:
    try:
        await pace.turn(longest_s=LONGEST_S)
    except NotSent as error:
        raise Unreachable(str(error)) from None


class Certificates:
    """PayPal's keys by the address of their certificate: a few, for a day."""

    def __init__(
        self, session: aiohttp.ClientSession, signers: Sequence[str], origin: str, roots: str, pace: Pace
    ) -> None:
        self._session = session
        self._signers = signers
        self._origin = origin
        self._roots = roots
        self._pace = pace
        self._kept: dict[str, tuple[float, RSAPublicKey | None]] = {}
        self._fetching = asyncio.Lock()

    async def key(self, url: str) -> RSAPublicKey | None:
        """Who signs with the certificate at this address; None: there is one, and it cannot be proved here.

        Raises NoticeRefused (no address of PayPal's, or nothing there), Unreachable.
        """
        if not self._is_theirs(url):
            raise NoticeRefused("a certificate from elsewhere")
        if not self._knows(url):
            async with self._fetching:
                if not self._knows(url):
                    await _turn(self._pace)
                    self._keep(url, signer(await self._fetch(url), self._signers, self._roots))
        return self._kept[url][1]

    def _knows(self, url: str) -> bool:
        return url in self._kept and time.monotonic() < self._kept[url][0]

    def _is_theirs(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        origin = f"{parts.scheme}://{parts.netloc}"
        is_known = origin in {f"https://{host}" for host in HOSTS} or (
            bool(self._origin) and origin == self._origin
        )
        name = parts.path.removeprefix(CERTIFICATES)
        return (
            is_known and name != parts.path and name.replace("-", "").isalnum() and url == origin + parts.path
        )

    async def _fetch(self, url: str) -> bytes:
        answer = await send(Line(self._session, url), "GET", "", bytes_max=CHAIN_BYTES_MAX)
        if answer.status in vendor.GOOD:
            return answer.body
        if answer.status in vendor.NO and answer.status not in vendor.ASK_AGAIN:
            raise NoticeRefused("there is no such certificate")
        raise Unreachable(f"status {answer.status} for a certificate")

    def _keep(self, url: str, key: RSAPublicKey | None) -> None:
        self._kept.pop(url, None)
        while len(self._kept) >= KEPT_MAX:
            self._kept.pop(next(iter(self._kept)))
        self._kept[url] = (time.monotonic() + KEPT_S, key)


def signer(chain: bytes, names: Sequence[str], roots: str = "") -> RSAPublicKey | None:
    """The key of the first certificate of a PEM chain, if a trusted root vouches for one of these names; else None.

    `roots`: a PEM of who is trusted, instead of those whom this machine trusts.
    """
    try:
        first, *others = x509.load_pem_x509_certificates(chain)
        trusted = Store(x509.load_pem_x509_certificates(roots.encode())) if roots else _machines_roots()
        key = first.public_key()
    except (ValueError, x509.InvalidVersion):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < BITS_MIN:
        return None
    for name in names:
        try:
            PolicyBuilder().store(trusted).build_server_verifier(x509.DNSName(name)).verify(first, others)
        except VerificationError:
            continue
        return key
    return None


@cache
def _machines_roots() -> Store:
    """Those whom every connection of ours trusts. Raises ValueError when there are none."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings(action="ignore"):  # some old roots have a serial number that is none
        return Store([root for root in map(_load, found) if root is not None])


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:  # OpenSSL reads it and this library does not
        return None
