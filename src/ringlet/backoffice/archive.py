"""The file of a backup: a tar of members under gzip, whose last member holds the sums of all before it.

Whoever has `tar` can read it without us. With a passphrase the whole is sealed: AES-256-GCM in frames, each numbered
and the last one marked, under a key that scrypt makes of the passphrase. A file that ends early, or has a byte changed,
is `Damaged`, and never half a backup.
"""

import hashlib
import io
import secrets
import tarfile
import zlib
from collections.abc import Generator
from gzip import BadGzipFile, GzipFile
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ringlet.errors import StartupError

SUMS = "SHA256SUMS"
SEALED = b"ringlet sealed 1\n"
SALT_BYTES = 16
FRAME_BYTES = 1 << 20
TAG_BYTES = 16
COUNT_BYTES = 11
#: of 128 MiB and about half a second: whoever has the file guesses slowly
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1
LAST = b"\x01"
NOT_LAST = b"\x00"


class Damaged(StartupError):  # noqa: N818 - said of a file
    """Not a whole backup; the text says what is wrong with it."""


class Writer:
    """Members go in one by one; what was written counts only after `close`."""

    def __init__(self, out: BinaryIO, passphrase: str | None = None) -> None:
        self._sealing = None if passphrase is None else _Sealing(out, passphrase)
        self._gzip = GzipFile(fileobj=self._sealing or out, mode="wb", compresslevel=3, mtime=0)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w|")  # noqa: SIM115 - `close` ends it
        self._sums: list[str] = []

    def add(self, name: str, body: bytes) -> None:
        """One member."""
        self._put(name, body)
        self._sums.append(f"{hashlib.sha256(body).hexdigest()}  {name}\n")

    def _put(self, name: str, body: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(body), 0o600
        self._tar.addfile(member, io.BytesIO(body))

    def close(self) -> None:
        """The sums, and the end."""
        self._put(SUMS, "".join(self._sums).encode())
        self._tar.close()
        self._gzip.close()
        if self._sealing is not None:
            self._sealing.close()


def is_sealed(file: BinaryIO) -> bool:
    """Whether a passphrase is needed to read it; the file is at its beginning, before and after."""
    start = file.read(len(SEALED))
    file.seek(0)
    return start == SEALED


def members(file: BinaryIO, passphrase: str | None = None) -> Generator[tuple[str, bytes], None, None]:
    """Name and body of each member in order. Raises Damaged, at the latest after the last one."""
    raw = _Unsealing(file, passphrase) if is_sealed(file) else file
    sums: list[str] = []
    try:
        # The end of a frame is no end of a block: tar reads through a buffer of its own.
        with GzipFile(fileobj=raw) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                body = _body(tar, member)
                if member.name == SUMS:
                    _check(sums, body)
                    _drain(plain)
                    return
                sums.append(f"{hashlib.sha256(body).hexdigest()}  {member.name}\n")
                yield member.name, body
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise Damaged(f"this file is no whole backup: {error}") from error
    raise Damaged("this file is no whole backup: its end is missing")


def _body(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(member)
    body = b"" if found is None else found.read()
    if len(body) != member.size:
        raise Damaged(f"this file is no whole backup: {member.name} ends early")
    return body


def _check(sums: list[str], stored: bytes) -> None:
    if "".join(sums).encode() != stored:
        raise Damaged("this file is damaged: what is in it does not fit its sums")


def _drain(plain: GzipFile) -> None:
    """Up to the end: gzip's own sum stands there, and the mark of the last frame."""
    while plain.read(FRAME_BYTES):
        pass


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    kdf = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return AESGCM(kdf.derive(passphrase.encode()))


def _nonce(count: int, mark: bytes) -> bytes:
    return count.to_bytes(COUNT_BYTES, "big") + mark


class _Sealing(io.RawIOBase):
    """What is written is sealed in frames. The key is of this file alone, so a number is nonce enough."""

    def __init__(self, out: BinaryIO, passphrase: str) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        out.write(SEALED + salt)
        self._out, self._cipher = out, _cipher(passphrase, salt)
        self._held, self._count = bytearray(), 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def] # noqa: ANN001 - any buffer
        """Held back until a frame is full and one more byte says that it is not the last."""
        self._held += data
        while len(self._held) > FRAME_BYTES:
            self._frame(bytes(self._held[:FRAME_BYTES]), NOT_LAST)
            del self._held[:FRAME_BYTES]
        return len(data)

    def _frame(self, body: bytes, mark: bytes) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._count, mark), body, None))
        self._count += 1

    def close(self) -> None:
        """The last frame."""
        if not self.closed:
            self._frame(bytes(self._held), LAST)
        super().close()


class _Unsealing(io.RawIOBase):
    """What a sealed file holds. Raises Damaged for a wrong passphrase and for a changed or missing frame."""

    def __init__(self, file: BinaryIO, passphrase: str | None) -> None:
        if passphrase is None:
            raise Damaged("this backup is sealed: give its passphrase with --passphrase-file")
        head = file.read(len(SEALED) + SALT_BYTES)
        self._file, self._cipher = file, _cipher(passphrase, head[len(SEALED) :])
        self._count, self._open, self._is_over = 0, b"", False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, into) -> int:  # type: ignore[no-untyped-def] # noqa: ANN001 - any buffer
        """The next bytes; 0 after the last frame."""
        while not self._open and not self._is_over:
            self._open = self._next()
        part, self._open = self._open[: len(into)], self._open[len(into) :]
        into[: len(part)] = part
        return len(part)

    def _next(self) -> bytes:
        frame = self._file.read(FRAME_BYTES + TAG_BYTES)
        self._is_over = not self._file.peek(1)  # type: ignore[attr-defined]
        nonce = _nonce(self._count, LAST if self._is_over else NOT_LAST)
        try:
            plain = self._cipher.decrypt(nonce, frame, None)
        except InvalidTag:
            what = "the file is damaged" if self._count else "the passphrase is wrong, or the file damaged"
            raise Damaged(f"this backup cannot be opened: {what}") from None
        self._count += 1
        return plain
