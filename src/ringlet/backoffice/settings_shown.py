"""The settings in effect with what each means, as `settings.py` says it. Of secrets only whether they are set."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache

import msgspec

from ringlet import settings as module
from ringlet.settings import Settings

#: a password may stand in it
SECRET = ("database_url",)
_FIELD = re.compile(r"((?:    #: .*\n)+)    (\w+): ")


class Shown(msgspec.Struct, frozen=True):
    """One setting; `value` None is a secret, of which `is_set` tells all that may be told."""

    variable: str
    means: str
    value: str | None
    is_set: bool


def shown(settings: Settings) -> list[Shown]:
    """Every setting, in the order of the documentation."""
    return [_shown(each.name, getattr(settings, each.name), is_open=each.repr) for each in fields(Settings)]


def _shown(name: str, value: object, *, is_open: bool) -> Shown:
    variable, means = documented()[name]
    if not is_open or name in SECRET:
        return Shown(variable, means, None, bool(value))
    return Shown(variable, means, _spell(value), value not in (None, "", {}))


def _spell(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)


@cache
def documented() -> Mapping[str, tuple[str, str]]:
    """Field → (variable, meaning), from the comments above the fields."""
    found = {}
    for comment, name in _FIELD.findall(inspect.getsource(module.Settings)):
        text = " ".join(line.strip().removeprefix("#:").strip() for line in comment.splitlines())
        variable, _, means = text.partition(": ")
        found[name] = (variable, means[:1].upper() + means[1:])
    return found
