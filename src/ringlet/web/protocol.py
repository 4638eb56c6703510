"""HTTP below the application: a head of bounded size, and the contract's refusal for what is no HTTP."""

import secrets

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ringlet.errors import ValidationFailed
from ringlet.web import refusals

HEAD_MAX = 64 * 1024


class Protocol(HttpToolsProtocol):
    """uvicorn's, which would keep a head of any size in memory and answer nonsense with plain text."""

    _head_size = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Hang up on a head that does not end; the parser itself has no limit."""
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_MAX:
                self.send_400_response("The address and the headers are larger than 64 KiB")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_size, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """In the contract's form, and the end of this connection."""
        request_id = secrets.token_hex(8)
        body = refusals.body(ValidationFailed(msg), request_id)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
