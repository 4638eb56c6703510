"""Logs: one JSON line per event on standard error; never a key, never the text of a message."""

import logging
import sys
from datetime import datetime
from typing import Any

import msgspec
import structlog

_wanted = {"info": True}
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, **always: str) -> None:
    """Set up logging for this process; `always` is added to every line, such as room="web"."""
    _wanted["info"] = LEVELS[level] <= LEVELS["info"]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _encode,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**always)
    # Libraries that log by the standard library: only what somebody must act on.
    # The pool reports every attempt to reach a server that is down; the feed has said it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Handler()], force=True)


class RequestLine(msgspec.Struct, kw_only=True, gc=False):
    """The line of one answered request: written by a short way of its own, because there are so many."""

    request_id: str
    method: str
    route: str
    status: int
    ms: float
    customer: int | None
    key: int | None
    activation: str | None
    at: datetime
    room: str = "web"
    level: str = "info"
    event: str = "request"


def write_request(line: RequestLine) -> None:
    """Write the line, unless the level says that only warnings are wanted."""
    if _wanted["info"]:
        sys.stderr.buffer.write(_encoder.encode(line) + b"\n")
        sys.stderr.buffer.flush()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        # Without the traceback's local values and without parameters of statements.
        log.log(record.levelno, record.getMessage()[:500])


_encoder = msgspec.json.Encoder(enc_hook=str)


def _encode(_: Any, __: str, event: structlog.typing.EventDict) -> bytes:
    return _encoder.encode(event)
