"""Finding the verification code in a message.

The way through: the browser's own form (`@host #code`), the rules of the service, then every number of the
message weighed by the words around it. The weighing knows nothing of grammar, so it works in any language.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ringlet.activations.codes_candidates import candidates
from ringlet.activations.codes_mask import cover
from ringlet.activations.codes_read import folded, plain
from ringlet.activations.codes_weigh import ENOUGH, weigh_all
from ringlet.activations.codes_words import find_words

# https://wicg.github.io/sms-one-time-codes/ : the last line is "@host #code", then maybe "@embedded host".
_BOUND = re.compile(r"(?:^|\s)@[A-Za-z0-9][A-Za-z0-9.-]{1,252} #([A-Za-z0-9-]{3,12})(?![A-Za-z0-9-])")
_BOUND_LINE = re.compile(
    r"^@[A-Za-z0-9][A-Za-z0-9.-]{1,252} #([A-Za-z0-9]{4,10})(?: [@%]\S{1,253})?\s*\Z", re.MULTILINE
)
_IN_LINK = re.compile(r"[?&/#](?:code|otp|token|pin|c|confirm|verify|login)[=/]([0-9]{4,8})(?![0-9A-Za-z])")


def find_code(text: str, *, sender: str | None = None, service: str | None = None) -> str | None:
    """The verification code in `text`, or None when there is none.

    `service` is a canonical service code ("wa"); its rules and those for `sender` are tried first. Numeric
    codes come back as ASCII digits without separators ("105-876" is "105876"), 3 to 10 of them; codes of
    letters and digits as they are written, 4 to 10 characters.

    Pure and linear in len(text); looks at the first 3,600 and the last 400 characters; never raises for any str.
    """
    message = plain(text)
    return (
        _origin_bound(message)
        or _by_rule(message, sender or "", service or "")
        or _by_weight(message)
        or _in_link(message)
    )


def _origin_bound(message: str) -> str | None:
    line = _BOUND_LINE.search(message.rstrip())
    if line:
        return _without_separators(line[1])
    for match in _BOUND.finditer(message):
        if any(character.isdigit() for character in match[1]):
            return _without_separators(match[1])
    return None


def _by_rule(message: str, sender: str, service: str) -> str | None:
    for rule in _rules():
        if rule.applies(sender, service):
            match = rule.code.search(message)
            if match:
                return _without_separators(match[1])
    return None


def _by_weight(message: str) -> str | None:
    small = folded(message)
    words = find_words(small)
    found = candidates(cover(message, small), words["code"].ends)
    best = max(weigh_all(found, message, words), key=lambda weighed: weighed[0], default=None)
    if best is None or best[0] < ENOUGH:
        return None
    return best[1].code


def _in_link(message: str) -> str | None:
    match = _IN_LINK.search(message)
    return match[1] if match else None


def _without_separators(code: str) -> str:
    joined = code.replace("-", "").replace(" ", "")
    return joined if joined.isdigit() else code


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of one service or sender; group 1 of `code` is the code."""

    code: re.Pattern[str]
    service: str | None
    sender: re.Pattern[str] | None

    def applies(self, sender: str, service: str) -> bool:
        """Whether the message is of this rule's service or sender, or the rule names neither."""
        if self.service is None and self.sender is None:
            return True
        if self.service is not None and self.service == service:
            return True
        return self.sender is not None and self.sender.search(sender[:100]) is not None


@cache
def _rules() -> tuple[Rule, ...]:
    written = files("ringlet.data").joinpath("code_rules.toml").read_text(encoding="utf-8")
    return tuple(_read_rules(written))


def _read_rules(written: str) -> Iterator[Rule]:
    for table in tomllib.loads(written).get("rule", []):
        sender = table.get("sender")
        yield Rule(
            code=re.compile(table["code"]),
            service=table.get("service"),
            sender=re.compile(sender, re.IGNORECASE) if sender else None,
        )
