"""A browser without a screen: pages of one process, asked for in memory, with cookies as a browser keeps them."""

import re
from dataclasses import dataclass, field
from html import unescape
from http.cookies import Morsel, SimpleCookie
from urllib.parse import urlencode

import httpx2

from ringlet.desk import Desk
from tests.applications import application
from tests.people_rig import PASSWORD, link_token

ORIGIN = "http://127.0.0.1"
ANN = "ann@example.org"


@dataclass
class Surfer:
    """One browser. `page` is what it shows; `cookies` are name → morsel with its flags."""

    web: httpx2.AsyncClient
    cookies: dict[str, Morsel[str]] = field(default_factory=dict)
    answer: httpx2.Response = field(default_factory=lambda: httpx2.Response(200))

    @property
    def page(self) -> str:
        return unescape(self.answer.text)

    @property
    def path(self) -> str:
        """Where the last answer sends the browser, if anywhere."""
        return self.answer.headers.get("location", "")

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self._ask("GET", path, None, headers)

    async def follow(self) -> httpx2.Response:
        """Go where the last answer says."""
        return await self.get(self.path)

    async def post(self, path: str, token: str | None = None, **fields: str | list[str]) -> httpx2.Response:
        """A form with its token: that of the page that is shown, or the given one; "" sends none."""
        sent = {**fields, "form_token": self.token() if token is None else token}
        return await self._ask("POST", path, urlencode(sent, doseq=True), {})

    async def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> httpx2.Response:
        cookies = "; ".join(f"{name}={each.value}" for name, each in self.cookies.items())
        sent = {
            "accept": "text/html",
            "cookie": cookies,
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if body is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        self.answer = await self.web.request(method, path, content=body, headers=sent)
        for line in self.answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel
        return self.answer

    def token(self) -> str:
        """The form token of the page that is shown."""
        found = re.search(r'name="form-token" content="([^"]+)"', self.answer.text)
        return found[1] if found else ""

    def session(self) -> str:
        return self.cookies["__Host-session"].value

    async def sign_in(
        self, email: str = ANN, password: str = PASSWORD, onward: str = "/profile"
    ) -> httpx2.Response:
        await self.get("/sign-in")
        return await self.post("/sign-in", email=email, password=password, next=onward)

    async def sign_up(self, desk: Desk, email: str = ANN) -> None:
        """Signed up, confirmed and signed in, by the pages alone."""
        await self.get("/sign-up")
        await self.post("/sign-up", email=email, password=PASSWORD, agreed="1")
        assert self.path == "/sign-up/sent", self.page
        link = f"/confirm/{await link_token(desk, email)}"
        await self.get(link)
        await self.post(link)
        assert self.path == "/sign-in", self.page
        await self.sign_in(email)
        assert self.path == "/profile", self.page
        await self.follow()


def surfer(desk: Desk) -> Surfer:
    """A browser that nobody has used, before the pages of a process of its own."""
    transport = httpx2.ASGITransport(application(desk), client=("127.0.0.1", 4000))  # type: ignore[arg-type]
    return Surfer(httpx2.AsyncClient(transport=transport, base_url=ORIGIN, follow_redirects=False))
