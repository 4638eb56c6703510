"""Settings: read once, checked, and never half believed."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest

from ringlet.errors import StartupError
from ringlet.settings import Settings, load

DOCUMENTED = Path(__file__).parent.parent / "docs" / "settings.md"


def test_defaults(tmp_path: Path) -> None:
    """Nothing needs to be set."""
    settings = load({"RINGLET_HOME": str(tmp_path / "home")})
    assert (settings.rate_limit, settings.lease_s("ig"), settings.database_url) == (100, 1200, None)
    assert stat.S_IMODE((tmp_path / "home" / "secret.key").stat().st_mode) == 0o600


def test_the_secret_stays(tmp_path: Path) -> None:
    """A second start hashes keys as the first did, also when several start at once."""
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: load({"RINGLET_HOME": str(tmp_path)}).secret, range(32)))
    assert len(secrets) == 1


def test_leases_by_service(tmp_path: Path) -> None:
    """A service can have its own time."""
    settings = load({"RINGLET_HOME": str(tmp_path), "RINGLET_LEASE_MINUTES_BY_SERVICE": "ya=40, ig=60"})
    assert (settings.lease_s("ya"), settings.lease_s("ig"), settings.lease_s("wa")) == (2400, 3600, 1200)


def test_secrets_from_files(tmp_path: Path) -> None:
    """A secret that is mounted as a file is read from there."""
    (tmp_path / "secret").write_text("ab" * 32 + "\n")
    settings = load({"RINGLET_HOME": str(tmp_path), "RINGLET_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.secret == b"\xab" * 32


@pytest.mark.parametrize(
    ("name", "value"),
    [("RINGLET_RATE_LIMIT", "many"), ("RINGLET_RATE_LIMIT", "-1"), ("RINGLET_RATE_LIMIT", "²"),
     ("RINGLET_LEASE_MINUTES", "0"), ("RINGLET_LEASE_MINUTES_BY_SERVICE", "ya"), ("RINGLET_LOG_LEVEL", "loud"),
     ("RINGLET_CURRENCY", "dollars"), ("DATABASE_URL", "mysql://x"), ("RINGLET_SECRET", "short"),
     ("RINGLET_SECRET_FILE", "/does/not/exist"), ("RINGLET_RATELIMIT", "5"), ("RINGLET_DB_POOL", "0")],
)  # fmt: skip
def test_what_makes_no_sense_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    """A typing error must not become a default that nobody chose."""
    with pytest.raises(StartupError):
        load({"RINGLET_HOME": str(tmp_path), name: value})


def test_every_setting_is_documented() -> None:
    """docs/settings.md names every variable."""
    text = DOCUMENTED.read_text(encoding="utf-8")
    for each in fields(Settings):
        name = "DATABASE_URL" if each.name == "database_url" else "RINGLET_" + each.name.upper()
        assert f"`{name}`" in text, name


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    """Settings may be logged."""
    settings = load({"RINGLET_HOME": str(tmp_path), "RINGLET_METRICS_KEY": "hidden-key"})
    assert settings.secret.hex() not in repr(settings)
    assert "hidden-key" not in repr(settings)
