"""The shop's first dress: a name, its languages, its currency, and one of a few accents that people can read."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

import msgspec

from ringlet import acts
from ringlet.acts import Actor
from ringlet.backoffice import brand_dress, brands
from ringlet.backoffice.brands import Profile
from ringlet.brands import HOUSE
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.feed import announce

#: word → hue of the accent; every other colour stays as it is
HUES: Mapping[str, int] = {"blue": 260, "violet": 300, "pink": 350, "red": 25, "green": 150, "teal": 195}
#: what accounts can be kept in, by its letters of ISO 4217
CURRENCIES = (
    "USD", "EUR", "GBP", "AED", "BRL", "CHF", "CNY", "IDR", "INR", "KZT", "MXN", "NGN", "PHP", "PKR", "PLN", "RUB", "THB",
    "TRY", "UAH", "VND",
)  # fmt: skip
#: token → its colour in light and in dark, as tokens.css has it but for the hue
_ACCENT = {
    "accent": ("oklch(48% 0.13 {})", "oklch(76% 0.12 {})"),
    "accent-hover": ("oklch(42% 0.13 {})", "oklch(81% 0.11 {})"),
    "on-accent": ("oklch(99% 0.005 {})", "oklch(19% 0.04 {})"),
    "accent-soft": ("oklch(95.5% 0.022 {})", "oklch(29% 0.05 {})"),
}


class NewShop(msgspec.Struct, frozen=True):
    """What the form says; no language stands for all, an empty accent or currency for the one that is there."""

    name: str
    languages: Sequence[str]
    accent: str
    currency: str = ""


async def dress(desk: Desk, actor: Actor, form: NewShop) -> None:
    """Name the installation's own brand and colour it. Refuses: ValidationFailed."""
    if form.accent and form.accent not in HUES:
        raise ValidationFailed("Choose one of these colours", field="accent")
    if not form.name.strip():
        raise ValidationFailed("The shop needs a name", field="name")
    if form.currency:
        await choose_currency(desk, actor, form.currency)
    before = await brands.one(desk, HOUSE)
    profile = Profile(
        name=form.name, hosts=before.hosts, languages=form.languages, mail_from=before.mail_from,
        support_url=before.support_url,
    )  # fmt: skip
    await brands.change(desk, actor, HOUSE, before.version, profile)
    if form.accent:
        await brand_dress.recolour(desk, actor, HOUSE, accent(HUES[form.accent]))


async def may_choose_currency(desk: Desk) -> bool:
    """Whether no money has moved yet or is on its way. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _is_untouched(tx)


async def _is_untouched(tx: Tx) -> bool:
    row = await (await tx.execute(_UNTOUCHED)).fetchone()
    return row == (True,)


# Play money is no money: it changes its name with the rest.
_UNTOUCHED: LiteralString = """
select not exists (select from supplier_posting) and not exists (
    select from wallet w where w.mode = 'live' and (
        exists (select from posting where wallet_id = w.id) or exists (select from topup where wallet_id = w.id)))
"""


async def choose_currency(desk: Desk, actor: Actor, currency: str) -> None:
    """What accounts are kept in from now on, those that are there too. Refuses: ValidationFailed (none of `CURRENCIES`
    and not the present one, or money has moved already).
    """
    async with brands.changing(desk, HOUSE) as (tx, before):
        # Who opens an account waits for the row of the brand; who moves money for this.
        await tx.execute("lock table topup, posting, supplier_posting in share row exclusive mode")
        if currency == before.worn.currency:
            return
        if currency not in CURRENCIES:
            raise ValidationFailed("Choose one of these currencies", field="currency")
        if not await _is_untouched(tx):
            raise ValidationFailed("The currency stays as it is: money has moved already", field="currency")
        await tx.execute("update brand set currency = %s where id = 1", [currency])
        await tx.execute("update wallet set currency = %s", [currency])
        await acts.write(
            tx, actor, "shop.currency_chosen", f"brand {HOUSE}", before={"currency": before.worn.currency},
            after={"currency": currency},
        )  # fmt: skip
        await announce(tx, "keys")  # whose wallets processes remember


def accent(hue: int) -> dict[str, str]:
    """The colours of an accent, as the form of the brands has them."""
    return {
        f"{token}-{mode}": shade.format(hue)
        for token, shades in _ACCENT.items()
        for mode, shade in zip(("light", "dark"), shades, strict=True)
    }
