"""An embedded PostgreSQL server: started by the first process that needs it, stopped by the last."""

from ringlet.embedded.errors import (
    EmbeddedError,
    FolderError,
    MajorVersionError,
    ProgramsMissingError,
    StartError,
    WaitError,
)
from ringlet.embedded.server import EmbeddedServer, acquire

__all__ = [
    "EmbeddedError",
    "EmbeddedServer",
    "FolderError",
    "MajorVersionError",
    "ProgramsMissingError",
    "StartError",
    "WaitError",
    "acquire",
]
