"""The post: letters reach a real mail server, are tried again, and tell nobody else what they say."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from ringlet import demo
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.errors import StartupError
from ringlet.people import letters, post, reset, sign_in, sign_up, words
from ringlet.settings import Settings, load
from tests.fakes.mailserver import MailServer
from tests.people_rig import PASSWORD, execute, letters_to, link_token
from tests.site import free_port

ANN = "ann@example.org"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as running:
        yield running


def posting(settings: Settings, **more: object) -> Settings:
    """The same installation with other settings."""
    kept = {name: getattr(settings, name) for name in ("home", "database_url", "secret", "rate_limit")}
    return Settings(**{**kept, **more})  # type: ignore[arg-type]


@pytest.fixture
async def poster(settings: Settings, database_url: str, server: MailServer) -> AsyncIterator[Desk]:
    """A desk with a mail server and a name and an address of its own."""
    more = {
        "smtp_url": server.url,
        "public_url": "https://codes.example",
        "name": "Kōdo",
        "mail_from": "hi@codes.example",
    }
    async with open_desk(posting(settings, **more), database_url) as opened:
        yield opened


async def due_again(desk: Desk) -> int:
    """As if its time had come; returns how many wait."""
    return await execute(desk, "update letter set due_at = now() where due_at is not null")


async def test_a_letter_is_sent(poster: Desk, server: MailServer) -> None:
    """From the shop to its reader, with the link of this installation; then its text is gone."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    token = await link_token(poster, ANN)
    assert await post.send_due(poster) == 1
    assert await post.send_due(poster) == 0
    mail = server.letters[0]
    assert server.recipients == [ANN]
    assert (mail["To"], mail["From"]) == (ANN, "Kōdo <hi@codes.example>")
    assert mail["Subject"] == "Confirm your e-mail address for Kōdo"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert f"https://codes.example/confirm/{token}" in mail.get_content()
    letter = (await letters_to(poster, ANN))[0]
    assert (letter.body, letter.due_at, letter.attempts, letter.error) == (None, None, 1, None)
    assert letter.sent_at is not None


async def test_the_outbox_cannot_be_read(poster: Desk) -> None:
    """Whoever steals the table gets no link."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    async with poster.db.connection() as tx:
        row = await (await tx.execute("select body from letter")).fetchone()
    assert row is not None
    assert b"rlp_" not in bytes(row[0])


async def test_a_letter_falls_with_its_cause(desk: Desk) -> None:
    """What is rolled back writes to nobody."""

    async def fail() -> None:
        async with desk.db.transaction() as tx:
            await letters.write(tx, desk.settings, ANN, words.KNOWN, letters.untranslated)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await letters.list_letters(desk) == []


async def test_many_workers_send_each_letter_once(poster: Desk, server: MailServer) -> None:
    """A claimed letter is nobody else's."""
    for index in range(12):
        address = f"192.0.2.{index}"
        await sign_up.sign_up(poster, f"p{index}@example.org", PASSWORD, agreed=1, address=address)
    for _ in range(3):
        await asyncio.gather(*(post.send_due(poster) for _ in range(3)))
    assert sorted(server.recipients) == sorted(f"p{index}@example.org" for index in range(12))


async def test_a_letter_is_tried_again(poster: Desk, server: MailServer) -> None:
    """After 1 min, 5 min, 30 min, 2 h and 12 h; then it has failed and says why."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    server.answers = ["451 come again"] * 6
    for attempt in range(1, 7):
        assert await post.send_due(poster) == 1
        letter = (await letters_to(poster, ANN))[0]
        assert letter.attempts == attempt
        assert "come again" in (letter.error or "")
        if attempt < 6:
            assert letter.due_at is not None
            async with poster.db.connection() as tx:
                row = await (
                    await tx.execute("select extract(epoch from due_at - now())::int from letter")
                ).fetchone()
            assert row is not None
            assert abs(row[0] - (60, 300, 1_800, 7_200, 43_200)[attempt - 1]) <= 2
        assert await due_again(poster) == (1 if attempt < 6 else 0)
    assert server.letters == []


async def test_a_second_attempt_succeeds(poster: Desk, server: MailServer) -> None:
    """Under the same Message-ID, so that a reader who got both sees one."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    server.answers = ["451 come again"]
    await post.send_due(poster)
    await due_again(poster)
    await post.send_due(poster)
    assert [mail["Message-ID"] for mail in server.letters] == ["<letter-1@codes.example>"]
    assert (await letters_to(poster, ANN))[0].error is None


async def test_a_reader_who_is_not_there(poster: Desk, server: MailServer) -> None:
    """A lasting refusal is not tried again."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    server.recipient_answers = ["550 no such user"]
    await post.send_due(poster)
    letter = (await letters_to(poster, ANN))[0]
    assert (letter.due_at, letter.sent_at) == (None, None)
    assert "no such user" in (letter.error or "")


async def test_a_server_that_is_away_or_hangs(
    settings: Settings, database_url: str, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter waits; no connection of the database waits with it."""
    monkeypatch.setattr(post, "WITHIN_S", 0.5)
    server.hangs = True
    for url in (f"smtp://127.0.0.1:{free_port()}", server.url):
        async with open_desk(posting(settings, smtp_url=url, db_pool=1), database_url) as desk:
            await execute(desk, "delete from letter")
            await sign_up.sign_up(desk, f"p{url[-5:]}@example.org", PASSWORD, agreed=1)
            sending = asyncio.create_task(post.send_due(desk))
            await asyncio.sleep(0.1)
            assert len(await letters.list_letters(desk)) == 1
            await sending
            letter = (await letters.list_letters(desk))[0]
            assert letter.due_at is not None
            assert letter.error


