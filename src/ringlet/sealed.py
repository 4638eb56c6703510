"""Secrets that must be read again, such as the keys of suppliers: AES-256-GCM under the installation's secret.

The purpose is part of the key and of what is authenticated, so that what was sealed for one thing cannot be put
in the place of another.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringlet.errors import StartupError

NONCE_BYTES = 12
VERSION = b"\x01"


def seal(secret: bytes, purpose: str, text: str) -> bytes:
    """`text` for storing: version, nonce, ciphertext with its tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + _cipher(secret, purpose).encrypt(nonce, text.encode(), purpose.encode())


def unseal(secret: bytes, purpose: str, sealed: bytes) -> str:
    """What was sealed. Raises StartupError when this installation's secret did not seal it."""
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return _cipher(secret, purpose).decrypt(nonce, body, purpose.encode()).decode()
    except InvalidTag:
        raise StartupError(
            f"the stored {purpose} was sealed with another RINGLET_SECRET; set that one, or enter it anew"
        ) from None


def _cipher(secret: bytes, purpose: str) -> AESGCM:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ringlet sealed " + purpose.encode())
    return AESGCM(key.derive(secret))
