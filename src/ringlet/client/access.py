"""Where an installation is and with which key; the key is never shown."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from ringlet.client.errors import NotConfigured
from ringlet.client.talk import BASE

DEFAULT_URL = "http://127.0.0.1:8080"  # where `ringlet serve` listens
KEY = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Access:
    """Raises NotConfigured for an address or a key that cannot be one."""

    api_key: str = field(repr=False)
    url: str = DEFAULT_URL

    def __post_init__(self) -> None:
        if not KEY.fullmatch(self.api_key):
            raise NotConfigured("an API key is one word, such as rl_live_…")
        object.__setattr__(self, "url", _address(self.url))

    def address(self, path: str) -> str:
        """The whole address of one of the API's paths."""
        return self.url + BASE + path

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """RINGLET_API_KEY (or RINGLET_API_KEY_FILE, which names a file that holds it) and RINGLET_URL."""
        key = environ.get("RINGLET_API_KEY", "").strip() or _file(environ.get("RINGLET_API_KEY_FILE", ""))
        if not key:
            raise NotConfigured("no API key: set RINGLET_API_KEY")
        return cls(key, environ.get("RINGLET_URL", "").strip() or DEFAULT_URL)


def _file(name: str) -> str:
    if not name:
        return ""
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"RINGLET_API_KEY_FILE: cannot read {name}") from error


def _address(url: str) -> str:
    """The address without the API's path, which may be named or not."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    # A user in the address would be sent instead of the key.
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        raise NotConfigured("the address must be such as https://numbers.example.org")
    return url.rstrip("/").removesuffix(BASE).rstrip("/")
