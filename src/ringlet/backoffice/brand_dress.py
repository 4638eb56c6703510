"""How a brand looks: colours that people can read, and a logo that is a picture and nothing else.

A file that was sent is decoded within bounds and drawn anew: whatever else was in it, or behind it, is not in ours.
"""

import asyncio
import io
from collections.abc import Mapping
from typing import LiteralString

from PIL import Image
from psycopg.types.json import Jsonb

from ringlet import acts, colours, pictures
from ringlet.acts import Actor
from ringlet.backoffice.brands import changing
from ringlet.brands import Picture
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed

FILE_MAX = 512 * 1024
PIXELS_MAX = 4_000_000
#: twice the size at which a page shows it
WIDTH_MAX, HEIGHT_MAX = 480, 80
ICON = 64
FORMATS = ("PNG", "WEBP")


async def recolour(desk: Desk, actor: Actor, brand_id: int, typed: Mapping[str, str]) -> None:
    """Wear these colours: `accent-light`, `accent-dark` and so on, empty: as by itself.

    Refuses: NotFound, ValidationFailed (no colour, or a contrast that is too small, with the ratio).
    """
    palette = colours.palette(typed)
    colours.check(palette)
    async with changing(desk, brand_id) as (tx, before):
        await tx.execute(_RECOLOUR, [Jsonb(palette), brand_id])
        await acts.write(
            tx,
            actor,
            "brand.recoloured",
            f"brand {brand_id}",
            before=dict(before.colours),
            after=dict(palette),
        )


_RECOLOUR: LiteralString = "update brand set colours = %s::jsonb where id = %s"


async def set_logo(desk: Desk, actor: Actor, brand_id: int, file: bytes) -> None:
    """Show this picture instead of the name. Refuses: NotFound, ValidationFailed."""
    picture = await asyncio.to_thread(redrawn, file)
    async with changing(desk, brand_id) as (tx, _):
        await tx.execute(_SET_LOGO, [brand_id, picture.width, picture.height, picture.content, picture.icon])
        size = {"width": picture.width, "height": picture.height, "bytes": len(picture.content)}
        await acts.write(tx, actor, "brand.logo_set", f"brand {brand_id}", after=size)


_SET_LOGO: LiteralString = """
insert into brand_logo (brand_id, width, height, content, icon) values (%s, %s, %s, %s, %s)
on conflict (brand_id) do update set width = excluded.width, height = excluded.height, content = excluded.content,
    icon = excluded.icon
"""


async def remove_logo(desk: Desk, actor: Actor, brand_id: int) -> None:
    """The name again. Refuses: NotFound."""
    async with changing(desk, brand_id) as (tx, _):
        await tx.execute("delete from brand_logo where brand_id = %s", [brand_id])
        await acts.write(tx, actor, "brand.logo_removed", f"brand {brand_id}")


def redrawn(file: bytes) -> Picture:
    """The first frame of a PNG or WebP, at most 480 × 80, and a square one of 64, both as PNG.

    Refuses: ValidationFailed, for any other file (SVG is a program), one that is too large, and a broken one.
    """
    if len(file) > FILE_MAX:
        raise ValidationFailed(f"A logo has at most {FILE_MAX // 1024} KiB", field="logo")
    try:
        drawn = pictures.decoded(file, FORMATS, PIXELS_MAX)
    except pictures.TooLarge:
        raise ValidationFailed(f"A logo has at most {PIXELS_MAX:,} pixels", field="logo") from None
    except pictures.Unreadable as error:
        raise ValidationFailed("This is no PNG or WebP picture that can be read", field="logo") from error
    whole, square = drawn.copy(), drawn.copy()
    whole.thumbnail((WIDTH_MAX, HEIGHT_MAX))
    square.thumbnail((ICON, ICON))
    icon = Image.new("RGBA", (ICON, ICON))
    icon.paste(square, ((ICON - square.width) // 2, (ICON - square.height) // 2))
    return Picture(whole.width, whole.height, _png(whole), _png(icon))


def _png(picture: Image.Image) -> bytes:
    made = io.BytesIO()
    picture.save(made, "PNG", optimize=True)
    return made.getvalue()
