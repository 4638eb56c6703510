"""Who brings customers: a code to pass on, and what becomes of it when somebody signs up.

The terms of a referral are those of the day of its sign-up: what was promised stays, whatever the operator offers
later. What is spent then is counted by `backoffice/referral_shares.py`. In a reseller's shop nobody brings anybody:
what is paid there is for the most part the reseller's, and he sets it.
"""

import re
import secrets
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.accounts import Opened
from ringlet.brands import Brand
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, ValidationFailed
from ringlet.people.visitor import Visitor, check_whole

CODE_LENGTH = 10
_CODE = re.compile(rf"[0-9A-Za-z]{{{CODE_LENGTH}}}")


class Terms(msgspec.Struct, frozen=True):
    """What who brings somebody gets of what that one spends; `days` None: without end."""

    percent: Decimal
    days: int | None

    @property
    def is_on(self) -> bool:
        """Whether a sign-up today counts for anything."""
        return self.percent > 0


async def terms(tx: Tx) -> Terms:
    """As they are now, for sign-ups from now on."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    found = await (await cursor.execute("select percent, days from referral_terms")).fetchone()
    assert found is not None, "one row, always"
    return found


async def terms_in(tx: Tx, brand: Brand) -> Terms:
    """What the customers of this shop are offered: nothing in a reseller's."""
    return await terms(tx) if brand.customer_id is None else Terms(Decimal(0), None)


def is_code(text: str) -> bool:
    """Whether it looks like a code; says nothing about whose."""
    return _CODE.fullmatch(text) is not None


class Referrer(msgspec.Struct, frozen=True):
    """What he sees himself: how many came and what they have earned him, and nothing of who they are."""

    code: str
    brought: int
    earned_micros: int
    currency: str
    stopped_at: datetime | None


async def referrer(tx: Tx, customer_id: int) -> Referrer | None:
    """None: he has no code yet."""
    cursor = tx.cursor(row_factory=args_row(Referrer))
    return await (await cursor.execute(_REFERRER, [customer_id])).fetchone()


_REFERRER: LiteralString = """
select r.code, r.brought, r.earned_micros, w.currency, r.stopped_at
from referrer r join wallet w on w.customer_id = r.customer_id and w.mode = 'live' where r.customer_id = %s
"""


async def make_code(desk: Desk, brand: Brand, visitor: Visitor) -> None:
    """The customer's code from now on; the one that he has already when he has one.

    Refuses: Forbidden (frozen, not confirmed), ValidationFailed (nothing is offered), ServiceUnavailable.
    """
    check_whole(visitor)
    if visitor.is_frozen:
        raise Forbidden("This account is frozen")
    if not visitor.is_confirmed:
        raise Forbidden("Confirm your e-mail address first: the link is in your mail")
    code = "".join(secrets.choice(tokens.ALPHABET) for _ in range(CODE_LENGTH))
    async with desk.db.transaction() as tx:
        if not (await terms_in(tx, brand)).is_on:
            raise ValidationFailed("There is nothing for new customers at the moment")
        await tx.execute(_MAKE_CODE, [visitor.customer_id, code])


_MAKE_CODE: LiteralString = (
    "insert into referrer (customer_id, code) values (%s, %s) on conflict (customer_id) do nothing"
)


async def note(tx: Tx, brand: Brand, opened: Opened, email: str, code: str) -> bool:
    """Who brought this new customer, in the transaction that opens the account; false when the code counts for nothing.

    It does not when nobody has it or he was stopped, when his account is frozen, of another shop or of the staff, when
    the new one is he himself, and when nothing is offered.
    """
    if not is_code(code) or not (offered := await terms_in(tx, brand)).is_on:
        return False
    row = await (
        await tx.execute(_WHOSE, {"code": code, "brand": brand.id, "currency": opened.live.currency})
    ).fetchone()
    if row is None or mailbox(row[1]) == mailbox(email):
        return False
    values = [opened.customer_id, row[0], int(offered.percent * 100), offered.days]
    await tx.execute(_NOTE, values)
    await tx.execute("update referrer set brought = brought + 1 where customer_id = %s", [row[0]])
    return True


_WHOSE: LiteralString = """
select c.id, c.email
from referrer r
join customer c on c.id = r.customer_id and c.frozen_at is null and c.brand_id = %(brand)s
join wallet w on w.customer_id = c.id and w.mode = 'live' and w.currency = %(currency)s
where r.code = %(code)s and r.stopped_at is null
    and not exists (select from person p join staff s on s.person_id = p.id where p.customer_id = c.id)
"""

_NOTE: LiteralString = """
insert into referral (customer_id, referrer_id, share, ends_at)
values (%s, %s, %s, now() + make_interval(days => %s::int))
"""


def mailbox(email: str) -> str:
    """An address without what many providers ignore: "a.b+c@x" is where "ab@x" is read."""
    local, _, domain = email.rpartition("@")
    return local.partition("+")[0].replace(".", "") + "@" + domain


async def stop(tx: Tx, customer_id: int) -> bool:
    """He earns nothing more from now on; false when he is no referrer, or was stopped before. The caller notes the act.

    Nobody counts spending meanwhile, so that everything counted was spent before the moment that is written here.
    """
    await tx.execute("select from referral_mark for no key update")
    return (await tx.execute(_STOP, [customer_id])).rowcount == 1


_STOP: LiteralString = (
    "update referrer set stopped_at = clock_timestamp() where customer_id = %s and stopped_at is null"
)
