"""Every page that can be read, from the routes themselves: a new page is measured, checked and photographed by being there.

What is in an address stands in `{holes}`, which whoever looks fills with objects of his own (`Look.address`); what a
page becomes when somebody does something there stands in `MOMENTS`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ringlet.brands import PAGES as LEGAL
from ringlet.web.admin.routes import router as admin_router
from ringlet.web.pages.docs_text import PAGES as DOCUMENTS
from ringlet.web.pages.routes import router

#: answers that nobody looks at as a page: files, streams, and where a page leads on at once
NOT_LOOKED_AT = {
    "/static/{name}", "/brand/{name}", "/favicon.svg", "/history.csv", "/wallet.csv", "/profile/data.json",
    "/live/events", "/work", "/profile/keys", "/wallet/top-up/{topup_id}/receipt.pdf", "/r/{code}",
}  # fmt: skip
#: parts that a page's script asks for; without it they lead to the page
PARTS = {"/find", "/offer", "/webhooks/{webhook_id}/log"}
OF_GUESTS = {
    "/sign-in", "/sign-up", "/sign-up/sent", "/forgot", "/forgot/sent", "/confirm/{token}", "/email/{token}",
    "/reset/{token}", "/mail", "/report", "/report/sent", "/acceptable-use",
}  # fmt: skip
OF_HALF = {"/second-factor"}
OF_ALL = {"/", "/docs", "/docs/api"}
#: only for who has a brand of his own; the shop's side has its own life (`admin_looks`)
OF_RESELLERS = {"/shop", "/shop/{brand_id}/customers"}
#: not there until the operator has written them
UNWRITTEN = {f"/{each}" for each in LEGAL}
MISSING = "/there-is-no-such-page"
SETTLE_MS = 300

Prepare = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Look:
    """A page as somebody sees it. `who`: a guest, a customer, a newcomer with nothing, one who is halfway in, or a
    customer in test mode (rehearsal). `prepare`: what he does there first, with the browser's page.
    """

    name: str
    path: str
    who: str = "customer"
    status: int = 200
    prepare: Prepare | None = None

    def address(self, objects: Mapping[str, str]) -> str:
        """Where it is."""
        return re.sub(r"\{(\w+)\}", lambda hole: objects[hole[1]], self.path)


def looks() -> list[Look]:
    """The pages that an address leads to, each once for everybody who sees another one there."""
    found = [Look("missing", MISSING, status=404), Look("missing-guest", MISSING, "guest", status=404)]
    for path in sorted(_paths() - NOT_LOOKED_AT - PARTS - UNWRITTEN - OF_RESELLERS):
        name = _name(path)
        if path in OF_ALL:
            found += [Look(name, path), Look(f"{name}-guest", path, "guest")]
        else:
            found.append(Look(name, path, _who(path)))
    return found


def admin_looks() -> list[Look]:
    """The pages of the shop's side, and those of customers that it brings about."""
    paths = {route.path_format for route in admin_router.routes if "GET" in route.methods}
    pages = sorted(path for path in paths if not path.endswith((".csv", ".json", "/proofs/{proof_id}")))
    return [*(Look(_name(path), path, "admin") for path in pages), *ADMIN_MOMENTS]


def _name(path: str) -> str:
    return "-".join(re.findall(r"[\w.-]+", re.sub(r"\{\w+_id\}", "one", path))) or "home"


def _paths() -> set[str]:
    paths = {route.path_format for route in router.routes if "GET" in route.methods}
    return paths - {"/docs/{page}"} | {f"/docs/{page}" for page in DOCUMENTS}


def _who(path: str) -> str:
    if path in OF_HALF:
        return "half"
    return "guest" if path in OF_GUESTS or path.startswith("/docs") else "customer"


def _types(field: str, text: str) -> Prepare:
    async def prepare(page: Any) -> None:
        await page.fill(field, text)
        await page.wait_for_timeout(SETTLE_MS)

    return prepare


def _sends(action: str) -> Prepare:
    """The form with this address; its answer is another page, or a part of this one."""

    async def prepare(page: Any) -> None:
        await page.locator(f'form[action$="{action}"] button:not([type=button])').last.click()
        await page.wait_for_load_state()
        await page.wait_for_timeout(SETTLE_MS)

    return prepare


async def _opens_all(page: Any) -> None:
    """Everything that is folded away."""
    await page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")


def _previews(action: str) -> Prepare:
    """A form of prices filled in, and what it would come to."""

    async def prepare(page: Any) -> None:
        await page.locator('input[name="value"]').fill("35")
        await _sends(action)(page)

    return prepare


async def _opens_menu(page: Any) -> None:
    await page.locator(".topbar summary").click()


