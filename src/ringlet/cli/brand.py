"""`ringlet brand`: the shops of this installation."""

import click
import msgspec

from ringlet.acts import CLI
from ringlet.backoffice import brands
from ringlet.backoffice.brands import Profile
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.desk import Desk


@click.group()
def brand() -> None:
    """Shops under names and addresses of their own: list, add, set."""


@brand.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every brand, with its host names and whose it is."""
    found = at_desk(brands.everything)
    if as_json:
        emit_json([msgspec.structs.asdict(each) for each in found])
    else:
        shown = [
            [each.id, each.name or "(as in the settings)", " ".join(each.hosts), each.reseller or "", each.customers]
            for each in found
        ]  # fmt: skip
        emit_table(("id", "name", "hosts", "reseller", "customers"), shown, empty="")


@brand.command()
@click.argument("name")
@click.option(
    "--host", "hosts", multiple=True, required=True, help="A host name; letters lead to the first one."
)
@click.option("--reseller", default="", help="The e-mail address of the customer whose shop it is, for good.")
@as_json_option
def add(name: str, hosts: tuple[str, ...], reseller: str, as_json: bool) -> None:
    """Open a brand."""
    brand_id = at_desk(lambda desk: brands.add(desk, CLI, Profile(name=name, hosts=hosts), reseller))
    if as_json:
        emit_json({"id": brand_id, "name": name})
    else:
        click.echo(f"brand {brand_id}, {name}, is open at {hosts[0]}")


@brand.command("set")
@click.argument("brand_id", type=int)
@click.option("--name")
@click.option("--host", "hosts", multiple=True, help="Host names in the place of all that there were.")
@click.option("--mail-from", help="The sender of its letters.")
@click.option("--support", help="A link for the foot of its pages.")
@as_json_option
def set_(
    brand_id: int, name: str | None, hosts: tuple[str, ...], mail_from: str | None, support: str | None, as_json: bool
) -> None:  # fmt: skip
    """Change a brand; what is not given stays."""

    async def change(desk: Desk) -> None:
        now = await brands.one(desk, brand_id)
        profile = Profile(
            name=now.name if name is None else name, hosts=hosts or now.hosts, languages=now.languages,
            mail_from=now.mail_from if mail_from is None else mail_from,
            support_url=now.support_url if support is None else support,
        )  # fmt: skip
        await brands.change(desk, CLI, brand_id, now.version, profile)

    at_desk(change)
    if as_json:
        emit_json({"id": brand_id})
    else:
        click.echo(f"brand {brand_id} is changed")
