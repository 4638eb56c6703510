"""Voucher codes: `XXXX-XXXX-XXXX-XXXX-CCCC`, 80 random bits and 20 of CRC32, in Crockford's base 32.

The alphabet has no I, L, O and U: what is typed for them is read as the digit that it looks like. The checksum lets a
typing error be refused without a look-up; what is stored is an HMAC, so that a stolen table pays for nothing.
"""

import secrets
import zlib

from ringlet import tokens

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH, CHECKSUM_LENGTH, GROUP = 16, 4, 4
TYPED_MAX = 64
_READ_AS = str.maketrans("ILO", "110", "- \t\u2010\u2011\u2012\u2013\u2014")


def make() -> str:
    """A new code, as it is printed."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return _spaced(body + _checksum(body))


def _spaced(code: str) -> str:
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def read(typed: str) -> str | None:
    """The code that somebody typed, in its one spelling; None when it can be none of ours."""
    if len(typed) > TYPED_MAX:
        return None
    code = typed.strip().upper().translate(_READ_AS)
    body = code[:RANDOM_LENGTH]
    if len(code) != RANDOM_LENGTH + CHECKSUM_LENGTH or not set(code) <= set(ALPHABET):
        return None
    return _spaced(code) if code == body + _checksum(body) else None


def _checksum(body: str) -> str:
    """CRC32 of the body, its last 20 bits in four digits."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def fingerprint(secret: bytes, code: str) -> bytes:
    """What is stored and looked up instead of the code."""
    return tokens.fingerprint(secret, f"voucher {code}")
