"""One supplier: how it does, what is rented there, its terms, and asking it now."""

from typing import Any, cast

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import supplier_desk, supplier_health, supplier_trial
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.supplying import enlist, survey
from ringlet.supplying.enlist import Changes
from ringlet.web.admin import gate, supplier_form
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import cell
from ringlet.web.admin.trade import may_change, places
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Form, Req

PATH = "/admin/suppliers/{source_id:int}"


@get(PATH, include_in_schema=False, opt=wants(Right.SEE))
async def get_supplier(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Its page."""
    return await page(request, source_id)


@post(PATH + "/check", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_check(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Ask it now: reached, balance, price list."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    return await page(request, source_id, checked=await survey.check(seen.desk, terms.name))


@post(PATH + "/sync", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_sync(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Take over its price list now."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    try:
        synced = await supplier_desk.sync_now(seen.desk, terms.name)
    except ValidationFailed as refused:
        return await page(request, source_id, refused=refused)
    said = seen.words.gettext("A worker takes over its price list at this moment.")
    if synced is not None:
        said = seen.words.gettext("The price list is taken over: %(cells)s lines, %(changed)s of them changed.") % {
            "cells": seen.words.number(synced.cells), "changed": seen.words.number(synced.changed + synced.new),
        }  # fmt: skip
    return render.go(request, seen, f"/admin/suppliers/{source_id}", said)


@post(PATH + "/pause", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_pause(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Sell nothing more of it, or sell it again."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    terms, by = await supplier_desk.conditions(seen.desk, source_id), gate.actor(request, seen)
    if form.text("paused") == "no":
        await enlist.resume(seen.desk, terms.name, by)
        said = seen.words.gettext("It is sold again once its prices are fresh.")
    else:
        await enlist.pause(seen.desk, terms.name, by)
        said = seen.words.gettext("Paused. What is rented goes on.")
    return render.go(request, seen, f"/admin/suppliers/{source_id}", said)


@post(PATH + "/terms", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_terms(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Change the terms, the address or the key. A new address wants the key again: it is sent there."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"/admin/suppliers/{source_id}")
    try:
        terms = await supplier_desk.conditions(seen.desk, source_id)
        changes = cast("Changes", supplier_form.changed(supplier_form.read(form), terms))
        if form.text("key"):
            changes["key"] = form.text("key")
        if form.text("url").rstrip("/") != terms.url:
            if "key" not in changes:
                raise ValidationFailed("A new address gets the key: give it again", field="key")  # noqa: TRY301
            changes["url"] = form.text("url")
        if changes:
            await enlist.change(seen.desk, terms.name, gate.actor(request, seen), **changes)
    except ValidationFailed as refused:
        return await page(request, source_id, form=form, refused=refused)
    return render.go(request, seen, f"/admin/suppliers/{source_id}", seen.words.gettext("Saved."))


async def page(
    request: Req, source_id: int, *, form: Form | None = None, refused: Refusal | None = None, **context: Any
) -> Response[str]:
    """The page of one supplier, after whatever was done there."""
    seen = gate.begin(request)
    asked, size = cell(request.query_params.get("after", ""), 64), supplier_desk.PAGE
    health = await supplier_health.one(seen.desk, source_id)
    rented = await supplier_desk.rented(seen.desk, source_id, asked)
    trial, tried = None, records.cursor(request, "trial")
    if tried is not None:
        trial = await supplier_trial.look(seen.desk, seen.signed_in().customer_id, source_id, tried)
    shown = form or supplier_form.fields_of(await supplier_desk.conditions(seen.desk, source_id))
    more = rented[size - 1].supplier_ref if len(rented) > size else None
    found = {"checked": None, "trial": trial, **context}
    return await render.page(
        request, seen, "admin/supplier.html", 422 if refused else 200, may_change=may_change(seen), health=health, rented=rented[:size], more=more,
        failures=await supplier_health.failures(seen.desk, source_id), form=shown, refused=refused,
        places=places(seen.words), **found,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_supplier, post_check, post_sync, post_pause, post_terms]
