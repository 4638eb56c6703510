"""History: what was bought, filtered by the address, and each activation in detail."""

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import phones, spelling
from ringlet.activations import history, timeline
from ringlet.activations.states import REFUNDED
from ringlet.web.pages import export, live_cards, records, render, visit
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Req
from ringlet.webhooks import shown


@get("/history", include_in_schema=False)
async def get_history(request: Req) -> Response[str]:
    """A part of the history, newest first."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    asked = records.asked(request)
    before, after = records.cursor(request, "before"), records.cursor(request, "after")
    wanted = asked.wanted(person.time_zone)
    part = await history.part(seen.desk, person.wallet_id, wanted, before=before, after=after)
    names = Names(seen.words)
    choices = await history.choices(seen.desk, person.wallet_id)
    return await render.page(
        request, seen, "history.html", asked=asked, part=part, choices=choices, names=names,
        refunded=REFUNDED, is_first=before is None and after is None, states=tuple(records.STATES),
        again=names.again,
    )  # fmt: skip


@get("/history/{activation_id:str}", include_in_schema=False)
async def get_activation(request: Req, activation_id: FromPath[str]) -> Response[str]:
    """Everything about one activation. Refuses: NotFound, also for somebody else's."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    public_id = records.number(activation_id)
    story = await timeline.tell(seen.desk, person.wallet_id, public_id)
    names, phone = Names(seen.words), story.seen.activation.phone
    told = await shown.about(seen.desk, person.wallet_id, public_id)
    raw = msgspec.json.format(spelling.encode(spelling.activation(story.seen)), indent=2).decode()
    return await render.page(
        request, seen, "activation.html", story=story, row=story.seen.activation, told=told, raw=raw,
        names=names, again=names.again, refunded=REFUNDED, grouped=live_cards.grouped,
        international=phones.spell(phone)[0] if phone and phone.isdigit() else f"+{phone}",
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_history, get_activation, export.get_history_csv]
