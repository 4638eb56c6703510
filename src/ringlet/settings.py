"""Every setting, read once from the environment; a value that makes no sense stops the start.

`RINGLET_X_FILE` may name a file that holds the value of `RINGLET_X`, for secrets that are mounted as files.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ringlet import money
from ringlet.errors import StartupError

SECRET_BYTES = 32
NAME_LENGTH_MAX = 60
CREDIT_TEXT_MAX = 1_000
DB_POOL = (os.cpu_count() or 1) + 1
#: variables of our own test rig and of the client, which are not settings
OTHERS = ("RINGLET_TEST_", "RINGLET_API_KEY", "RINGLET_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Frozen settings. The comment above each says what it is, with its unit and default."""

    #: RINGLET_HOME: the data folder.
    home: Path
    #: DATABASE_URL: an outside PostgreSQL; without it the embedded one under `home` is used.
    database_url: str | None = None
    #: RINGLET_SECRET: hex, at least 32 bytes; keys are hashed with it. Default: made once, in `home`/secret.key.
    secret: bytes = field(repr=False)
    #: RINGLET_RATE_LIMIT: requests a second per API key and web process; 0 = no limit. Default 100.
    rate_limit: int = 100
    #: RINGLET_LEASE_MINUTES: how long a number waits for its code. Default 20.
    lease_minutes: int = 20
    #: RINGLET_LEASE_MINUTES_BY_SERVICE: exceptions, such as "ya=40,ig=60".
    lease_minutes_by_service: Mapping[str, int] = field(default_factory=dict)
    #: RINGLET_REST_DAYS: how long a number that brought a code is not sold again for that service. Default 30.
    rest_days: int = 30
    #: RINGLET_DB_POOL: database connections per process. Default one more than processors: no connection is held
    #: while something else is waited for, so more of them only get in each other's way.
    db_pool: int = DB_POOL
    #: RINGLET_TRUSTED_PROXIES: addresses whose X-Forwarded-For is believed. Default none.
    trusted_proxies: str = ""
    #: RINGLET_METRICS_KEY: the bearer key of /metrics. Default: derived from the secret; `ringlet doctor` shows it.
    metrics_key: str | None = field(default=None, repr=False)
    #: RINGLET_LOG_LEVEL: debug, info, warning or error. Default info.
    log_level: str = "info"
    #: RINGLET_CURRENCY: the currency of new wallets. Default USD.
    currency: str = "USD"
    #: RINGLET_ADJUSTMENT_LIMIT: what one member of the staff may credit and debit within a day, as an amount of money;
    #: more waits for a second person. 0 = everything does. Default 100.
    adjustment_limit: Decimal = Decimal(100)
    #: RINGLET_WEBHOOK_HTTP: 1 = webhooks may go to http:// and to any port; for trying things out. Default 0.
    webhook_http: bool = False
    #: RINGLET_WEBHOOK_ALLOWED_NETWORKS: networks that are not of the open internet and that webhooks may reach
    #: all the same, such as "127.0.0.0/8,10.1.0.0/16". Default none.
    webhook_allowed_networks: str = ""
    #: RINGLET_PUBLIC_URL: the address of the pages as people see it; links in letters begin with it, and passkeys are
    #: made for its host. Default http://127.0.0.1:8080.
    public_url: str = "http://127.0.0.1:8080"
    #: RINGLET_NAME: what the shop is called in letters and on pages. Default Ringlet.
    name: str = "Ringlet"
    #: RINGLET_SMTP_URL: the mail server, such as smtp://user:password@host:587 or smtps://…:465. Default none: letters
    #: are kept and not sent.
    smtp_url: str | None = field(default=None, repr=False)
    #: RINGLET_MAIL_FROM: the sender of letters. Default no-reply@ and the host of the public address.
    mail_from: str = ""
    #: RINGLET_CREDIT_TEXT: how customers get credit, in plain text; the wallet's page shows it. Default: to ask you.
    credit_text: str = ""
    #: RINGLET_TOPUP_LOOK_S: how often a gateway is asked about an open payment of which it says nothing. Default 240.
    topup_look_s: int = 240
    #: RINGLET_TEXT_DAYS: how many days the text and the code of a message are kept. Default 7.
    text_days: int = 7
    #: RINGLET_NUMBER_DAYS: how many days after the end of a lease its number is kept whole. Default 30.
    number_days: int = 30
    #: RINGLET_PROOF_OF_WORK: 0 = signing up and reporting a number ask browsers for no work. Default 1.
    proof_of_work: bool = True
    #: RINGLET_DEMO: 1 = this is for trying things out, and /mail shows everybody's letters to everybody; without
    #: a mail server the log does too. Set by `ringlet serve --demo` for its processes. Default 0.
    demo: bool = False

    @property
    def adjustment_limit_micros(self) -> int:
        """The limit in the unit of the ledger."""
        return money.to_micros(self.adjustment_limit)

    def lease_s(self, service: str) -> int:
        """Seconds that an activation of this service waits for its code."""
        return 60 * self.lease_minutes_by_service.get(service, self.lease_minutes)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; makes `home` (0700) and its secret when they are missing.

    Raises StartupError for an unknown RINGLET_ variable and for a value that makes no sense.
    """
    values = _ringlet_values(environ)
    home = Path(values.pop("HOME", "") or default_home()).expanduser().absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret_text = values.pop("SECRET", "")
    known: dict[str, Any] = {
        "rate_limit": _whole(values, "RATE_LIMIT", 100, 0, 1_000_000),
        "lease_minutes": _whole(values, "LEASE_MINUTES", 20, 1, 1440),
        "rest_days": _whole(values, "REST_DAYS", 30, 0, 3650),
        "db_pool": _whole(values, "DB_POOL", DB_POOL, 1, 100),
        "topup_look_s": _whole(values, "TOPUP_LOOK_S", 240, 1, 300),
        "text_days": _whole(values, "TEXT_DAYS", 7, 1, 90),
        "number_days": _whole(values, "NUMBER_DAYS", 30, 1, 365),
        "proof_of_work": _one_of("PROOF_OF_WORK", values.pop("PROOF_OF_WORK", "") or "1", ("0", "1")) == "1",
    }
    settings = Settings(
        home=home,
        database_url=_database_url(environ.get("DATABASE_URL", "")),
        secret=_secret(secret_text, home),
        lease_minutes_by_service=_minutes_by_service(values.pop("LEASE_MINUTES_BY_SERVICE", "")),
        trusted_proxies=values.pop("TRUSTED_PROXIES", ""),
        metrics_key=values.pop("METRICS_KEY", "") or None,
        log_level=_one_of(
            "LOG_LEVEL", values.pop("LOG_LEVEL", "info"), ("debug", "info", "warning", "error")
        ),
        currency=_currency(values.pop("CURRENCY", "USD")),
        adjustment_limit=_amount(values, "ADJUSTMENT_LIMIT", "100"),
        webhook_http=_one_of("WEBHOOK_HTTP", values.pop("WEBHOOK_HTTP", "") or "0", ("0", "1")) == "1",
        webhook_allowed_networks=_networks(values.pop("WEBHOOK_ALLOWED_NETWORKS", "")),
        **known,
        **_people(values),
    )
    if values:
        raise StartupError(f"unknown setting: {', '.join(sorted('RINGLET_' + name for name in values))}")
    return settings


def _people(values: dict[str, str]) -> dict[str, Any]:
    """What the web pages and the letters need."""
    return {
        "public_url": _origin(values.pop("PUBLIC_URL", "") or "http://127.0.0.1:8080"),
        "name": _name(values.pop("NAME", "") or "Ringlet"),
        "smtp_url": _smtp_url(values.pop("SMTP_URL", "")),
        "mail_from": _mail_from(values.pop("MAIL_FROM", "")),
        "credit_text": _credit_text(values.pop("CREDIT_TEXT", "")),
        "demo": _one_of("DEMO", values.pop("DEMO", "") or "0", ("0", "1")) == "1",
    }


def default_home() -> Path:
    """Where the data lives unless RINGLET_HOME says otherwise."""
    return Path("/var/lib/ringlet") if os.geteuid() == 0 else Path("~/.local/share/ringlet")


def _ringlet_values(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for name, value in environ.items():
        if not name.startswith("RINGLET_") or name.startswith(OTHERS):
            continue
        key = name.removeprefix("RINGLET_")
        if key.endswith("_FILE"):
            try:
                values[key.removesuffix("_FILE")] = Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise StartupError(f"{name}: cannot read {value}: {error}") from error
        else:
            values[key] = value
    return values


def _whole(values: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.pop(name, "") or str(default)
    return _whole_number("RINGLET_" + name, text, low, high)


def _whole_number(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise StartupError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def _minutes_by_service(text: str) -> dict[str, int]:
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",") if part]
    return {
        service: _whole_number("RINGLET_LEASE_MINUTES_BY_SERVICE", minutes, 1, 1440)
        for service, _, minutes in pairs
    }


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise StartupError(f"RINGLET_{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def _amount(values: dict[str, str], name: str, default: str) -> Decimal:
    """An amount of money."""
    text = values.pop(name, "") or default
    try:
        amount = Decimal(text) if text.isascii() else Decimal(-1)
        is_good = money.to_micros(amount) >= 0
    except (InvalidOperation, ValueError):
        is_good = False
    if not is_good:
        raise StartupError(f"RINGLET_{name} must be an amount such as 100 or 2.50, not {text!r}")
    return amount


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isupper() and text.isalpha()):  # noqa: PLR2004 - ISO 4217
        raise StartupError(f"RINGLET_CURRENCY must be three capital letters such as USD, not {text!r}")
    return text


def _networks(text: str) -> str:
    for part in filter(None, text.replace(" ", "").split(",")):
        try:
            ip_network(part)
        except ValueError:
            raise StartupError(
                f"RINGLET_WEBHOOK_ALLOWED_NETWORKS must hold networks such as 127.0.0.0/8, not {part!r}"
            ) from None
    return text


def _origin(text: str) -> str:
    url = _address(text, "http", "https")
    if url is None or url.username or url.path not in {"", "/"} or url.query or url.fragment:
        raise StartupError(f"RINGLET_PUBLIC_URL must be an address such as https://example.org, not {text!r}")
    return f"{url.scheme}://{url.netloc.lower()}"


def _address(text: str, *schemes: str) -> SplitResult | None:
    """The parts of an address with a host, of one of these schemes; None when it is none."""
    try:
        url = urlsplit(text)
        is_good = url.scheme in schemes and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return None
    return url if is_good else None


def _name(text: str) -> str:
    if not (text.isprintable() and len(text) <= NAME_LENGTH_MAX):
        raise StartupError(f"RINGLET_NAME must be one line of at most {NAME_LENGTH_MAX} characters")
    return text


def _smtp_url(text: str) -> str | None:
    if not text:
        return None
    if _address(text, "smtp", "smtps") is None:  # without the text: it holds a password
        raise StartupError("RINGLET_SMTP_URL must be an address such as smtp://user:password@host:587")
    return text


def _mail_from(text: str) -> str:
    if text and not re.fullmatch(r"[^@\s<>,;\x00-\x1f]+@[^@\s<>,;\x00-\x1f]+", text):
        raise StartupError(f"RINGLET_MAIL_FROM must be an e-mail address, not {text!r}")
    return text


def _credit_text(text: str) -> str:
    if len(text) > CREDIT_TEXT_MAX or not text.replace("\n", "").isprintable():
        raise StartupError(f"RINGLET_CREDIT_TEXT must be plain text of at most {CREDIT_TEXT_MAX} characters")
    return text.strip()


def _database_url(text: str) -> str | None:
    if not text:
        return None
    if urlsplit(text).scheme not in {"postgres", "postgresql"}:
        raise StartupError("DATABASE_URL must be an address such as postgresql://user:password@host/name")
    return text


def _secret(text: str, home: Path) -> bytes:
    if not text:
        text = _secret_file(home / "secret.key")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise StartupError(f"the secret must be at least {SECRET_BYTES} bytes in hexadecimal digits")
    return secret


def _secret_file(path: Path) -> str:
    """The installation's secret, made by whichever process comes first and never seen half written."""
    if not path.exists():
        made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        made.touch(mode=0o600)
        with made.open("w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())  # every key that we ever hand out depends on it
        try:
            os.link(made, path)  # fails when another process was first; then theirs counts
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text(encoding="ascii").strip()