async def test_a_password_is_not_sent_in_the_clear(
    poster: Desk, server: MailServer, settings: Settings
) -> None:
    """To another machine only after STARTTLS; ours is this one, where nobody listens in between."""
    await sign_up.sign_up(poster, ANN, PASSWORD, agreed=1)
    url = f"smtp://user:secret@0.0.0.0:{server.port}"  # not called loopback
    assert poster.settings.database_url is not None
    async with open_desk(posting(settings, smtp_url=url), poster.settings.database_url) as desk:
        await post.send_due(desk)
    assert server.letters == []
    assert "STARTTLS" in ((await letters_to(poster, ANN))[0].error or "")


async def test_without_a_server_letters_are_kept(desk: Desk) -> None:
    """They can be read on the page of the demo; the log has a line without the link."""
    await sign_up.sign_up(desk, ANN, PASSWORD, agreed=1)
    structlog.contextvars.clear_contextvars()
    with capture_logs() as lines:
        assert await post.send_due(desk) == 1
    line = next(each for each in lines if each["event"] == "letter")
    assert (line["to"], line["subject"]) == ("a…@example.org", "Confirm your e-mail address for Ringlet")
    assert "rlp_" not in json.dumps(lines)
    letter = (await letters_to(desk, ANN))[0]
    assert (letter.due_at, letter.error) == (None, post.NO_SERVER)
    await sign_up.confirm(desk, await link_token(desk, ANN))


async def test_the_log_of_a_demo_shows_letters(settings: Settings, database_url: str) -> None:
    """For trying things out: `serve --demo`."""
    async with open_desk(posting(settings, demo=True), database_url) as desk:
        await sign_up.sign_up(desk, ANN, PASSWORD, agreed=1)
        with capture_logs() as lines:
            await post.send_due(desk)
    assert "/confirm/" in next(each["text"] for each in lines if each["event"] == "letter")


async def test_letters_in_another_language(desk: Desk) -> None:
    """The pages hand in their gettext; what it makes of a text is what is sent."""

    def german(text: str) -> str:
        return {words.RESET.subject: "Neues Passwort für {name}", words.RESET.body: "Hier:\n{link}\n"}.get(
            text, text
        )

    await sign_up.sign_up(desk, ANN, PASSWORD, language="de", translate=german, agreed=1)
    await reset.request_reset(desk, ANN, translate=german)
    letter = (await letters_to(desk, ANN))[0]
    assert letter.subject == "Neues Passwort für Ringlet"
    assert (letter.body or "").startswith("Hier:\nhttp://127.0.0.1:8080/reset/")


async def test_values_are_not_read_as_text(desk: Desk) -> None:
    """Braces and line breaks in a value stay what they are: no second filling in, no second header."""
    async with desk.db.transaction() as tx:
        strange = words.Letter("About {what}", "{what}")
        await letters.write(
            tx, desk.settings, ANN, strange, letters.untranslated, what="{name}\r\nBcc: x@example.org"
        )
    letter = (await letters_to(desk, ANN))[0]
    assert letter.subject == "About {name} Bcc: x@example.org"


@pytest.mark.parametrize(
    ("name", "value"),
    [("RINGLET_SMTP_URL", "mail.example"), ("RINGLET_SMTP_URL", "smtp://:25"), ("RINGLET_SMTP_URL", "smtp://h:x"),
     ("RINGLET_PUBLIC_URL", "codes.example"), ("RINGLET_PUBLIC_URL", "https://codes.example/path"),
     ("RINGLET_PUBLIC_URL", "ftp://codes.example"), ("RINGLET_MAIL_FROM", "nobody"), ("RINGLET_NAME", "a\nb"),
     ("RINGLET_NAME", "x" * 61), ("RINGLET_DEMO", "yes")],
)  # fmt: skip
def test_settings_that_make_no_sense(tmp_path: Path, name: str, value: str) -> None:
    """A typing error stops the start, and shows no password."""
    with pytest.raises(StartupError):
        load({"RINGLET_HOME": str(tmp_path), name: value})


def test_settings_of_the_post(tmp_path: Path) -> None:
    """As they are written in docs/settings.md."""
    found = load({"RINGLET_HOME": str(tmp_path), "RINGLET_PUBLIC_URL": "https://Codes.example/",
                  "RINGLET_SMTP_URL": "smtps://u:hidden@mail.example", "RINGLET_NAME": "Codes"})  # fmt: skip
    assert (found.public_url, found.name, post.sender(found)) == (
        "https://codes.example",
        "Codes",
        "no-reply@codes.example",
    )
    assert "hidden" not in repr(found)


async def test_the_demo_has_a_person(desk: Desk, tmp_path: Path) -> None:
    """Its password is in demo.json, stays over restarts, and is made anew when the file is lost."""
    path = tmp_path / "demo.json"
    keys = await demo.prepare(desk, path, "http://127.0.0.1:8080")
    await sign_in.sign_in(desk, demo.EMAIL, keys["client_password"])
    again = await demo.prepare(desk, path, "http://127.0.0.1:8080")
    assert again["client_password"] == keys["client_password"]
    path.unlink()
    lost = await demo.prepare(desk, path, "http://127.0.0.1:8080")
    await sign_in.sign_in(desk, demo.EMAIL, lost["client_password"])
    assert (
        json.loads(path.read_text())["client_password"] == lost["client_password"] != keys["client_password"]
    )
    await sign_in.sign_in(desk, demo.ADMIN_EMAIL, lost["admin_password"])
