"""An account by its pages: signing up and in, the profile, API keys, and what protects them."""

import re
from dataclasses import replace

import pyotp
import pytest

from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings
from tests.account_rig import ANN, Surfer, surfer
from tests.people_rig import PASSWORD, execute, letters_to, link_token

OTHER = "a quite other sentence"


@pytest.fixture
async def ann(desk: Desk) -> Surfer:
    """Signed up, confirmed, signed in, at the profile page."""
    found = surfer(desk)
    await found.sign_up(desk)
    return found


def token_of(page: str) -> str:
    found = re.search(r"data-token>(rl_\w+)<", page)
    assert found is not None, page
    return found[1]


async def make_key(ann: Surfer, **fields: str | list[str]) -> str:
    scopes = ["prices:read", "activations:read", "activations:write", "balance:read", "webhooks:write"]
    await ann.get("/profile")
    answer = await ann.post("/profile/keys", **{"name": "Shop", "mode": "live", "scopes": scopes, **fields})
    assert answer.status_code == 200, ann.page
    return token_of(ann.page)


async def api(ann: Surfer, token: str) -> int:
    """What the API answers to this key."""
    return (await ann.get("/api/v1/balance", authorization=f"Bearer {token}")).status_code


async def test_a_stranger_gets_an_account(ann: Surfer) -> None:
    """Sign up, the link of the letter, sign in: the profile page with its section about keys."""
    assert "API Keys management" in ann.page
    assert ANN in ann.page
    assert ann.answer.status_code == 200


async def test_a_link_that_is_only_looked_at_confirms_nothing(desk: Desk) -> None:
    """Programs open every link of a letter; only the button confirms, and once."""
    one = surfer(desk)
    await one.get("/sign-up")
    await one.post("/sign-up", email=ANN, password=PASSWORD, agreed="1")
    link = f"/confirm/{await link_token(desk, ANN)}"
    await one.get(link)
    await one.sign_in()
    await one.follow()
    assert "Not confirmed" in one.page
    assert "Create API key" not in one.page
    await one.get(link)
    await one.post(link)
    await one.get("/profile")
    assert "Create API key" in one.page
    assert (await one.post(link)).status_code == 404


async def test_a_refused_sign_up_keeps_the_address(desk: Desk) -> None:
    """The sentence stands at its field, the address stays, the password does not."""
    one = surfer(desk)
    await one.get("/sign-up")
    answer = await one.post("/sign-up", email=ANN, password="short", agreed="1")
    assert answer.status_code == 422
    assert "Take at least 10 characters" in one.page
    assert f'value="{ANN}"' in one.page
    assert 'value="short"' not in one.page


async def test_a_forgotten_password_is_chosen_anew(desk: Desk, ann: Surfer) -> None:
    """By the link of a letter; every session ends, the old password too, and the link is good once."""
    other = surfer(desk)
    await other.get("/forgot")
    await other.post("/forgot", email=ANN)
    assert other.path == "/forgot/sent"
    link = f"/reset/{await link_token(desk, ANN)}"
    await other.get(link)
    assert (await other.post(link, password="short")).status_code == 422
    await other.post(link, password=OTHER)
    assert other.path == "/sign-in"
    assert (await ann.get("/profile")).status_code == 303
    assert (await ann.sign_in(password=PASSWORD)).status_code == 401
    assert (await other.sign_in(password=OTHER)).status_code == 303
    await other.get(link)
    await other.post(link, password=PASSWORD)
    assert other.path == "/forgot"


async def test_a_key_is_shown_once_and_opens_the_api(ann: Surfer) -> None:
    """The answer to its making shows it; no page after that does."""
    token = await make_key(ann)
    assert token.startswith("rl_live_")
    assert await api(ann, token) == 200
    await ann.get("/profile")
    assert token not in ann.page
    assert "Shop" in ann.page


async def test_a_swap_brings_the_section_alone(ann: Surfer) -> None:
    """With a script the page stays, and what was wrong is shown in its place."""
    form_token = ann.token()
    answer = await ann._ask(
        "POST", "/profile/keys", "name=&mode=test&scopes=prices:read",
        {"hx-request": "true", "x-form-token": form_token},
    )  # fmt: skip
    assert (answer.status_code, answer.headers["x-fragment"]) == (422, "1")
    assert "<html" not in ann.page
    assert "A name of 1 to 100 characters is needed" in ann.page


