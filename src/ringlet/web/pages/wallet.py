"""Wallet: balance, what is held, what was spent this month, the statement, and the low-balance alert."""

import base64
import hmac
from datetime import UTC, datetime

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet import ledger, money, statement
from ringlet.activations import history
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people import referrals
from ringlet.topups import bonus
from ringlet.web.pages import add_credit, asked, export, records, render, visit
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req, Visit
from ringlet.webhooks import alerts

MARK_MAX_MICROS = 10**15
CURSOR_PARTS = 3
AMOUNT_MAX = 20


@get("/wallet", include_in_schema=False)
async def get_wallet(request: Req) -> Response[str]:
    """The wallet of the session's mode."""
    seen = await visit.begin(request)
    return await page(request, seen)


@post("/wallet/alert", include_in_schema=False, status_code=200)
async def post_alert(request: Req) -> Response[str]:
    """From which balance on a webhook tells, and a letter if that is wished; an empty field ends it."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    form = await visit.form(request, seen)
    try:
        mark_micros = _mark(form.text("mark"), seen)
    except ValidationFailed as refused:
        return await page(request, seen, 422, form=form, refused=refused)
    mark = alerts.Mark(mark_micros, by_letter=form.text("by_letter") == "on")
    await alerts.set_wallet_mark(seen.desk, person.wallet_id, mark)
    return render.go(request, seen, "/wallet#alert", seen.words.gettext("Saved."))


def _mark(text: str, seen: Visit) -> int | None:
    """Refuses: ValidationFailed."""
    if not text:
        return None
    mark_micros = asked.micros(text)
    if mark_micros is None or mark_micros > MARK_MAX_MICROS:
        said = seen.words.gettext("An amount such as 5 or 2.50, or nothing for no alert.")
        raise ValidationFailed(said, field="mark")
    return mark_micros


def _kinds(seen: Visit, part: statement.Part, kind: str) -> list[str]:
    """What a statement can be filtered by: a reseller has earnings too, and what is rare is offered where it is seen."""
    is_reseller = bool(seen.desk.brands.owned_by(seen.signed_in().customer_id))
    there = {kind, *(line.kind for line in part.lines)}
    return [
        each for each in statement.KINDS
        if (is_reseller or each not in statement.RESALE_KINDS) and (each in there or each not in statement.RARE_KINDS)
    ]  # fmt: skip


async def page(
    request: Req, seen: Visit, status: int = 200, *, form: Form | None = None, topup_form: Form | None = None,
    refused: Refusal | None = None,
) -> Response[str]:  # fmt: skip
    """The wallet, with one of its forms as it was refused. Refuses: ServiceUnavailable."""
    person = seen.signed_in()
    kind = request.query_params.get("kind", "")
    kinds = (kind,) if kind in statement.KINDS else statement.KINDS
    before, left_micros = _read_cursor(seen, request.query_params.get("before", ""))
    async with seen.desk.db.connection() as tx:
        wallet = await ledger.balance(tx, person.wallet_id)
        open_count = await history.count_open(tx, person.wallet_id) if wallet.held_micros else 0
        month = records.month_start(datetime.now(UTC), person.time_zone)
        spent = await statement.spent(tx, person.wallet_id, month)
        mark = await alerts.mark_of(tx, person.wallet_id)
        part = await statement.part(tx, person.wallet_id, kinds, before=before, left_micros=left_micros)
        owed_micros = await statement.owed(tx, person.wallet_id)
        offers = await bonus.offers(tx, person.mode, person.wallet_id)
        brings = await referrals.terms_in(tx, seen.brand)
    adding = await add_credit.context(seen, topup_form, request.query_params.get("amount", "")[:AMOUNT_MAX])
    kept = "" if mark.micros is None else str(money.to_amount(mark.micros))
    typed = kept if form is None else form.text("mark")
    by_letter = mark.by_letter if form is None else form.text("by_letter") == "on"
    return await render.page(
        request, seen, "wallet.html", status, balance=wallet, wallet=wallet, open_count=open_count, spent=spent, part=part,
        kind=kind if kind in statement.KINDS else "", kinds=_kinds(seen, part, kind), typed=typed, refused=refused,
        older=_write_cursor(seen, part), is_first=before is None, names=Names(seen.words),
        credit_text=seen.desk.settings.credit_text, owed_micros=owed_micros, by_letter=by_letter,
        offers=offers, brings=brings, **adding,
        payments_version=add_credit.version(adding["payments"], wallet.available_micros),
    )  # fmt: skip


def _write_cursor(seen: Visit, part: statement.Part) -> str:
    """Where the next part begins and what was left there, signed: a stranger's link shows nobody a false balance."""
    if part.older is None:
        return ""
    left = "" if part.left_micros is None else str(part.left_micros)
    return f"{part.older}.{left}.{_signature(seen, f'{part.older}.{left}')}"


def _read_cursor(seen: Visit, text: str) -> tuple[int | None, int | None]:
    parts = text.split(".")
    if len(parts) != CURSOR_PARTS or not text.isascii():
        return None, None
    before, left, signature = parts
    if not hmac.compare_digest(signature, _signature(seen, f"{before}.{left}")):
        return None, None
    return int(before), int(left) if left else None


def _signature(seen: Visit, text: str) -> str:
    told = f"statement {seen.signed_in().wallet_id} {text}".encode()
    made = hmac.digest(seen.desk.settings.secret, told, "sha256")
    return base64.urlsafe_b64encode(made[:9]).decode()


HANDLERS: list[ControllerRouterHandler] = [get_wallet, post_alert, export.get_wallet_csv]