async def _is_refused(page: Any) -> None:
    await page.fill("input[name=email]", "nobody@example.org")
    await page.fill("input[name=password]", "not that one")
    await page.press("input[name=password]", "Enter")
    await page.locator("[role=alert], [aria-invalid=true]").first.wait_for()


async def _asks_too_much(page: Any) -> None:
    await page.fill("#amount", "999999")
    await _sends("/wallet/top-up")(page)


async def _makes_webhook(page: Any) -> None:
    await page.fill("input[name=url]", f"https://shop.example.com/{id(page)}")
    await _sends("/webhooks/new")(page)


#: pages as they become, and as they are for who has nothing yet or rehearses
MOMENTS = (
    Look("find", "/", prepare=_types("#find", "whatsapp indonesia")),
    Look("find-nothing", "/", prepare=_types("#find", "no such thing at all")),
    Look("find-none", "/?q=wa+antarctica"),
    Look("home-open", "/", prepare=_opens_all),
    Look("menu", "/", prepare=_opens_menu),
    Look("profile-open", "/profile", prepare=_opens_all),
    Look("profile-key-made", "/profile", prepare=_sends("/profile/keys")),
    Look("profile-keys-one-open", "/profile/keys/{key_id}", prepare=_opens_all),
    Look("profile-security-open", "/profile/security", prepare=_opens_all),
    Look("profile-security-app", "/profile/security", prepare=_sends("/profile/security/totp")),
    Look("history-filtered", "/history?state=cancelled&service=ig", prepare=_opens_all),
    Look("history-nothing", "/history?q=nothing+of+the+kind"),
    Look("history-one-open", "/history/{activation_id}", prepare=_opens_all),
    Look("wallet-nothing", "/wallet?kind=debit"),
    Look("wallet-amount", "/wallet?amount=20", prepare=_opens_all),
    Look("wallet-refused", "/wallet", prepare=_asks_too_much),
    Look("topup-open", "/wallet/top-up/{open_topup_id}"),
    Look("demo-pay-open", "/demo-pay/demo_{open_topup_id}"),
    Look("webhook-made", "/webhooks/new", prepare=_makes_webhook),
    Look("webhooks-one-open", "/webhooks/{webhook_id}", prepare=_opens_all),
    Look("sign-in-refused", "/sign-in", "guest", prepare=_is_refused),
    Look("docs-found", "/docs?q=cancel", "guest"),
    Look("docs-services-found", "/docs/services?q=tele", "guest"),
    *(Look(f"{path.strip('/') or 'home'}-empty", path, "newcomer")
      for path in ("/", "/live", "/history", "/wallet", "/webhooks", "/developers", "/profile")),
    *(Look(f"{path.strip('/') or 'home'}-test", path, "rehearsal") for path in ("/", "/wallet", "/developers")),
)  # fmt: skip
#: pages of the shop's side as they become, and what others see of it
ADMIN_MOMENTS = (
    Look("admin-welcome-factor", "/admin/welcome/factor", "admin"),
    Look("admin-customers-one-open", "/admin/customers/{customer_id}", "admin", prepare=_opens_all),
    Look("admin-customers-nobody", "/admin/customers?q=nobody+at+all", "admin"),
    Look("admin-orders-one-open", "/admin/orders/{order_id}", "admin", prepare=_opens_all),
    Look("admin-orders-nothing", "/admin/orders?q=nothing+of+the+kind", "admin"),
    Look("admin-suppliers-one-open", "/admin/suppliers/{source_id}", "admin", prepare=_opens_all),
    Look("admin-pricing-why-told", "/admin/pricing/why?service=wa&country=6", "admin"),
    Look(
        "admin-pricing-rule-shown", "/admin/pricing/rule", "admin", prepare=_previews("/admin/pricing/rule")
    ),
    Look("admin-figures-service", "/admin/figures?by=service&period=month", "admin"),
    Look("admin-payments-add-kind", "/admin/payments/add?kind=bank", "admin"),
    Look("admin-payments-top-ups-nothing", "/admin/payments/top-ups?q=nothing", "admin"),
    Look(
        "admin-payments-top-ups-one-open", "/admin/payments/top-ups/{public_id}", "admin", prepare=_opens_all
    ),
    Look("admin-log-checked", "/admin/log?check=1", "admin"),
    Look("admin-reports-done", "/admin/reports?done=1", "admin"),
    Look(
        "admin-policy-check-told",
        "/admin/policy/check?account=demo@ringlet.example&service=ub&country=6",
        "admin",
    ),
    Look("admin-brands-house", "/admin/brands/1", "admin"),
    Look("admin-brands-house-colours", "/admin/brands/1/colours", "admin"),
    Look("admin-missing", "/admin/orders/nothing", "admin", status=404),
    *(Look(f"look-{path.strip('/') or 'home'}", path, "looker") for path in ("/", "/history", "/wallet")),
    Look("shop", "/shop"),
)
