"""What the operator decides about people's data: how long it is kept, the rules of use, domains, the hook."""

from collections.abc import Sequence
from typing import LiteralString

import msgspec

from ringlet import acts, privacy
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import acceptable_use, emails
from ringlet.people.acceptable_use import Rules
from ringlet.privacy import Privacy

TEXT_DAYS_MAX = 90
NUMBER_DAYS_MAX = 365
RULES_MAX = 20_000


class Decided(msgspec.Struct, frozen=True):
    """All that the page shows. `domains`: where the operator differs from the list, refused ones first."""

    kept: Privacy
    rules: Rules
    domains: Sequence[tuple[str, bool]]


async def decided(desk: Desk) -> Decided:
    """How it is now. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        kept, rules = await privacy.load(tx, desk.settings), await acceptable_use.newest(tx)
        domains = await (await tx.execute(_DOMAINS)).fetchall()
    return Decided(kept, rules, [(row[0], row[1]) for row in domains])


_DOMAINS: LiteralString = (
    "select domain, is_refused from mail_domain order by is_refused desc, domain limit 1000"
)


async def keep(desk: Desk, actor: Actor, text_days: str, number_days: str, *, asks_for_work: bool) -> None:
    """How long texts and numbers are kept, and whether browsers work before they sign up. Refuses: ValidationFailed."""
    texts = _whole(text_days, "text_days", TEXT_DAYS_MAX)
    numbers = _whole(number_days, "number_days", NUMBER_DAYS_MAX)
    if texts > numbers:
        raise ValidationFailed("A number is kept at least as long as its messages", field="number_days")
    async with desk.db.transaction() as tx:
        before = await _lock(tx, desk)
        await tx.execute(_KEEP, [texts, numbers, asks_for_work])
        after = {"text_days": texts, "number_days": numbers, "asks_for_work": asks_for_work}
        await acts.write(
            tx, actor, "privacy.set", "privacy", after=after, before={name: getattr(before, name) for name in after}
        )  # fmt: skip


async def _lock(tx: Tx, desk: Desk) -> Privacy:
    await tx.execute("select from privacy for update")
    return await privacy.load(tx, desk.settings)


_KEEP: LiteralString = "update privacy set text_days = %s, number_days = %s, asks_for_work = %s"


def _whole(text: str, field: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= most):  # noqa: PLR2004
        raise ValidationFailed(f"Whole days, from 1 to {most}", field=field)
    return int(text)


async def raise_rules(desk: Desk, actor: Actor, text: str, *, after: int) -> int:
    """A new version of the rules of use: everybody accepts it before the next purchase on the pages.

    `after` is the version that was edited; a newer one by somebody else is not overwritten. Returns the new version.
    Refuses: ValidationFailed.
    """
    text = text.replace("\r\n", "\n").strip()
    if not 1 <= len(text) <= RULES_MAX:
        raise ValidationFailed(f"A text of at most {RULES_MAX} characters", field="rules")
    async with desk.db.transaction() as tx:
        await _lock(tx, desk)
        newest = await acceptable_use.newest(tx)
        if newest.version != after:
            raise ValidationFailed(
                "Somebody else has changed the rules meanwhile: look at them first", field="rules"
            )
        if newest.text == text:
            raise ValidationFailed("Nothing has changed", field="rules")
        await tx.execute("insert into acceptable_use (version, text) values (%s, %s)", [after + 1, text])
        await acts.write(tx, actor, "rules.raised", f"rules {after + 1}", before={"version": after},
                         after={"version": after + 1})  # fmt: skip
    return after + 1


async def decide_domain(desk: Desk, actor: Actor, domain: str, *, is_refused: bool) -> None:
    """Refuse a domain and those below it, or allow one that the list refuses. Refuses: ValidationFailed."""
    name = emails.normal(domain).removeprefix("@").rstrip(".")
    try:
        emails.checked(f"x@{name}")
    except ValidationFailed:
        raise ValidationFailed("A domain such as example.org", field="domain") from None
    if "." not in name:
        raise ValidationFailed("A domain such as example.org", field="domain")
    async with desk.db.transaction() as tx:
        await tx.execute(_DECIDE, [name, is_refused])
        await acts.write(tx, actor, "mail_domain.set", f"domain {name}", after={"is_refused": is_refused})


_DECIDE: LiteralString = """
insert into mail_domain (domain, is_refused) values (%s, %s)
on conflict (domain) do update set is_refused = excluded.is_refused
"""


async def leave_domain(desk: Desk, actor: Actor, domain: str) -> None:
    """The list decides about this domain again. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        if not (await tx.execute("delete from mail_domain where domain = %s", [domain])).rowcount:
            raise NotFound("No such domain")
        await acts.write(tx, actor, "mail_domain.left", f"domain {domain}")
