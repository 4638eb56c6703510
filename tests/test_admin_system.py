"""The machine room: what it shows is so, secrets stay out of it, and its buttons really try."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from ringlet import worker
from ringlet.app import open_desk
from ringlet.backoffice import backup, checks, settings_shown, system
from ringlet.backoffice.presence import Presence
from ringlet.desk import Desk
from ringlet.errors import NotFound, ServiceUnavailable
from ringlet.settings import Settings
from tests.fakes.mailserver import MailServer
from tests.office_rig import employ
from tests.pages_rig import Person, serving
from tests.site import Shop
from tests.suppliers_rig import upstream


@pytest.fixture
async def owner(desk: Desk, shop: Shop) -> AsyncIterator[Person]:
    async with serving(desk) as guest:
        yield (await employ(desk, guest, "owner"))[0]


async def test_it_shows_what_is_so(desk: Desk, owner: Person, database_url: str, tmp_path: Path) -> None:
    """Version, schema, this very process, the backup that was made, and every queue and setting by name."""
    backup.make(database_url, desk.settings, tmp_path, None, lambda *_: None)
    got = await owner.get("/admin/system")
    assert got.status == 200
    assert got.names("data-process") == ["web"]
    assert got.names("data-queue") == list(system.QUEUES)
    assert got.names("data-setting") == [each.variable for each in settings_shown.shown(desk.settings)]
    assert "No worker is alive" in got.text
    assert ".backup" in got.text
    assert "up to date" in got.text


async def test_no_secret_is_shown(settings: Settings, database_url: str, shop: Shop) -> None:
    """Not the secret, not a password of the database or the mail server, not the key of the metrics."""
    words = ["s3cret-of-mail", "key-of-metrics"]
    full = replace(settings, smtp_url=f"smtp://me:{words[0]}@127.0.0.1:2525", metrics_key=words[1])
    async with open_desk(full, database_url) as desk, serving(desk) as guest:
        got = await (await employ(desk, guest, "owner"))[0].get("/admin/system")
    assert got.status == 200
    for word in (*words, full.secret.hex(), database_url):
        assert word not in got.text
    assert got.text.count("set, and not shown") == 4


async def test_what_is_due_is_counted_and_no_further_than_the_limit(
    desk: Desk, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five letters, the oldest an hour late; with a limit of three, three and more."""
    async with desk.db.connection() as tx:
        await tx.execute(
            "insert into letter (recipient, subject, body, due_at)"
            " select 'a@example.org', 's', 'x', now() - make_interval(hours => n) from generate_series(1, 5) n"
        )
    (letters,) = [each for each in (await system.look(desk)).queues if each.name == "letters"]
    assert letters.due == 5
    assert letters.oldest is not None
    monkeypatch.setattr(system, "COUNTED_MAX", 3)
    assert "3 and more" in (await owner.get("/admin/system")).text


async def test_every_queue_asks_by_index(desk: Desk, shop: Shop) -> None:
    """No plan reads a table that grows with the history."""
    async with desk.db.connection() as tx:
        for name, statement in system.QUEUES.items():
            rows = await (await tx.execute(sql.SQL("explain ") + sql.SQL(statement), [10])).fetchall()
            plan = "\n".join(row[0] for row in rows)
            for table in ("activation", "rental", "stock", "letter", "delivery"):
                assert f"Seq Scan on {table} " not in plan, f"{name}: {plan}"


async def test_processes_come_and_go(desk: Desk, shop: Shop) -> None:
    """A worker is there while it runs, tells of its jobs, and is gone when it ended; one that died is silent, then forgotten."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(desk, stop))
    async with asyncio.timeout(10):
        while not (await system.look(desk)).processes:
            await asyncio.sleep(0.05)
    (seen,) = (await system.look(desk)).processes
    assert (seen.room, seen.is_alive) == ("worker", True)
    stop.set()
    await running
    assert (await system.look(desk)).processes == []
    dead = Presence("worker")
    await dead.tell(desk)
    await _age(desk, 60)
    assert [each.is_alive for each in (await system.look(desk)).processes] == [False]
    await _age(desk, 3_600)
    await Presence("web").tell(desk)
    assert [each.room for each in (await system.look(desk)).processes] == ["web"]


async def _age(desk: Desk, seconds: int) -> None:
    async with desk.db.connection() as tx:
        await tx.execute("update process_seen set seen_at = seen_at - make_interval(secs => %s)", [seconds])


async def test_a_job_that_fails_is_told_of_with_its_last_good_round(desk: Desk) -> None:
    """The failure stays beside the rounds that went well afterwards; no text of an exception is kept."""
    presence = Presence("worker")

    async def fails(_: Desk) -> int:
        raise ServiceUnavailable

    async def works(_: Desk) -> int:
        return 7

    for work in (fails, works):
        await worker._round(desk, worker.Job("close_due", work, 1), presence)
    await presence.tell(desk)
    (job,) = (await system.look(desk)).jobs
    assert (job.job, job.taken, job.error) == ("close_due", 7, "service_unavailable")


async def test_a_letter_is_really_sent_or_the_reason_shown(
    settings: Settings, database_url: str, shop: Shop
) -> None:
    """With a mail server it arrives; without one the page says so."""
    async with MailServer() as server:
        there = replace(settings, smtp_url=server.url)
        for wanted, told in ((there, "has taken the letter"), (settings, "no mail server is set")):
            async with open_desk(wanted, database_url) as desk, serving(desk) as guest:
                owner = (await employ(desk, guest, "owner"))[0]
                await owner.get("/admin/system")
                assert told in (await owner.post("/admin/system/letter")).text
        assert len(server.letters) == 1


async def test_the_public_address_leads_to_us_or_not(
    settings: Settings, database_url: str, shop: Shop
) -> None:
    """Our own port answers with our secret; somebody else's page does not."""
    async with open_desk(settings, database_url) as desk, serving(desk) as guest:
        ours = await checks.reach_ourselves(replace(settings, public_url=guest.url))
        theirs = await checks.reach_ourselves(replace(settings, public_url=guest.url, secret=b"t" * 32))
        assert (ours.ok, theirs.ok) == (True, False)
        with pytest.raises(NotFound):
            checks.echo(settings, "form\0anything")
    nobody = await checks.reach_ourselves(replace(settings, public_url="http://127.0.0.1:1"))
    assert not nobody.ok


async def test_a_supplier_is_asked_at_a_button(desk: Desk, owner: Person) -> None:
    """It answers with its time; a name that is none is 404; what cannot be reached says why."""
    async with upstream(desk, "first"):
        await owner.get("/admin/system")
        assert "It answers in" in (await owner.post("/admin/system/suppliers", supplier="first")).text
        assert (await owner.post("/admin/system/suppliers", supplier="second")).status == 404
    assert "cannot be reached" in (await owner.post("/admin/system/suppliers", supplier="first")).text
