"""Backup and restore: the whole comes back exactly, what suppliers know better is listed, and no half of either counts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ringlet import acts, audit, migrations
from ringlet import settings as settings_of
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.app import open_desk
from ringlet.backoffice import backup, restore
from ringlet.backoffice.archive import Damaged
from ringlet.backoffice.reconcile import Odd, reconcile
from ringlet.cli.backup import say_reconciled
from ringlet.desk import Desk
from ringlet.errors import StartupError
from ringlet.settings import Settings
from ringlet.supplying import money
from tests.conftest import fresh_database
from tests.site import Shop
from tests.suppliers_rig import Upstream, upstream

OWN, RENTED = Order("wa", 6), Order("fb", 6)
COST_MICROS = 50_000


def silent(_table: str, _rows: int) -> None:
    """Nobody looks on."""


@pytest.fixture
async def first(desk: Desk, shop: Shop) -> AsyncIterator[Upstream]:
    async with upstream(desk, "first") as up:
        up.warehouse.stock("6", "fb", "0.05", 100)
        await up.sync()
        await money.check_balances(desk)
        yield up


@pytest.fixture
def elsewhere(cluster: str, tmp_path: Path) -> Iterator[Settings]:
    """An empty installation on another host: a database without a table, a home with a secret of its own."""
    home = tmp_path / "elsewhere"
    with fresh_database(cluster, "template0") as url:
        made = settings_of.load({"RINGLET_HOME": str(home), "DATABASE_URL": url})
        yield made


def contents(url: str) -> dict[str, list[str]]:
    """Every row of every table, computed columns too."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
            " and table_name not in ('schema_migration', 'process_seen', 'backup_made', 'staff_act', 'person_session')"
        ).fetchall()
        return {
            name: [
                row[0] for row in connection.execute(f'select t::text from "{name}" t order by 1'.encode())
            ]
            for (name,) in names
        }


def back(
    made: backup.Made, to: Settings, passphrase: str | None = None, *, replace: bool = False
) -> restore.Restored:
    assert to.database_url is not None
    return restore.restore(to.database_url, to, made.file, passphrase, replace=replace, tell=silent)


def reloaded(at: Settings) -> Settings:
    """As the next process reads them."""
    return settings_of.load({"RINGLET_HOME": str(at.home), "DATABASE_URL": str(at.database_url)})


@pytest.mark.usefixtures("breaches")
async def test_what_was_backed_up_comes_back_and_suppliers_know_the_rest(
    desk: Desk, shop: Shop, first: Upstream, elsewhere: Settings, database_url: str, tmp_path: Path
) -> None:
    """Every row as it was, the audit clean, and exactly what was sold and ended since in the report."""
    row = (await buy(desk, shop.alice, OWN)).activation
    await shop.push(desk, row, "Your code is 123456")
    kept = (await buy(desk, shop.alice, RENTED)).activation
    ended = (await buy(desk, shop.bob, RENTED)).activation
    refs = list(first.warehouse.allotments)
    before = contents(database_url)
    made = backup.make(database_url, desk.settings, tmp_path, None, silent)
    assert made.file.stat().st_mode & 0o777 == 0o600

    await buy(desk, shop.bob, OWN)
    await buy(desk, shop.bob, RENTED)
    await buy(desk, shop.alice, RENTED)
    first.warehouse.cancel(refs[1])
    del first.warehouse.allotments[refs[0]]
    first.warehouse._open.pop(refs[0])
    since = [ref for ref in first.warehouse.allotments if ref not in refs]

    done = await asyncio.to_thread(back, made, elsewhere)
    assert contents(str(elsewhere.database_url)) == before
    assert done.rows == made.rows
    assert audit.run(str(elsewhere.database_url)) == []
    after = reloaded(elsewhere)
    assert after.secret == desk.settings.secret
    async with open_desk(after, str(after.database_url)) as restored:
        (found,) = await reconcile(restored)
    assert {(each.ref, each.odd, each.activation_id) for each in found.differences} == {
        *((ref, Odd.UNKNOWN_HERE, None) for ref in since),
        (refs[1], Odd.OVER_THERE, ended.id), (refs[0], Odd.UNKNOWN_THERE, kept.id),
    }  # fmt: skip
    # Two were rented since, and the money of one came back.
    assert found.money is not None
    assert found.money.unexplained_micros == -COST_MICROS
    said: list[str] = []
    say_reconciled(found, said.append)
    assert len(said) == 5


async def test_what_comes_after_gets_numbers_that_were_never_given(
    desk: Desk, shop: Shop, elsewhere: Settings, database_url: str, tmp_path: Path
) -> None:
    """A supplier or a customer who has seen an id never meets it again for something else; the log's chain goes on."""
    made = backup.make(database_url, desk.settings, tmp_path, None, silent)
    seen = [(await buy(desk, shop.alice, OWN)).activation for _ in range(3)]
    await asyncio.to_thread(back, made, elsewhere)
    async with open_desk(reloaded(elsewhere), str(elsewhere.database_url)) as restored:
        await restored.refresh_prices()
        row = (await buy(restored, shop.alice, OWN)).activation
        assert row.id > max(each.id for each in seen)
        async with restored.db.connection() as tx:
            assert await acts.first_broken(tx) is None
            done = await acts.search(tx)
    assert [each.act for each in done][:1] == ["backup.restored"]