async def test_a_key_has_bounds(ann: Surfer) -> None:
    """Scopes, last day, addresses and a daily cap: kept, shown, and changed."""
    await make_key(ann, mode="test", scopes=["balance:read"], expires_at="2099-01-31", daily_cap="5,50",
                   allowed_addresses="192.0.2.0/24\n2001:db8::1")  # fmt: skip
    assert all(said in ann.page for said in ("1 permission", "$5.50 a day", "2 addresses"))
    link = re.search(r'href="(/profile/keys/\d+)"', ann.page)
    assert link is not None
    await ann.get(link[1])
    assert 'value="2099-01-31"' in ann.page
    assert "192.0.2.0/24\n2001:db8::1/128" in ann.page
    await ann.post(
        link[1],
        name="Other",
        scopes=["balance:read"],
        expires_at="2099-01-31",
        daily_cap="",
        allowed_addresses="",
    )
    await ann.get("/profile")
    assert "Other" in ann.page
    assert "$5.50" not in ann.page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scopes": []}, "At least one of"),
        ({"expires_at": "2001-01-31"}, "The end must lie in the future"),
        ({"expires_at": "soon"}, "A day is needed"),
        ({"expires_at": "9999-12-31"}, "A day is needed"),
        ({"daily_cap": "-1"}, "An amount above zero is needed"),
        ({"daily_cap": "NaN"}, "An amount above zero is needed"),
        ({"daily_cap": "1e99999"}, "An amount above zero is needed"),
        ({"daily_cap": "1e999999"}, "An amount above zero is needed"),
        ({"daily_cap": "0.0000001"}, "An amount above zero is needed"),
        ({"allowed_addresses": "here"}, "Addresses or networks such as"),
        ({"mode": "both"}, "The mode is live or test"),
        ({"name": "x" * 101}, "A name of 1 to 100 characters"),
    ],
)
async def test_bounds_that_make_no_sense_are_refused_in_their_place(
    ann: Surfer, fields: dict[str, str | list[str]], said: str
) -> None:
    """A 422 that says what, never a 500; what was typed is kept."""
    sent = {"name": "Kept name", "mode": "live", "scopes": ["prices:read"], **fields}
    answer = await ann.post("/profile/keys", **sent)
    assert answer.status_code == 422
    assert said in ann.page
    if "name" not in fields:
        assert "Kept name" in ann.page


async def test_a_key_is_rolled_with_an_overlap(ann: Surfer) -> None:
    """Both are good for an hour; rolled "now", the old one is not."""
    first = await make_key(ann)
    await ann.get("/profile/keys/1")
    await ann.post("/profile/keys/1/roll", overlap_s="3600")
    second = token_of(ann.page)
    assert (await api(ann, first), await api(ann, second)) == (200, 200)
    await ann.get("/profile/keys/2")
    await ann.post("/profile/keys/2/roll", overlap_s="0")
    third = token_of(ann.page)
    assert (await api(ann, second), await api(ann, third)) == (401, 200)
    await ann.get("/profile/keys/3")
    for wrong in ("", "-1", "x", "999999"):
        assert (await ann.post("/profile/keys/3/roll", token=ann.token(), overlap_s=wrong)).status_code == 422


async def test_a_revoked_key_opens_nothing(ann: Surfer) -> None:
    """From the answer on."""
    token = await make_key(ann)
    await ann.get("/profile/keys/1")
    await ann.post("/profile/keys/1/revoke")
    assert ann.path == "/profile"
    assert await api(ann, token) == 401


async def test_old_proof_is_renewed_before_a_key(desk: Desk, ann: Surfer) -> None:
    """An hour after the password was entered it is asked for once more, and then the page is there again."""
    await execute(desk, "update person_session set proven_at = now() - interval '2 hours'")
    await ann.get("/profile")
    await ann.post("/profile/keys", name="Shop", mode="live", scopes=["prices:read"])
    assert ann.path == "/prove?next=/profile"
    await ann.follow()
    before = ann.session()
    assert (await ann.post("/prove", password="not that one", next="/profile")).status_code == 403
    await ann.get("/prove")
    await ann.post("/prove", password=PASSWORD, next="/profile")
    assert ann.path == "/profile"
    assert ann.session() != before
    assert await make_key(ann)


async def test_preferences_are_kept(ann: Surfer) -> None:
    """Language, zone and theme, on the next page already."""
    await ann.post("/profile/preferences", language="es", time_zone="Asia/Tokyo", theme="dark")
    await ann.follow()
    assert 'lang="es"' in ann.page
    assert 'data-theme="dark"' in ann.page
    assert re.search(r'value="Asia/Tokyo" selected', ann.page)
    answer = await ann.post("/profile/preferences", language="en", time_zone="Moon/Sea", theme="dark")
    assert answer.status_code == 422


async def test_an_address_changes_by_its_own_letter(desk: Desk, ann: Surfer) -> None:
    """The new address counts when its link was pressed; until then the old one stays."""
    new = "ann.new@example.org"
    await ann.post("/profile/email", email=new)
    await ann.follow()
    assert ANN in ann.page
    link = f"/email/{await link_token(desk, new)}"
    await ann.get(link)
    await ann.post(link)
    await ann.get("/profile")
    assert new in ann.page
    assert len(await letters_to(desk, ANN)) >= 2


