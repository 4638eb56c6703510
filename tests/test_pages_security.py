"""What strangers try at the pages: foreign forms, planted cookies, links that lead elsewhere, somebody else's things."""

import re
from collections.abc import Iterator

import pytest

from ringlet.desk import Desk
from ringlet.web.pages.routes import router
from tests.account_rig import ANN, Surfer, surfer
from tests.people_rig import PASSWORD, execute, letters_to

BOB = "bob@example.org"
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
#: what a stranger's form would have to change to have done anything; `seen_at` moves with every page
TABLES = ("person", "api_key", "letter", "proof", "passkey", "passkey_challenge", "recovery_code", "activation",
          "posting", "webhook", "favourite", "person_session")  # fmt: skip
#: an endless answer
STREAMS = {"/live/events"}


def addresses(method: str) -> Iterator[str]:
    """Every page's address; what is a parameter in it is 1."""
    for route in router.routes:
        if method in getattr(route, "methods", ()):
            yield re.sub(r"\{[^}]+\}", "1", route.path)


@pytest.fixture
async def ann(desk: Desk) -> Surfer:
    found = surfer(desk)
    await found.sign_up(desk)
    return found


async def snapshot(desk: Desk) -> dict[str, object]:
    """What the tables hold."""
    found: dict[str, object] = {}
    async with desk.db.connection() as tx:
        for table in TABLES:
            there = await (await tx.execute("select to_regclass(%s)", [table])).fetchone()
            if there is not None and there[0] is not None:
                columns = "(to_jsonb(t) - 'seen_at')::text"
                rows = await tx.execute(f"select {columns} from {table} t order by 1".encode())
                found[table] = await rows.fetchall()
    return found


@pytest.mark.parametrize("how", ["missing", "foreign", "before signing in", "another site"])
async def test_a_form_that_is_not_ours_does_nothing(desk: Desk, how: str) -> None:
    """403 at every address that takes a form, and the tables are as they were."""
    ann, other = surfer(desk), surfer(desk)
    await ann.get("/sign-in")
    before_signing_in = ann.token()
    await ann.sign_up(desk)
    await other.get("/sign-in")
    sent = {"missing": "", "foreign": other.token(), "before signing in": before_signing_in,
            "another site": ann.token()}[how]  # fmt: skip
    headers = {"sec-fetch-site": "cross-site"} if how == "another site" else {}
    before = await snapshot(desk)
    assert before["person"]
    for path in addresses("POST"):
        answer = await ann._ask("POST", path, f"form_token={sent}&mode=test&theme=dark&name=x", headers)
        assert answer.status_code == 403, path
    assert await snapshot(desk) == before
    assert (await ann.get("/profile")).status_code == 200


async def test_a_form_may_come_from_a_sister_page_only(ann: Surfer) -> None:
    """Another host of the same domain is another site too."""
    for site, status in (("same-site", 403), ("cross-site", 403), ("same-origin", 303), ("none", 303)):
        body = f"form_token={ann.token()}&theme=dark&next=/profile"
        answer = await ann._ask("POST", "/theme", body, {"sec-fetch-site": site})
        assert answer.status_code == status, site
        await ann.get("/profile")


@pytest.mark.parametrize(
    "body", [b"\xff\xfe=1", b"a=%00", b"&".join(b"a=1" for _ in range(300)), b"a" * 70_000]
)
async def test_a_form_that_cannot_be_read_is_refused(ann: Surfer, body: bytes) -> None:
    """A 4xx page and never a 500."""
    answer = await ann.web.post("/theme", content=body, headers={
        "cookie": f"__Host-session={ann.session()}", "x-form-token": ann.token(),
        "content-type": "application/x-www-form-urlencoded", "accept": "text/html",
    })  # fmt: skip
    assert 400 <= answer.status_code < 500
    assert "<h1>" in answer.text


async def test_a_session_begins_with_signing_in(desk: Desk, ann: Surfer) -> None:
    """A planted cookie is worth nothing after it: the token is new, the old one is dead, and so is its form token."""
    planted = ann.session()
    victim = surfer(desk)
    victim.cookies = dict(ann.cookies)
    await victim.get("/profile")
    old_form_token = victim.token()
    victim.cookies.pop("__Host-session")
    await victim.get("/sign-in")
    guest_token = victim.token()
    guest = victim.cookies["__Host-guest"].value
    await victim.post("/sign-in", email=ANN, password=PASSWORD, next="/profile")
    fresh = victim.session()
    assert fresh not in {planted, guest}
    assert "__Host-guest" not in victim.cookies
    await victim.follow()
    for old in (guest_token, old_form_token):
        assert (await victim.post("/theme", token=old, theme="dark")).status_code == 403


async def test_signing_in_over_a_session_ends_it(desk: Desk, ann: Surfer) -> None:
    """Somebody else's session in this browser does not live on beside one's own."""
    bob = surfer(desk)
    await bob.sign_up(desk, BOB)
    old = ann.cookies["__Host-session"]
    form_token = ann.token()
    await ann.post("/sign-in", token=form_token, email=BOB, password=PASSWORD, next="/profile")
    await ann.follow()
    assert BOB in ann.page
    thief = surfer(desk)
    thief.cookies["__Host-session"] = old
    assert (await thief.get("/profile")).status_code == 303