async def test_a_sealed_backup_opens_with_its_passphrase_alone(
    desk: Desk, shop: Shop, elsewhere: Settings, database_url: str, tmp_path: Path
) -> None:
    """Nothing of it can be read without; with it everything is back."""
    made = backup.make(database_url, desk.settings, tmp_path / "sealed", "correct horse", silent)
    assert made.is_sealed
    for wrong in ("incorrect", None):
        with pytest.raises(Damaged):
            await asyncio.to_thread(back, made, elsewhere, wrong)
    await asyncio.to_thread(back, made, elsewhere, "correct horse")
    assert contents(str(elsewhere.database_url)) == contents(database_url)


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
async def test_a_file_with_one_byte_changed_or_missing_changes_nothing(
    desk: Desk, shop: Shop, elsewhere: Settings, database_url: str, tmp_path: Path, passphrase: str | None
) -> None:
    """At twelve places and at its end: refused, and the installation is as empty as before."""
    made = backup.make(database_url, desk.settings, tmp_path / "whole", passphrase, silent)
    whole = made.file.read_bytes()
    spoiled = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
               for at in range(40, len(whole), len(whole) // 12)]  # fmt: skip
    for each in [*spoiled, whole[:-1], whole[: len(whole) // 2], b"", b"something else"]:
        made.file.write_bytes(each)
        with pytest.raises(Damaged):
            await asyncio.to_thread(back, made, elsewhere, passphrase)
        assert contents(str(elsewhere.database_url)) == {}
        assert reloaded(elsewhere).secret == elsewhere.secret


async def test_only_an_empty_installation_or_one_that_is_given_up(
    desk: Desk, shop: Shop, elsewhere: Settings, database_url: str, tmp_path: Path
) -> None:
    """A second restore finds customers and refuses; with `replace` it goes on."""
    made = backup.make(database_url, desk.settings, tmp_path, None, silent)
    before = contents(database_url)
    await asyncio.to_thread(back, made, elsewhere)
    with pytest.raises(StartupError, match="not empty"):
        await asyncio.to_thread(back, made, reloaded(elsewhere))
    await asyncio.to_thread(back, made, reloaded(elsewhere), replace=True)
    assert contents(str(elsewhere.database_url)) == before
    with pytest.raises(StartupError, match="in use"):
        await asyncio.to_thread(back, made, desk.settings, replace=True)


async def test_an_older_backup_is_migrated_and_a_newer_one_refused(
    desk: Desk, shop: Shop, elsewhere: Settings, tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this version added is there after the restore of what the version before had saved."""
    known = migrations.known()
    older = {number: each for number, each in known.items() if number <= 9}
    with fresh_database(cluster, "template0") as url:
        monkeypatch.setattr(migrations, "known", lambda: older)
        migrations.migrate(url)
        monkeypatch.setattr(backup, "_NOTE", "select %s, %s, %s, %s, %s, %s")  # a table of this version
        made = backup.make(url, desk.settings, tmp_path / "old", None, silent)
    monkeypatch.undo()
    done = await asyncio.to_thread(back, made, elsewhere)
    assert [name[:4] for name in done.migrated] == [f"{number:04}" for number in known if number > 9]
    newer = backup.make(str(elsewhere.database_url), reloaded(elsewhere), tmp_path / "new", None, silent)
    monkeypatch.setattr(migrations, "known", lambda: older)
    with pytest.raises(StartupError, match="newer"):
        await asyncio.to_thread(back, newer, reloaded(elsewhere), replace=True)


class Command:
    """`ringlet …` as a process, against an installation, until it is killed."""

    def __init__(self, at: Settings, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGLET_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ringlet", *arguments], stdin=subprocess.DEVNULL, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**environment, "RINGLET_HOME": str(at.home), "DATABASE_URL": str(at.database_url)},
        )  # fmt: skip

    def kill_when(self, is_time: Callable[[], bool]) -> None:
        """SIGKILL in the middle of it."""
        while not is_time():
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.005)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def said(self) -> str:
        """What it printed, when it ended well."""
        said = self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0, said
        return said


def test_killed_in_the_middle_neither_leaves_a_half(
    cluster: str, template: str, elsewhere: Settings, tmp_path: Path
) -> None:
    """No file under the final name, and an installation as empty as before; the next run of each succeeds."""
    with fresh_database(cluster, template) as url:
        here = settings_of.load({"RINGLET_HOME": str(tmp_path / "here"), "DATABASE_URL": url})
        with psycopg.connect(url) as connection:
            connection.execute(
                "insert into throttle select md5(n::text) || md5((-n)::text), n, now() from generate_series(1, 250000) n"
            )
            connection.execute("insert into customer (email) values ('alice@example.org')")
        file = tmp_path / "all.backup"
        Command(here, "backup", str(file)).kill_when(lambda: any(
            part.stat().st_size > 100_000 for part in tmp_path.glob(".all.backup.*.part")
        ))  # fmt: skip
        assert not file.exists()
        assert "everything" in Command(here, "backup", str(file)).said()
        before = contents(url)

    def copies() -> bool:
        # from beside: a restore wants to be alone with its database
        with psycopg.connect(cluster.format("postgres")) as connection:
            row = connection.execute(
                "select coalesce(sum(tuples_processed), 0) > 1000 from pg_stat_progress_copy"
                " where datname = %s",
                [psycopg.conninfo.conninfo_to_dict(str(elsewhere.database_url))["dbname"]],
            ).fetchone()
            return row == (True,)

    Command(elsewhere, "restore", str(file), "--no-suppliers").kill_when(copies)
    assert contents(str(elsewhere.database_url)) == {}
    told = json.loads(Command(elsewhere, "restore", str(file), "--no-suppliers", "--json").said())
    assert (told["breaches"], told["suppliers"], told["restored"]["migrated"]) == ([], [], [])
    assert contents(str(elsewhere.database_url)) == before
