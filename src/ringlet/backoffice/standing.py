"""What staff change about a customer that is no money: frozen or not, the group, keys."""

from typing import LiteralString

from ringlet import accounts, acts, customers
from ringlet.acts import Actor
from ringlet.backoffice import dossier, reasons
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce


async def freeze(desk: Desk, actor: Actor, customer_id: int, reason: str) -> None:
    """Nothing can be bought, changed or cancelled any more with this customer's keys and sessions, from the commit on
    and in every process; balances and open orders stay as they are.

    Refuses: NotFound, ValidationFailed (no reason, frozen already).
    """
    await _set_frozen(desk, actor, customer_id, reason, is_frozen=True)


async def thaw(desk: Desk, actor: Actor, customer_id: int, reason: str) -> None:
    """As before it was frozen. Refuses: NotFound, ValidationFailed (no reason, not frozen)."""
    await _set_frozen(desk, actor, customer_id, reason, is_frozen=False)


async def _set_frozen(desk: Desk, actor: Actor, customer_id: int, text: str, *, is_frozen: bool) -> None:
    reason = reasons.read(text)
    async with desk.db.transaction() as tx:
        await dossier.customer(tx, customer_id)
        if not await accounts.set_frozen(tx, customer_id, is_frozen=is_frozen):
            if is_frozen:
                raise ValidationFailed("This account is frozen already")
            raise ValidationFailed("This account is not frozen")
        act = "customer.frozen" if is_frozen else "customer.thawed"
        await acts.write(tx, actor, act, f"customer {customer_id}", reason=reason, customer_id=customer_id)


async def put_in_group(desk: Desk, actor: Actor, customer_id: int, group_id: int | None) -> None:
    """The prices of another group, or of none. Refuses: NotFound, ValidationFailed (no such group)."""
    async with desk.db.transaction() as tx:
        before = await dossier.customer(tx, customer_id)
        names = {group.id: group.name for group in await customers.list_groups(tx)}
        if group_id is not None and group_id not in names:
            raise ValidationFailed("No group is called that", field="group")
        if before.group_id == group_id:
            return
        await customers.put_in_group(tx, customer_id, group_id)
        await announce(tx, "catalogue")
        await acts.write(
            tx, actor, "customer.group_set", f"customer {customer_id}", customer_id=customer_id,
            before={"group": names.get(before.group_id or 0)}, after={"group": names.get(group_id or 0)},
        )  # fmt: skip


async def revoke_key(desk: Desk, actor: Actor, customer_id: int, key_id: int, text: str) -> None:
    """End a key of this customer now, in every process. Refuses: NotFound (also when it is over already)."""
    reason = reasons.read(text)
    async with desk.db.transaction() as tx:
        if (await tx.execute(_REVOKE, {"key": key_id, "customer": customer_id})).rowcount == 0:
            raise NotFound("No such key")
        await announce(tx, "keys")
        await acts.write(tx, actor, "key.revoked", f"key {key_id}", reason=reason, customer_id=customer_id)


_REVOKE: LiteralString = """
update api_key set revoked_at = now() where id = %(key)s and revoked_at is null
    and wallet_id in (select id from wallet where customer_id = %(customer)s)
"""
