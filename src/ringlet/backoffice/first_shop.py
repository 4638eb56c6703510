"""The shop's first dress: a name, its languages, and one of a few accents that people can read."""

from collections.abc import Mapping, Sequence

import msgspec

from ringlet.acts import Actor
from ringlet.backoffice import brand_dress, brands
from ringlet.backoffice.brands import Profile
from ringlet.brands import HOUSE
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed

#: word → hue of the accent; every other colour stays as it is
HUES: Mapping[str, int] = {"blue": 260, "violet": 300, "pink": 350, "red": 25, "green": 150, "teal": 195}
#: token → its colour in light and in dark, as tokens.css has it but for the hue
_ACCENT = {
    "accent": ("oklch(48% 0.13 {})", "oklch(76% 0.12 {})"),
    "accent-hover": ("oklch(42% 0.13 {})", "oklch(81% 0.11 {})"),
    "on-accent": ("oklch(99% 0.005 {})", "oklch(19% 0.04 {})"),
    "accent-soft": ("oklch(95.5% 0.022 {})", "oklch(29% 0.05 {})"),
}


class NewShop(msgspec.Struct, frozen=True):
    """What the form says; no language stands for all, an empty accent for the one that is there."""

    name: str
    languages: Sequence[str]
    accent: str


async def dress(desk: Desk, actor: Actor, form: NewShop) -> None:
    """Name the installation's own brand and colour it. Refuses: ValidationFailed."""
    if form.accent and form.accent not in HUES:
        raise ValidationFailed(f"One of {', '.join(HUES)}", field="accent")
    if not form.name.strip():
        raise ValidationFailed("The shop needs a name", field="name")
    before = await brands.one(desk, HOUSE)
    profile = Profile(
        name=form.name, hosts=before.hosts, languages=form.languages, mail_from=before.mail_from,
        support_url=before.support_url,
    )  # fmt: skip
    await brands.change(desk, actor, HOUSE, before.version, profile)
    if form.accent:
        await brand_dress.recolour(desk, actor, HOUSE, accent(HUES[form.accent]))


def accent(hue: int) -> dict[str, str]:
    """The colours of an accent, as the form of the brands has them."""
    return {
        f"{token}-{mode}": shade.format(hue)
        for token, shades in _ACCENT.items()
        for mode, shade in zip(("light", "dark"), shades, strict=True)
    }
