"""API tokens: `rl_live_` or `rl_test_`, 37 random base62 characters (220 bit), 6 of CRC32 checksum.

The checksum lets a typing error be refused without a look-up and lets secret scanners avoid false alarms;
what is stored is an HMAC-SHA256 of the token, so that a stolen table opens nothing.
"""

import hmac
import secrets
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 37
CHECKSUM_LENGTH = 6


def make(prefix: str) -> str:
    """A new token, to be shown once. `prefix` is for instance "rl_live_"."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def is_well_formed(token: str) -> bool:
    """Whether prefix, length and checksum fit; says nothing about who owns it."""
    body, check = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    return token.isascii() and len(token) < 64 and checksum(body) == check  # noqa: PLR2004 - ours have 51


def checksum(body: str) -> str:
    """CRC32 of the text in six base62 digits."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def fingerprint(secret: bytes, token: str) -> bytes:
    """What is stored and looked up instead of the token: HMAC-SHA256(secret, token)."""
    return hmac.digest(secret, token.encode("utf-8", "surrogateescape"), "sha256")
