"""The first run: from an empty installation to the first sale, step by step, left and taken up again at will.

Nothing remembers where the operator was: each step is done when what it makes is there. The first one is open to
whoever knows the setup code, which `ringlet serve` and `ringlet doctor` show on the host, for as long as nobody is of
the staff.
"""

import hmac
from decimal import Decimal
from typing import LiteralString
from weakref import WeakSet

import msgspec
import psycopg
from psycopg.errors import UniqueViolation

from ringlet import accounts, acts, ledger, money, standing
from ringlet.activations import buy as sales
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.acts import Actor
from ringlet.backoffice import pricing_change
from ringlet.backoffice.pricing_plan import Put
from ringlet.db import Database, Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.idempotency import Once
from ringlet.people import acceptable_use, emails, passwords, persons, sign_in, throttle
from ringlet.people.recovery import ALPHABET
from ringlet.people.sessions import check_language
from ringlet.people.throttle import Bucket
from ringlet.people.visitor import SignedIn, Visitor
from ringlet.settings import Settings
from ringlet.supplying import enlist, known, survey, sync
from ringlet.supplying.survey import Checked

CODE_LENGTH = 16  # of 31 letters: 79 bit
SETUP = Bucket("setup_code", 10, 30)
SETUP_ACTOR = Actor("setup code", "owner")
WRONG_CODE = "This is not the setup code: ringlet doctor shows it on the host"
#: so much the operator gives himself for one purchase to try with, once
CREDIT_MAX_MICROS = 10_000_000
CREDIT_REFERENCE = "first purchase"
PERCENT_MAX = Decimal(1_000)


def setup_code(settings: Settings) -> str:
    """What proves a shell on the host: made of the secret, the same in every process."""
    digest = hmac.digest(settings.secret, b"setup code", "sha256")
    # A byte in 31 letters is a little uneven; it costs the guesser's table a tenth of a bit each.
    letters = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:CODE_LENGTH])
    return "-".join(letters[at : at + 4] for at in range(0, CODE_LENGTH, 4))


def waiting_code(conninfo: str, settings: Settings) -> str | None:
    """The code as long as nobody is of the staff, for whoever starts or looks after the installation."""
    with psycopg.connect(conninfo) as connection:
        return None if connection.execute(_STAFF).fetchone() else setup_code(settings)


_STAFF: LiteralString = "select 1 from staff limit 1"


async def is_open(desk: Desk) -> bool:
    """Whether nobody is of the staff yet. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await (await tx.execute(_STAFF)).fetchone() is None


async def awaits(desk: Desk) -> bool:
    """Whether there is neither staff nor a customer: the shop's front leads to the first step then.

    Asked once too often is harmless: what was touched stays so, and is not asked about again.
    """
    if desk.settings.demo or desk.db in _touched:
        return False
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_UNTOUCHED)).fetchone()
    if row != (True,):
        _touched.add(desk.db)
    return row == (True,)


_touched: WeakSet[Database] = WeakSet()
_UNTOUCHED: LiteralString = "select not exists (select from staff) and not exists (select from customer)"


class Newcomer(msgspec.Struct, frozen=True):
    """What the first form says, and where it comes from."""

    code: str
    email: str
    password: str
    language: str
    address: str | None
    user_agent: str


async def make_owner(desk: Desk, form: Newcomer) -> SignedIn:
    """The first of the staff, signed in; the address counts as confirmed, for letters may not work yet.

    Refuses: ValidationFailed (also a wrong code), RateLimited, NotFound (there is staff already).
    """
    await throttle.take(desk, SETUP, throttle.place(form.address))
    given = "".join(each for each in form.code.lower() if each.isalnum())
    if not hmac.compare_digest(given.encode(), setup_code(desk.settings).replace("-", "").encode()):
        raise ValidationFailed(WRONG_CODE, field="code")
    email = emails.checked(form.email)
    passwords.check(form.password, email=email, name=desk.settings.name)
    check_language(form.language)
    password_hash = await passwords.hashed(form.password)
    try:
        async with desk.db.transaction() as tx:
            await tx.execute(_ONE_BY_ONE)
            if await (await tx.execute(_STAFF)).fetchone():
                raise NotFound
            person_id = await _add(tx, desk, email, password_hash, form.language)
            person = await persons.by_id(tx, person_id)
            return await sign_in.open_session(tx, desk, person, form.address, form.user_agent)
    except UniqueViolation:
        raise ValidationFailed(
            "There is an account with this address: ringlet staff appoint makes it an owner", field="email"
        ) from None


_ONE_BY_ONE: LiteralString = "select pg_advisory_xact_lock(hashtext('welcome'))"


async def _add(tx: Tx, desk: Desk, email: str, password_hash: str, language: str) -> int:
    opened = await accounts.open_in(tx, desk.settings, email, 0, actor=SETUP_ACTOR.name)
    await standing.vouch(tx, opened.customer_id)
    person_id = await persons.add(tx, opened.customer_id, password_hash, language)
    await persons.confirm(tx, person_id)
    await acceptable_use.note(tx, person_id, (await acceptable_use.newest(tx)).version)  # they are his own
    await tx.execute(_OWNER, [person_id, SETUP_ACTOR.name])
    await acts.write(tx, SETUP_ACTOR, "staff.appointed", f"person {person_id}", after={"role": "owner"},
                     customer_id=opened.customer_id)  # fmt: skip
    return person_id


_OWNER: LiteralString = "insert into staff (person_id, role, created_by) values (%s, 'owner', %s)"

#: the steps after the first, in their order
STEPS = ("factor", "shop", "supplier", "margin", "purchase")


class Progress(msgspec.Struct, frozen=True):
    """Which steps are done."""

    factor: bool
    shop: bool
    supplier: bool
    margin: bool
    purchase: bool

    @property
    def next_step(self) -> str:
        """The first that is not; "done" after the last."""
        return next((step for step in STEPS if not getattr(self, step)), "done")


async def progress(desk: Desk, visitor: Visitor) -> Progress:
    """How far this owner has come. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_PROGRESS, [visitor.live_wallet_id, visitor.test_wallet_id])).fetchone()
    assert row is not None
    return Progress(visitor.has_second_factor, *row)


