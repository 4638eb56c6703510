"""A customer's data: taken along as a file, or forgotten for good."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import exported, people_data
from ringlet.errors import ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import customer, gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import amount_micros
from ringlet.web.pages import render
from ringlet.web.pages.visit import Req

JSON = "application/json"


@get("/admin/customers/{customer_id:int}/data.json", include_in_schema=False, opt=wants(Right.OWN))
async def get_data(request: Req, customer_id: FromPath[int]) -> Stream:
    """Everything that is kept, as it is sent to who asks for it; that it was taken is in the log. Refuses: NotFound."""
    seen = gate.begin(request)
    await people_data.left(seen.desk, customer_id)
    await exported.note(seen.desk, gate.actor(request, seen), "customer", {"customer": str(customer_id)})
    headers = {
        **render.HEADERS,
        "Content-Disposition": f'attachment; filename="customer-{customer_id}.json"',
    }
    return Stream(people_data.export(seen.desk, customer_id), media_type=JSON, headers=headers)


@post(
    "/admin/customers/{customer_id:int}/erase", include_in_schema=False, status_code=200, opt=wants(Right.OWN)
)
async def post_erase(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """Forget this person; what the wallet still has is given up when exactly that is typed."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"/admin/customers/{customer_id}")
    gives_up_micros = amount_micros(form.text("gives_up")) or 0
    try:
        await people_data.erase(
            seen.desk, gate.actor(request, seen), customer_id, form.text("reason"), gives_up_micros=gives_up_micros
        )  # fmt: skip
    except ValidationFailed as refused:
        return await customer.page(request, customer_id, 422, form=form, refused=refused, opened="erase")
    return render.go(
        request, seen, "/admin/customers", seen.words.gettext("Erased: only the amounts are left.")
    )


HANDLERS: list[ControllerRouterHandler] = [get_data, post_erase]
