"""The receipt of a credited payment: a page to print, and a PDF to keep. Only for whose payment it is."""

import asyncio
from urllib.parse import urlsplit

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import NotFound
from ringlet.payments.kinds import KINDS
from ringlet.topups.store import Topup
from ringlet.web.pages import receipt_pdf, render, topup_shown, visit, words
from ringlet.web.pages.receipt_pdf import Receipt
from ringlet.web.pages.visit import Req, Visit
from ringlet.web.pages.words import Words


@get("/wallet/top-up/{topup_id:str}/receipt", include_in_schema=False)
async def get_receipt(request: Req, topup_id: FromPath[str]) -> Response[str]:
    """A page that prints as a sheet. Refuses: NotFound, also for what was not credited."""
    seen = await visit.begin(request)
    topup = await _credited(seen, topup_id)
    return await render.page(
        request, seen, "receipt.html", topup=topup, receipt=made(seen, topup, seen.words)
    )


@get("/wallet/top-up/{topup_id:str}/receipt.pdf", include_in_schema=False)
async def get_receipt_pdf(request: Req, topup_id: FromPath[str]) -> Response[bytes]:
    """The same as a file; in English where its font cannot write the reader's language. Refuses: NotFound."""
    seen = await visit.begin(request)
    topup = await _credited(seen, topup_id)
    spoken = seen.words if seen.words.language in receipt_pdf.LANGUAGES else words.words("en")
    receipt = made(seen, topup, spoken, is_file=True)
    content = await asyncio.to_thread(receipt_pdf.draw, receipt, spoken.language, topup.settled_at)
    head = {**render.HEADERS, "Content-Disposition": f'attachment; filename="receipt-{topup.public_id}.pdf"'}
    return Response(content, media_type="application/pdf", headers=head)


async def _credited(seen: Visit, topup_id: str) -> Topup:
    topup = (await topup_shown.shown(seen, topup_id)).topup
    if topup.state != "credited":
        raise NotFound
    return topup


def made(seen: Visit, topup: Topup, spoken: Words, *, is_file: bool = False) -> Receipt:
    """The receipt in this language. `is_file`: names that the PDF's font cannot write give way to some that it can."""
    person, settings, _ = seen.signed_in(), seen.desk.settings, spoken.gettext

    def written(text: str, otherwise: str) -> str:
        return text if not is_file or receipt_pdf.covers(text) else otherwise

    host = urlsplit(settings.public_url).netloc
    assert topup.settled_at is not None, "it is credited"
    facts = [
        (_("Payment id"), topup.public_id),
        (_("Credited"), f"{spoken.moment(topup.settled_at, person.time_zone)} ({person.time_zone})"),
        (_("Account"), written(person.email, str(person.customer_id))),
        (_("How"), written(topup.label, KINDS[topup.kind].name)),
    ]
    if topup.external_id and topup.external_id != topup.public_id and written(topup.external_id, ""):
        facts.append((_("Id at the gateway"), topup.external_id))
    return Receipt(
        shop=written(settings.name, host), place=settings.public_url, title=_("Receipt"), facts=facts,
        sums=_sums(topup, spoken), note=_("Credit for numbers in this account. It was credited as stated above."),
    )  # fmt: skip


def _sums(topup: Topup, spoken: Words) -> list[tuple[str, str]]:
    _ = spoken.gettext
    sums = [(_("Credit"), topup.credited_micros)]
    if topup.settled_micros > topup.credited_micros:
        sums.append((_("Fee for this way to pay"), topup.settled_micros - topup.credited_micros))
    sums.append((_("Paid"), topup.settled_micros))
    if topup.bonus_micros:
        sums.insert(0, (_("Bonus, not paid for"), topup.bonus_micros))
    if topup.returned_micros:
        sums.append((_("Given back later, of credit and bonus"), -topup.returned_micros))
    return [(label, spoken.micros(micros, topup.currency)) for label, micros in sums]


HANDLERS: list[ControllerRouterHandler] = [get_receipt, get_receipt_pdf]
