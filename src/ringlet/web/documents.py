"""Big answers that rarely change: encoded once, compressed once per encoding, answered from memory."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import brotli
import zstandard
from litestar import Request, Response

SMALL = 1_400  # what fits a network packet is not worth compressing

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "br": lambda body: brotli.compress(body, quality=4),
    "gzip": lambda body: gzip.compress(body, compresslevel=4, mtime=0),
}


class Document:
    """A body with its ETag; `version` says of what state of things it was made."""

    def __init__(self, body: bytes, version: object) -> None:
        self.body = body
        self.version = version
        self.etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        self._compressed: dict[str, asyncio.Task[bytes]] = {}

    async def encoded(self, encoding: str) -> bytes:
        """The body in this encoding, made once, beside the event loop."""
        if encoding not in self._compressed:
            work = asyncio.to_thread(COMPRESS[encoding], self.body)
            self._compressed[encoding] = asyncio.create_task(work)
        return await asyncio.shield(self._compressed[encoding])


async def respond(request: Request[Any, Any, Any], document: Document) -> Response[bytes]:
    """The document as the client takes it: nothing new (304), compressed, or plain."""
    accepted = request.headers.get("accept-encoding", "")
    encoding = None if len(document.body) < SMALL else best_encoding(accepted, COMPRESS)
    etag = f'"{document.etag}{"-" + encoding if encoding else ""}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}
    if _has_it(request.headers.get("if-none-match", ""), document.etag):
        return Response(b"", status_code=304, headers=headers)
    if encoding is None:
        return Response(document.body, media_type="application/json", headers=headers)
    headers["Content-Encoding"] = encoding
    return Response(await document.encoded(encoding), media_type="application/json", headers=headers)


def best_encoding(accepted: str, known: Iterable[str]) -> str | None:
    """The first of these that an Accept-Encoding offers, and does not weigh with nothing (RFC 9110, 12.5.3)."""
    offered = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        offered[name.strip()] = parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return next((name for name in known if offered.get(name)), None)


def _has_it(if_none_match: str, etag: str) -> bool:
    """Whether one of the client's tags names this body, in whatever encoding it got it."""
    return any(
        tag.strip().removeprefix("W/").strip('"').partition("-")[0] in {etag, "*"}
        for tag in if_none_match.split(",")
        if tag.strip()
    )
