"""Logs: one JSON line per event on standard error; never a key, never the text of a message."""

import logging
import sys
from typing import Any

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, **always: str) -> None:
    """Set up logging for this process; `always` is added to every line, such as room="web"."""
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


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        # Without the traceback's local values and without parameters of statements.
        log.log(record.levelno, record.getMessage()[:500])


_encoder = msgspec.json.Encoder(enc_hook=str)


def _encode(_: Any, __: str, event: structlog.typing.EventDict) -> bytes:
    return _encoder.encode(event)
