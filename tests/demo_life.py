"""A life in the demo to look at: a customer with one of everything, a newcomer, somebody who is halfway in; and the eyes
that go from page to page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyotp
from playwright.async_api import Browser, Page, Route

from tests.browser import HEIGHTS, WIDE, Visitors, push_sms, sign_in
from tests.every_page import Look
from tests.person import Person
from tests.site import Site

TEXTS = (
    ("tg", "Telegram code: 70155. Do not give this code to anyone."),
    ("go", "G-482913 is your Google verification code."),
    ("wa", "<#> Your WhatsApp code: 482-913. لا تشارك هذا الرمز مع أحد\n4sgLq1p5sV6"),
)
TOKEN = "rlp_" + "0" * 43


@dataclass(frozen=True)
class Life:
    """What browsers keep of each of them, and what is the customer's."""

    states: Mapping[str, Any]
    objects: Mapping[str, str]


async def live(browser: Browser, site: Site) -> Life:
    """It takes some seconds. Fails with what the pages did wrong meanwhile."""
    visitors = Visitors(browser)
    objects = {"token": TOKEN, "activation_id": await _activations(site)}
    page = await visitors(site.url)
    await sign_in(page, site)
    objects |= await _things(page)
    states = {"guest": None, "customer": await page.context.storage_state()}
    page = await visitors(site.url)
    await sign_in(page, site)
    await page.locator(".topbar summary").click()
    await page.locator('form[action="/mode"] button').click()
    await page.locator(".band").wait_for()
    states["rehearsal"] = await page.context.storage_state()
    newcomer = Person(await visitors(site.url), site)
    await newcomer.sign_up()
    states["newcomer"] = await newcomer.page.context.storage_state()
    states["half"] = await _halfway(Person(await visitors(site.url), site))
    await visitors.end()
    return Life(states, objects)


async def _activations(site: Site) -> str:
    """Codes that came, numbers that wait, one that was given back; returns the id of one with a message."""

    def buy(service: str) -> Any:
        body = {"service": service, "country": 6, "reference": "order-1027"}
        return site.call("POST", "/api/v1/resell/virtual/buy", body)[1]["activation"]

    bought = {service: buy(service) for service, _ in TEXTS}
    for service, text in TEXTS:
        await push_sms(site, bought[service]["phone"], text)
    cancelled = buy("ig")["activation_id"]
    site.call("POST", "/api/v1/resell/virtual/cancel", {"activation_id": cancelled})
    buy("ig")
    buy("tg")
    return str(bought["wa"]["activation_id"])


async def _things(page: Page) -> dict[str, str]:
    """A webhook with a delivery, a key, and a favourite."""
    await page.goto("/webhooks/new")
    await page.fill("input[name=url]", "https://shop.example.com/ringlet")
    await page.fill("input[name=description]", "The shop")
    await page.locator('form[action="/webhooks/new"] button:not([type=button])').last.click()
    await page.locator(".secret").first.wait_for()
    webhook_id = await _link(page, "/webhooks", r"/webhooks/(wh_\w+)$")
    await page.goto(f"/webhooks/{webhook_id}")
    await page.locator(f'form[action="/webhooks/{webhook_id}/test"] button').click()
    await page.locator('a[href*="/deliveries/"]').first.wait_for()
    delivery_id = await _link(page, f"/webhooks/{webhook_id}", r"/deliveries/(\d+)$")
    key_id = await _link(page, "/profile", r"/profile/keys/(\d+)$")
    await page.goto("/")
    await page.locator(".offer-star button").first.click()
    return {"webhook_id": webhook_id, "delivery_id": delivery_id, "key_id": key_id, **(await _payments(page))}