async def test_an_app_is_set_up_asked_for_and_removed(desk: Desk, ann: Surfer) -> None:
    """Picture and secret, a wrong code shows them again, recovery codes once; the next sign-in asks."""
    await ann.get("/profile/security")
    await ann.post("/profile/security/totp")
    secret = "".join(re.findall(r"data-secret>([A-Z0-9 ]+)<", ann.page)[0].split())
    assert "<svg" in ann.page
    assert "style=" not in ann.page
    assert (await ann.post("/profile/security/totp/confirm", code="000000")).status_code == 422
    assert secret[:4] in ann.page
    await ann.post("/profile/security/totp/confirm", code=pyotp.TOTP(secret).now())
    codes = re.findall(r"data-recovery>([\w-]+)<", ann.page)
    assert len(codes) == 10
    await ann.get("/profile/security")
    assert "10 recovery codes are left" in ann.page
    assert codes[0] not in ann.page

    other = surfer(desk)
    await other.sign_in()
    assert other.path == "/second-factor?next=/profile"
    half = other.session()
    await other.follow()
    for path in ("/profile", "/profile/security", "/prove", "/profile/keys/1"):
        assert (await other.get(path)).headers["location"] == "/second-factor"
    await other.get("/second-factor?next=/profile")
    assert (await other.post("/second-factor", code="000000", next="/profile")).status_code == 401
    await other.post("/second-factor", code=codes[3], next="/profile")
    assert (other.path, other.session() != half) == ("/profile", True)
    await other.get("/profile/security")
    await other.post("/profile/security/totp/remove")
    await other.follow()
    assert "Set up the app" in other.page


async def test_new_recovery_codes_need_a_factor(ann: Surfer) -> None:
    """Without one there is nothing to recover."""
    await ann.get("/profile/security")
    assert (await ann.post("/profile/security/codes")).status_code == 422


async def test_sessions_are_listed_and_ended(desk: Desk, ann: Surfer) -> None:
    """This one is named; another one is ended by its button, all others by one."""
    others = [surfer(desk) for _ in range(3)]
    for other in others:
        await other.sign_in()
    await ann.get("/profile/security")
    assert ann.page.count("data-session=") == 4
    assert ann.page.count("This one") == 1
    await ann.post("/profile/security/sessions/2/end")
    assert (await others[0].get("/profile")).status_code == 303
    assert (await others[1].get("/profile")).status_code == 200
    await ann.get("/profile/security")
    await ann.post("/profile/security/sessions/end-others")
    await ann.follow()
    assert "2 sessions have ended" in ann.page
    assert (await others[1].get("/profile")).status_code == 303
    assert (await ann.get("/profile")).status_code == 200


async def test_the_password_changes(desk: Desk, ann: Surfer) -> None:
    """The old one is asked for; all other sessions end, this one stays."""
    other = surfer(desk)
    await other.sign_in()
    await ann.get("/profile/security")
    answer = await ann.post("/profile/security/password", current="not that one", password=OTHER)
    assert (answer.status_code, "The password is wrong" in ann.page) == (403, True)
    await ann.post("/profile/security/password", current=PASSWORD, password=OTHER)
    assert ann.path == "/profile/security"
    assert (await ann.follow()).status_code == 200
    assert (await other.get("/profile")).status_code == 303


async def test_passkeys_ask_for_what_they_need(desk: Desk, ann: Surfer) -> None:
    """Options are JSON for the browser; an answer that nobody signed opens and adds nothing."""
    await ann.get("/profile/security")
    form_token = ann.token()
    options = (await ann.post("/profile/security/passkeys/options", token=form_token)).json()
    assert {"options", "challenge"} <= options.keys()
    answer = await ann.post(
        "/profile/security/passkeys", token=form_token, challenge=options["challenge"], answer="{}", name="x"
    )
    assert answer.status_code == 422
    stranger = surfer(desk)
    await stranger.get("/sign-in")
    form_token = stranger.token()
    options = (await stranger.post("/passkey/options", token=form_token)).json()
    for made in ("", "{}", "[]", '{"id":"AA"}', "x" * 30_000):
        answer = await stranger.post(
            "/passkey", token=form_token, challenge=options["challenge"], answer=made
        )
        assert answer.status_code == 401
    assert "__Host-session" not in stranger.cookies
    assert (await ann.post("/passkey/options", token=form_token)).status_code == 403


async def test_the_mailbox_is_there_in_a_demo_only(settings: Settings, database_url: str, desk: Desk) -> None:
    """It opens everybody's links: not elsewhere, and not when letters are sent in earnest."""
    assert (await surfer(desk).get("/mail")).status_code == 404
    for sender, status in ((None, 200), ("smtp://127.0.0.1:9", 404)):
        made = replace(settings, demo=True, smtp_url=sender)
        async with open_desk(made, database_url) as demo:
            one = surfer(demo)
            await one.get("/sign-up")
            await one.post("/sign-up", email=ANN, password=PASSWORD, agreed="1")
            assert (await one.get("/mail")).status_code == status
            assert ('href="/confirm/' in one.page) == (status == 200)
