"""What can go wrong with the embedded server.

EmbeddedError(StartupError)
├── ProgramsMissingError  the wheel with PostgreSQL, or util-linux, is not installed
├── FolderError           home/postgres cannot be made, entered or understood
├── MajorVersionError     the data was written by another major version of PostgreSQL
├── StartError            PostgreSQL was started and gave up
└── WaitError             another process holds the server, or it does not answer
"""

from ringlet.errors import StartupError


class EmbeddedError(StartupError):
    """The embedded PostgreSQL server cannot be used; the text tells the operator why and what to do."""


class ProgramsMissingError(EmbeddedError):
    """A program that starting PostgreSQL takes was not found."""


class FolderError(EmbeddedError):
    """The folder cannot hold the data."""


class MajorVersionError(EmbeddedError):
    """The data was written by another major version of PostgreSQL."""


class StartError(EmbeddedError):
    """PostgreSQL gave up; the text ends with the last lines of its log."""


class WaitError(EmbeddedError):
    """Waiting for another process or for the server took too long."""