async def _payments(page: Page) -> dict[str, str]:
    """One that is credited, and one that is open."""
    topups = []
    for amount in ("25", "40"):
        await page.goto("/wallet")
        await page.fill("#amount", amount)
        await page.locator('form[action="/wallet/top-up"] button').click()
        await page.locator("[data-pay]").wait_for()
        topups.append(page.url.rpartition("/")[2])
    await page.goto(f"/demo-pay/demo_{topups[0]}")
    await page.locator("button[value=pay]").click()
    await page.locator("[data-state=credited]").wait_for()
    return {"topup_id": topups[0], "external_id": f"demo_{topups[0]}", "open_topup_id": topups[1]}


async def _link(page: Page, path: str, pattern: str) -> str:
    """What a link of that page leads to."""
    await page.goto(path)
    found = [
        re.search(pattern, str(await link.get_attribute("href"))) for link in await page.locator("a").all()
    ]
    return next(each[1] for each in found if each)


async def _halfway(person: Person) -> Any:
    """Signed in by password, with an app whose code is still missing."""
    await person.sign_up()
    page = person.page
    await page.goto("/profile/security")
    await page.locator('form[action="/profile/security/totp"] button').click()
    secret = "".join((await page.locator("[data-secret]").first.inner_text()).split())
    await page.fill("input[name=code]", pyotp.TOTP(secret).now())
    await page.press("input[name=code]", "Enter")
    await page.locator("[data-recovery]").first.wait_for()
    await page.context.clear_cookies()
    await sign_in(page, person.site, person.email, person.password)
    await page.wait_for_url("**/second-factor**")
    return await page.context.storage_state()


class Eyes:
    """One browser window for each kind of person and each language: from page to page, as people go."""

    def __init__(self, browser: Browser, site: Site, life: Life) -> None:
        self.visitors = Visitors(browser)
        self.life, self._site = life, site
        self._pages: dict[tuple[str, str], Page] = {}

    async def on(self, look: Look, language: str) -> Page:
        """The window, with the page in it. Fails when the page is another one than was asked for."""
        page = self._pages.get((look.who, language)) or await self._open(look.who, language)
        await page.set_viewport_size({"width": WIDE, "height": HEIGHTS[WIDE]})
        await page.emulate_media(color_scheme="light")
        where = look.address(self.life.objects)
        answer = await page.goto(where)
        assert answer is not None
        assert (answer.status, page.url) == (look.status, self._site.url + where)
        if look.prepare:
            await look.prepare(page)
        return page

    async def _open(self, who: str, language: str) -> Page:
        state = self.life.states[who]
        page = await self.visitors(self._site.url, language=language, calm=True, state=state)
        if (
            state is not None and language != "en"
        ):  # who signed in has chosen a language; the address asks for another
            await page.route("**/*", _asking_for(language))
        self._pages[who, language] = page
        return page


def _asking_for(language: str) -> Any:
    async def ask(route: Route) -> None:
        mark = "&" if "?" in route.request.url else "?"
        is_ours = route.request.resource_type in {"document", "xhr", "fetch"}
        await (
            route.continue_(url=f"{route.request.url}{mark}lang={language}") if is_ours else route.continue_()
        )

    return ask


async def run_shop(browser: Browser, site: Site, objects: Mapping[str, str]) -> Life:
    """The shop's side: its owner, the same one looking through his customer's eyes, and that customer."""
    visitors = Visitors(browser)
    states = {}
    for who, name in (("customer", "client"), ("admin", "admin"), ("looker", "admin")):
        page = await visitors(site.url)
        await sign_in(page, site, site.demo[f"{name}_email"], site.demo[f"{name}_password"])
        if who == "looker":
            await _look_through(page, objects["customer_id"])
        states[who] = await page.context.storage_state()
    await visitors.end()
    return Life(states, objects)


async def _look_through(page: Page, customer_id: str) -> None:
    await page.goto(f"/admin/customers/{customer_id}")
    form = page.locator(f'form[action="/admin/customers/{customer_id}/look"]')
    await form.locator("xpath=ancestor::details").evaluate_all(
        "(all) => { for (const one of all) one.open = true; }"
    )
    await form.locator("[name=reason]").fill("Ticket 7")
    await form.locator("button").click()
    await page.locator(".band").wait_for()
