"""server.log: what initdb and the server say, kept short."""

import os

from ringlet.embedded.layout import Layout, open_ours

MAX_BYTES = 10_000_000
_KEPT_BYTES = 1_000_000
_TAIL_LINES = 15


def open_to_append(layout: Layout) -> int:
    return open_ours(layout, layout.log, os.O_WRONLY | os.O_APPEND)


def shorten(layout: Layout) -> None:
    """Past 10 MB keep the end in server.log.1 and begin again; the server appends, so it need not know."""
    if not layout.log.exists() or layout.log.stat().st_size <= MAX_BYTES:
        return
    fd = open_ours(layout, layout.log.with_suffix(".log.1"), os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(fd, "wb") as kept, layout.log.open("rb+") as log:
        log.seek(-_KEPT_BYTES, os.SEEK_END)
        kept.write(log.read(_KEPT_BYTES))
        log.truncate(0)


def tail(layout: Layout) -> str:
    with layout.log.open("rb") as log:
        log.seek(max(0, layout.log.stat().st_size - 8000))
        lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(["", f"The end of {layout.log}:", *lines])