async def test_signing_out_ends_it_here_and_there(desk: Desk, ann: Surfer) -> None:
    """The browser forgets the token, and so do we."""
    old = ann.cookies["__Host-session"]
    await ann.post("/sign-out")
    assert "__Host-session" not in ann.cookies
    assert ann.answer.headers["clear-site-data"]
    thief = surfer(desk)
    thief.cookies["__Host-session"] = old
    assert (await thief.get("/profile")).headers["location"].startswith("/sign-in")


ELSEWHERE = [
    "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "http:evil.example",
    "/\t/evil.example", "/\n/evil.example", "/\x01//evil.example", "javascript:alert(1)", "data:text/html,x",
    "evil.example", "@evil.example", ".evil.example", " //evil.example", "%2f%2fevil.example", "/a\\..\\evil",
    "https:/evil.example", "/%0d%0aset-cookie:a=b\r\nset-cookie: a=b", "?next=//evil.example", "",
]  # fmt: skip


@pytest.mark.parametrize("onward", ELSEWHERE)
async def test_next_never_leads_elsewhere(desk: Desk, ann: Surfer, onward: str) -> None:
    """Wherever ?next= is taken, what follows is a page of ours."""
    await ann.get("/prove")
    answers = [await ann.post("/prove", password=PASSWORD, next=onward)]
    await ann.get("/profile")
    form_token = ann.token()
    answers += [await ann.post(path, token=form_token, theme="dark", mode="live", language="en", next=onward)
                for path in ("/theme", "/mode", "/language")]  # fmt: skip
    answers.append(await ann._ask("GET", "/sign-in", None, {}))
    one = surfer(desk)
    await one.get("/sign-in")
    answers.append(await one.post("/sign-in", email=ANN, password=PASSWORD, next=onward))
    for answer in answers:
        assert answer.status_code == 303
        location = answer.headers["location"]
        assert re.fullmatch(r"/(?![/\\])[^\s\\]*", location), location
        assert "set-cookie: a=b" not in str(answer.headers).lower()


async def test_next_leads_to_pages_of_ours(ann: Surfer) -> None:
    """Filters and all; what is no ASCII is written as addresses write it."""
    for onward in ("/profile", "/history?state=received&page=2", "/a%20b", "/%D0%BF"):
        await ann.get("/prove")
        assert (await ann.post("/prove", password=PASSWORD, next=onward)).headers["location"] == onward
    await ann.get("/prove")
    assert (await ann.post("/prove", password=PASSWORD, next="/п")).headers["location"] == "/%D0%BF"


def bare(one: Surfer, email: str) -> str:
    """The page without what differs by itself: the form token and the address that was typed."""
    return one.answer.text.replace(one.token(), "").replace(email, "")


async def test_nobody_learns_who_has_an_account(desk: Desk, ann: Surfer) -> None:
    """Signing in, signing up and a forgotten password answer known and unknown addresses alike."""
    answers = []
    for email in (ANN, "nobody.at.all@example.org"):
        one = surfer(desk)
        await one.get("/sign-in")
        wrong = await one.post("/sign-in", email=email, password="a wrong password")
        seen = [wrong.status_code, bare(one, email)]
        for path, fields in (
            ("/forgot", {}),
            ("/sign-up", {"password": "four quite other words", "agreed": "1"}),
        ):
            await one.get(path)
            answer = await one.post(path, email=email, **fields)
            seen += [answer.status_code, answer.headers["location"], sorted(answer.headers)]
            await one.follow()
            seen.append(bare(one, email))
        answers.append(seen)
    assert answers[0] == answers[1]
    assert (await ann.get("/profile")).status_code == 200
    assert (
        len(await letters_to(desk, ANN)) == 3
    )  # to confirm, to choose a new password, "you have an account"


async def test_a_second_sign_up_does_not_change_the_password(desk: Desk, ann: Surfer) -> None:
    """Whoever signs up with somebody else's address gets nothing of his."""
    one = surfer(desk)
    await one.get("/sign-up")
    await one.post("/sign-up", email=ANN, password="four quite other words", agreed="1")
    assert (await one.sign_in(password="four quite other words")).status_code == 401
    assert (await one.sign_in(password=PASSWORD)).status_code == 303


async def test_guessing_is_slowed_down(desk: Desk, ann: Surfer) -> None:
    """Ten wrong passwords and then 429 with the time to wait, also for the right one."""
    one = surfer(desk)
    await execute(desk, "update person_session set address = '198.51.100.7'")
    seen = [(await one.sign_in(password="a wrong password")).status_code for _ in range(11)]
    assert (seen[0], seen[-1]) == (401, 429)
    assert int(one.answer.headers["retry-after"]) > 0
    assert (await one.sign_in()).status_code == 429


