"""What a person does on the pages of the dashboard, by pointer or by keyboard alone."""

import itertools
import secrets
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

from tests.browser import PATIENCE_MS, clipboard, push_sms, sign_in
from tests.site import Site

OFFER = "wa-6"
TEXT = "Your WhatsApp code: 482-913. Don't share it."
CODE = "482913"
CODE_WITHIN_MS = 1_000
TABS_MAX = 250
_names = itertools.count()


@dataclass
class Person:
    """Somebody at a page of a site. `by_keys`: never touches a pointer."""

    page: Page
    site: Site
    by_keys: bool = False
    email: str = field(default_factory=lambda: f"p{next(_names)}.{secrets.token_hex(4)}@example.org")
    password: str = "a horse that staples batteries"

    async def press(self, target: Locator) -> None:
        """A click; by keyboard: Tab until it has the focus, then Enter."""
        await expect(target).to_be_visible()
        if not self.by_keys:
            await target.click()
            return
        await self.reach(target)
        await self.page.keyboard.press("Enter")

    async def reach(self, target: Locator) -> None:
        """Tab until the element has the focus, and see that it shows."""
        for _ in range(TABS_MAX):
            if await target.evaluate("one => one === document.activeElement"):
                assert await self.has_ring(), f"nothing shows where the focus is: {target}"
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"{TABS_MAX} tabs did not lead to {target}")

    async def has_ring(self) -> bool:
        """Whether who looks can see where the focus is: its own outline or shadow, or an outline of what holds it."""
        return bool(
            await self.page.evaluate("""() => {
                const has = (one) => {
                    const style = getComputedStyle(one);
                    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
                };
                const one = document.activeElement;
                return has(one) || has(one.parentElement) || getComputedStyle(one).boxShadow !== "none";
            }""")
        )

    async def write(self, target: Locator, text: str) -> None:
        """Into a field, in the place of what stands there."""
        if not self.by_keys:
            await target.fill(text)
            return
        await self.reach(target)
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(text)

    async def sign_up(self) -> None:
        """A new account, confirmed by the link of the letter, and signed in."""
        before = await self.letters()
        await self.page.goto("/sign-up")
        await self.write(self.page.locator("input[name=email]"), self.email)
        await self.write(self.page.locator("input[name=password]"), self.password)
        agreed = self.page.locator("input[name=agreed]")
        if self.by_keys:
            await self.reach(agreed)
            await self.page.keyboard.press("Space")
        else:
            await agreed.check()
        await self.page.keyboard.press("Enter") if self.by_keys else await self.submit("input[name=password]")
        await self.page.wait_for_url(lambda url: not url.endswith("/sign-up"))
        await self.page.goto(await self.new_letter(before))
        confirm = self.page.locator('form[action*="/confirm/"] button')
        if await confirm.count():  # a link that is only looked at, by a scanner of mail, confirms nothing
            await self.press(confirm.first)
            await expect(confirm).to_have_count(0)  # the answer is there: going on does not cut it off
        await self.page.goto("/")
        if not await self.page.locator("#find").count():
            await sign_in(self.page, self.site, self.email, self.password)
            await self.page.goto("/")
        await expect(self.page.locator("#find")).to_be_visible()

    async def submit(self, field: str) -> None:
        """Press the button of the form that has this field."""
        await (
            self.page.locator("form", has=self.page.locator(field))
            .locator("button:not([type=button])")
            .first.click()
        )

    async def letters(self) -> list[str]:
        """The links to confirm with that lie in the demo's mailbox."""
        await self.page.goto("/mail")
        links = await self.page.locator('a[href*="/confirm/"]').all()
        return [str(await link.get_attribute("href")) for link in links]

    async def new_letter(self, before: list[str]) -> str:
        """The link of the letter that came since."""
        for _ in range(PATIENCE_MS // 250):
            fresh = [link for link in await self.letters() if link not in before]
            if fresh:
                assert len(fresh) == 1, fresh
                return fresh[0]
            await self.page.wait_for_timeout(250)
        raise AssertionError("no letter came")

    async def create_key(self) -> str:
        """A new API key; it is shown this once."""
        await self.page.goto("/profile")
        await self.press(self.page.get_by_role("button", name="Create API key"))
        token = self.page.locator("[data-token]").first
        await expect(token).to_be_visible()
        return (await token.inner_text()).strip()

    async def find(self, words: str) -> Locator:
        """Search, and the row of the offer."""
        await self.page.goto("/")
        if self.by_keys:
            await self.page.keyboard.press("/")
            await expect(self.page.locator("#find")).to_be_focused()
            await self.page.keyboard.type(words)
        else:
            await self.page.fill("#find", words)
        row = self.page.locator(f'[data-offer="{OFFER}"]')
        await expect(row).to_be_visible()
        return row

    async def buy(self) -> Locator:
        """The offer that was found; its card among the live numbers."""
        before = [await card.get_attribute("data-activation") for card in await self.cards().all()]
        await self.press(self.page.locator(f'form[data-buy="{OFFER}"]').get_by_role("button").first)
        known = "".join(f":not([data-activation='{one}'])" for one in before)
        # The page shows no more than so many: the count need not rise.
        fresh = self.page.locator(f"#live [data-activation]{known}")
        await expect(fresh).to_have_count(1)
        one = await fresh.get_attribute("data-activation")
        return self.page.locator(f'#live [data-activation="{one}"]')

    def cards(self) -> Locator:
        """What is live."""
        return self.page.locator("#live [data-activation]")

    async def phone(self, card: Locator, key: str | None) -> str:
        """The number as the API tells it; the card shows the same digits."""
        listed = self.site.call("GET", "/api/v1/resell/activations", key=key)[1]["data"]
        phones = {str(one["phone"]) for one in listed}
        digits = "".join(filter(str.isdigit, await card.inner_text()))
        found = [phone for phone in phones if phone in digits]
        assert len(found) == 1, (digits, phones)
        return found[0]

    async def receive(self, card: Locator, phone: str) -> None:
        """The owner pushes; the code stands there within a second, on the page that was there before."""
        await self.page.evaluate("window.isSamePage = true")
        await push_sms(self.site, phone, TEXT)
        await expect(card.locator("[data-code]")).to_contain_text(CODE, timeout=CODE_WITHIN_MS)
        assert await self.page.evaluate("window.isSamePage"), "the page was loaded anew"

    async def copy_code(self, card: Locator) -> None:
        """By its button."""
        await self.press(card.locator(f'[data-copy="{CODE}"]').first)
        await clipboard(self.page, CODE)

    async def see_history(self, phone: str) -> str:
        """The sale's row; returns the text of the CSV."""
        await self.page.goto("/history")
        await expect(self.page.locator("[data-row]")).to_have_count(1)
        row = "".join(filter(str.isdigit, await self.page.locator("[data-row]").inner_text()))
        assert phone in row
        async with self.page.expect_download() as coming:
            await self.press(self.page.locator('a[href*="/history.csv"]').first)
        path = await (await coming.value).path()
        return path.read_text(encoding="utf-8-sig")