_PROGRESS: LiteralString = """
select exists (select from brand where id = 1 and name is not null),
    exists (select from source where kind <> 'simulator'),
    exists (select from price_rule),
    exists (select from activation where wallet_id in (%s, %s))
"""


class Connected(msgspec.Struct, frozen=True):
    """What the new supplier answered, and how many offers it brought; None when its list could not be taken over."""

    checked: Checked
    offers: int | None
    trouble: str | None


class NewSupplier(msgspec.Struct, frozen=True):
    """What the form says of it."""

    name: str
    kind: str
    url: str
    key: str


async def connect(desk: Desk, actor: Actor, form: NewSupplier) -> Connected:
    """Add a supplier, or correct the one of that name that has never been synced; ask it, and take over its list.

    Refuses: ValidationFailed. What it answers to the questions is no refusal: it is there, and can be corrected.
    """
    name = form.name.strip()
    if await _is_unproven(desk, name):
        await enlist.change(desk, name, actor, url=form.url, key=form.key)
    else:
        await enlist.add(desk, name, form.kind, form.url, form.key, actor)
    checked = await survey.check(desk, name)
    if checked.problems:
        return Connected(checked, None, None)
    supplier = await known.reach(desk, name)
    try:
        synced = await sync.sync(desk, supplier)
    except known.TROUBLE as error:
        return Connected(checked, None, known.sentence(desk, supplier.terms, error))
    await desk.refresh_prices()
    return Connected(checked, checked.cells if synced is None else synced.cells, None)


async def _is_unproven(desk: Desk, name: str) -> bool:
    async with desk.db.connection() as tx:
        return await (await tx.execute(_UNPROVEN, [name])).fetchone() is not None


_UNPROVEN: LiteralString = """
select from supplier s join source on source.id = s.source_id where source.name = %s and s.synced_at is null
"""


async def set_margin(desk: Desk, actor: Actor, percent: Decimal) -> None:
    """What everybody pays above cost, until a more particular rule says otherwise. Refuses: ValidationFailed."""
    if not (percent.is_finite() and 0 <= percent <= PERCENT_MAX):
        raise ValidationFailed(f"From 0 to {PERCENT_MAX} per cent", field="percent")
    wish = Put(values={"markup": percent / 100})
    await pricing_change.apply(desk, actor, wish, reason="first margin")
    await desk.refresh_prices()


async def try_purchase(desk: Desk, actor: Actor, visitor: Visitor, order: Order, once: Once) -> Bought:
    """A number for the owner himself, at the price of the order's limit at most; what his balance lacks is credited,
    once, up to `CREDIT_MAX_MICROS`. In test mode with play money. Refuses what a purchase is refused for.
    """
    async with desk.db.transaction() as tx:
        wallet = await ledger.wallet(tx, visitor.wallet_id)
        if wallet.mode == "live":
            await _credit(tx, actor, visitor, wallet, order)
    return await sales.buy(desk, wallet, order, once)


async def _credit(tx: Tx, actor: Actor, visitor: Visitor, wallet: ledger.Wallet, order: Order) -> None:
    await persons.lock(tx, visitor.person_id)
    assert order.max_price is not None, "the form names the price"
    wanted = money.charge_micros(order.max_price)
    missing = wanted - (await ledger.balance(tx, wallet.id)).available_micros
    given = await (await tx.execute(_CREDITED, [wallet.id, CREDIT_REFERENCE])).fetchone()
    if not 0 < missing <= CREDIT_MAX_MICROS or given is not None:
        return  # the purchase itself refuses what the balance does not cover
    await ledger.credit(
        tx, wallet, missing, actor=actor.name, reason=CREDIT_REFERENCE, reference=CREDIT_REFERENCE
    )
    await acts.write(
        tx, actor, "balance.adjusted", f"customer {visitor.customer_id}", after={"amount_micros": missing},
        reason=CREDIT_REFERENCE, customer_id=visitor.customer_id,
    )  # fmt: skip


_CREDITED: LiteralString = "select from posting where wallet_id = %s and kind = 'credit' and reference = %s"