async def test_cookies_are_for_this_host_and_no_script(ann: Surfer) -> None:
    """__Host-, Secure, HttpOnly, SameSite=Lax, the whole site and no domain."""
    await ann.post("/profile/preferences", language="es", time_zone="UTC", theme="dark")
    assert {"__Host-session", "__Host-flash", "language"} <= ann.cookies.keys()
    guest = Surfer(ann.web)
    await guest.get("/sign-in")
    for name, each in {**ann.cookies, **guest.cookies}.items():
        assert (each["secure"], each["httponly"], each["samesite"], each["path"], each["domain"]) == (
            True, True, "lax", "/", "",
        ), name  # fmt: skip
        assert name.startswith("__Host-") or name == "language"


async def test_script_in_a_name_is_text(desk: Desk, ann: Surfer) -> None:
    """In the names of keys and in what a browser calls itself: shown as it was typed, never run."""
    await ann._ask("GET", "/sign-in", None, {"user-agent": SCRIPT})
    scripted = surfer(desk)
    await scripted.get("/sign-in")
    body = f"form_token={scripted.token()}&email=ann%40example.org&password={PASSWORD.replace(' ', '+')}"
    await scripted._ask("POST", "/sign-in", body, {"user-agent": SCRIPT})
    await ann.get("/profile")
    for fields in ({"name": SCRIPT[:100]}, {"name": SCRIPT[:100], "daily_cap": SCRIPT, "expires_at": SCRIPT}):
        await ann.post("/profile/keys", token=ann.token(), mode="live", scopes=["prices:read"], **fields)
        assert_harmless(ann)
        await ann.get("/profile")
        assert_harmless(ann)
    await ann.get("/profile/keys/1")
    assert "&lt;script&gt;" in ann.answer.text
    assert_harmless(ann)
    await ann.get("/profile/security")
    assert_harmless(ann)
    for path in (
        f"/sign-in?next={SCRIPT}",
        f"/confirm/{SCRIPT[1:7]}\"'><img",
        "/reset/x%22%3E%3Cscript%3Ealert(1)",
    ):
        await Surfer(ann.web).get(path)
        assert_harmless(ann)


def assert_harmless(one: Surfer) -> None:
    assert "<script>alert" not in one.answer.text
    assert "<img" not in one.answer.text


@pytest.mark.parametrize("who", ["ann", "guest"])
async def test_every_page_carries_the_headers(desk: Desk, who: str) -> None:
    """Policy, no framing, no sniffing, no referrer to others, nothing kept; also where somebody is sent on."""
    one = surfer(desk)
    if who == "ann":
        await one.sign_up(desk)
    paths = [
        path
        for path in addresses("GET")
        if not path.startswith(("/static", "/favicon")) and path not in STREAMS
    ]
    for path in [*paths, "/no-such-page"]:
        head = (await one.get(path)).headers
        assert one.answer.status_code < 500, path
        if path.endswith(".csv") and one.answer.status_code == 200:
            continue
        assert "default-src 'none'" in head.get("content-security-policy", ""), path
        for rule in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'"):
            assert rule in head["content-security-policy"], path
        assert "unsafe" not in head["content-security-policy"], path
        assert head["x-content-type-options"] == "nosniff", path
        assert head["cross-origin-opener-policy"] == "same-origin", path
        assert head["referrer-policy"] in {"same-origin", "no-referrer"}, path
        assert head["x-frame-options"] == "DENY", path
        if who == "ann":
            assert "no-store" in head["cache-control"], path
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=|<script>|<style", one.answer.text), path


async def test_what_is_anns_is_not_bobs(desk: Desk, ann: Surfer) -> None:
    """Her keys and sessions are not there for him, and nothing happens to them."""
    await ann.post("/profile/keys", name="Shop", mode="live", scopes=["prices:read"])
    bob = surfer(desk)
    await bob.sign_up(desk, BOB)
    form_token = bob.token()
    before = await snapshot(desk)
    assert (await bob.get("/profile/keys/1")).status_code == 404
    for path in ("/profile/keys/1", "/profile/keys/1/roll", "/profile/keys/1/revoke", "/profile/security/sessions/1/end",
                 "/profile/security/passkeys/1/remove", "/profile/keys/99999999999999999999999",
                 "/profile/keys/99999999999999999999999/revoke"):  # fmt: skip
        answer = await bob.post(path, token=form_token, name="Mine", scopes=["prices:read"], overlap_s="0")
        assert answer.status_code == 404, path
    assert await snapshot(desk) == before
    await bob.get("/profile/security")
    assert bob.page.count("data-session=") == 1


async def test_pages_of_a_person_need_one(desk: Desk) -> None:
    """A guest is sent to sign in, and back to where he was."""
    one = surfer(desk)
    for path in ("/profile", "/profile/security", "/profile/keys/1"):
        assert (await one.get(path)).headers["location"] == f"/sign-in?next={path}"
    await one.get("/sign-in")
    form_token = one.token()
    for path in (path for path in addresses("POST") if path.startswith("/profile")):
        answer = await one.post(path, token=form_token, name="x")
        assert answer.headers["location"].startswith("/sign-in"), path
