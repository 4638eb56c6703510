"""Live numbers: a card each, kept true by the stream of the visitor's own events."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp, ControllerRouterHandler

from ringlet import idempotency, ledger
from ringlet.activations import cancel, finish, resend
from ringlet.errors import (
    CancelRejected,
    Forbidden,
    NotFound,
    Refusal,
    ResendRejected,
    ServiceUnavailable,
    ValidationFailed,
)
from ringlet.idempotency import Once
from ringlet.web import wire
from ringlet.web.api import about, office
from ringlet.web.pages import faults, live_cards, render, visit
from ringlet.web.pages.live_cards import Panel, clock
from ringlet.web.pages.live_stream import Guard, PageConnection
from ringlet.web.pages.visit import Form, Req, Visit

#: the activation to show now, what was done, and its tone
Done = tuple[int, str, str]


@get("/live", include_in_schema=False)
async def get_live(request: Req) -> Response[str]:
    """All cards, as a page or for the panel of another one; with `seen` nothing when nothing has changed since."""
    seen = await visit.begin(request)
    panel = await live_cards.panel(seen)
    if not visit.is_swap(request):
        return await render.page(request, seen, "live.html", balance=panel.balance, panel=panel, clock=clock)
    known = request.query_params.get("seen", "")
    if known == panel.version:
        return Response("", status_code=204, headers=render.HEADERS)
    if known and not known.startswith(f"{seen.signed_in().mode}-"):
        return render.redirect(
            request, "/"
        )  # the other mode was chosen elsewhere: the whole page is another one
    return render.part(seen, "parts/live_answer.html", panel=panel, clock=clock, balance=panel.balance)


@get("/live/{activation_id:str}", include_in_schema=False)
async def get_live_card(request: Req, activation_id: FromPath[str]) -> Response[str]:
    """One card, with the balance beside it. Refuses: NotFound, also for somebody else's."""
    seen = await visit.begin(request)
    seen.signed_in()
    public_id = about(request, wire.read_activation_id(activation_id))
    if not visit.is_swap(request):
        card, balance = await live_cards.card(seen, public_id)
        panel = Panel([card], int(card.moment != "over"), is_full=False, version="", balance=balance)
        return await render.page(request, seen, "live.html", balance=balance, panel=panel, clock=clock)
    return await _answer(seen, public_id)


@post("/live/{activation_id:str}", include_in_schema=False, status_code=200)
async def post_live_card(request: Req, activation_id: FromPath[str]) -> Response[str]:
    """Cancel, finish, or wait for another message."""
    seen = await visit.begin(request)
    visitor = seen.signed_in()
    form = await visit.form(request, seen)
    public_id = about(request, wire.read_activation_id(activation_id))
    act = ACTIONS.get(form.text("do"))
    if act is None:
        raise ValidationFailed(f"one of {', '.join(ACTIONS)}", field="do")
    if visitor.is_frozen:
        raise Forbidden("This account is frozen")
    try:
        now_id, said, tone = await act(seen, public_id, form)
    except NotFound:
        raise
    except Refusal as refusal:
        now_id, said, tone = public_id, _no(seen, refusal, form), "bad"
    office(request).statuses.changed(public_id)
    if visit.is_swap(request):
        return await _answer(seen, now_id, (tone, said))
    return render.go(request, seen, visit.local(form.get("next")), said, tone)


async def _cancel(seen: Visit, public_id: int, form: Form) -> Done:
    _ = seen.words.gettext
    before, _balance = await live_cards.card(seen, public_id)
    when_allowed = form.text("when_allowed") == "1"
    done = await cancel.cancel(seen.desk, seen.signed_in().wallet_id, public_id, when_allowed=when_allowed)
    if done.in_s is not None:
        return public_id, _("It is cancelled as soon as the supplier allows it."), "good"
    if not before.held_micros:
        return public_id, _("Done."), "good"
    amount = seen.words.micros(before.held_micros, before.currency)
    return public_id, _("Cancelled, %(amount)s returned.") % {"amount": amount}, "good"


async def _finish(seen: Visit, public_id: int, _form: Form) -> Done:
    await finish.finish(seen.desk, seen.signed_in().wallet_id, public_id)
    return public_id, seen.words.gettext("Done."), "good"


async def _resend(seen: Visit, public_id: int, form: Form) -> Done:
    """Never at another price than the one that the button named."""
    wallet_id, once = seen.signed_in().wallet_id, _once(seen, public_id, form)
    before, _balance = await live_cards.card(seen, public_id)
    async with seen.desk.db.connection() as tx:
        wallet = await ledger.wallet(tx, wallet_id)
        is_known = await idempotency.recall(tx, once) is not None
    if not is_known and form.get("price") is not None and form["price"] != str(before.resend_micros):
        return public_id, seen.words.gettext("This has changed meanwhile. Nothing was charged."), "bad"
    done = await resend.resend(seen.desk, wallet, public_id, once)
    return done.activation.public_id, seen.words.gettext("Waiting for another message."), "good"


def _once(seen: Visit, public_id: int, form: Form) -> Once | None:
    """A second click on the same button, or the form sent again, asks for nothing more."""
    text = form.text("once")
    if not text:
        return None
    asked = hashlib.sha256(f"live resend {public_id}".encode()).digest()
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return Once(seen.signed_in().wallet_id, f"live {key}", asked)


ACTIONS: Mapping[str, Callable[[Visit, int, Form], Awaitable[Done]]] = {
    "cancel": _cancel, "finish": _finish, "resend": _resend,
}  # fmt: skip


def _no(seen: Visit, refusal: Refusal, form: Form) -> str:
    """Why not, and what became of the money."""
    _ = seen.words.gettext
    retry_after = refusal.extra.get("retry_after")
    match refusal:
        case CancelRejected() if isinstance(retry_after, int):
            return _("Too early: this number can be cancelled in %(time)s.") % {"time": clock(retry_after)}
        case CancelRejected():
            return _("It cannot be cancelled any more: its code has come, or it is over.")
        case ResendRejected():
            return _(
                "This number cannot be had again: somebody else has it, or it was given back. Nothing was charged."
            )
        case ServiceUnavailable() if form.text("do") == "cancel":
            return _("The supplier has not answered yet. The cancellation is carried on without you.")
        case ServiceUnavailable():
            return _("The supplier has not answered. Nothing was charged; try again in a moment.")
        case _:
            return faults.say(refusal, seen.words)[1]


async def _answer(seen: Visit, public_id: int, said: tuple[str, str] | None = None) -> Response[str]:
    card, balance = await live_cards.card(seen, public_id)
    return render.part(seen, "parts/card_answer.html", card=card, said=said, balance=balance, clock=clock)


@get("/live/events", include_in_schema=False)
async def get_live_events(request: Req) -> ASGIApp:
    """Server-sent events: which activation has changed, or the balance. Nobody who is not signed in is called again."""
    seen = await visit.begin(request)
    visitor = seen.visitor
    if visitor is None or visitor.awaits_second_factor:
        return cast("ASGIApp", Response("", status_code=204, headers=render.HEADERS))
    mark = await office(request).streams.ready(visitor.wallet_id, resumes=False)
    return PageConnection(office(request), _guard(request), visitor, mark).serve


def _guard(request: Req) -> Guard:
    """One for this process."""
    state = request.app.state
    if not hasattr(state, "live_guard"):
        state.live_guard = Guard(state.office.desk)
    found: Guard = state.live_guard
    return found


HANDLERS: list[ControllerRouterHandler] = [get_live, get_live_events, get_live_card, post_live_card]
