"""A certificate authority of our own, and the key with which the fake PayPal signs."""

import contextlib
import datetime as dt
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIVE = "messageverificationcerts.paypal.com"
SANDBOX = "messageverificationcerts.sandbox.paypal.com"
DAY = dt.timedelta(days=1)


def new_key(bits: int = 2048) -> RSAPrivateKey:
    """A key of somebody's own."""
    return rsa.generate_private_key(65537, bits)


class Authority:
    """Issues certificates: a root of its own, or one that `above` vouches for."""

    def __init__(self, name: str = "Example root", above: "Authority | None" = None) -> None:
        self.key = new_key()
        self._name = _name(name)
        self._above = above
        issuer = above or self
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = (
            _builder(self._name, issuer._name, self.key, days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(_of(issuer.key), critical=False)
        )
        self.certificate = builder.sign(issuer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def vouch(self, key: RSAPrivateKey, *names: str, days: int = 3650) -> bytes:
        """A certificate for a server of these names, and those above it but the root, as PEM."""
        builder = (
            _builder(_name(names[0]), self._name, key, days=days)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_of(self.key), critical=False)
        )
        pem = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return pem if self._above is None else pem + self.pem


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _of(key: RSAPrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: RSAPrivateKey, *, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    ends = now + days * DAY
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(min(now, ends) - DAY).not_valid_after(ends)
    )  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """The fake's key, its certificate, and the root that vouches for it."""

    key: RSAPrivateKey
    certificate: bytes
    root: str


@cache
def kept() -> Kept:
    """The same in all processes of this machine's user: the one that sends notices is not the one that reads them."""
    place = Path(tempfile.gettempdir()) / f"ringlet-fake-paypal-{os.getuid()}.json"
    if not place.exists():
        root, key = Authority(), new_key()
        made = {
            "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "certificate": root.vouch(key, LIVE, SANDBOX).decode(),
            "root": root.pem.decode(),
        }
        mine = place.with_suffix(f".{os.getpid()}")
        mine.touch(mode=0o600)
        mine.write_text(json.dumps(made))
        with contextlib.suppress(FileExistsError):  # whoever is second takes the other's
            os.link(mine, place)
        mine.unlink()
    found = json.loads(place.read_text())
    known = load_pem_private_key(found["key"].encode(), None)
    assert isinstance(known, RSAPrivateKey)
    return Kept(known, found["certificate"].encode(), found["root"])
