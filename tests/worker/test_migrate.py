"""The migrations' runner: applies what is missing, once, and refuses what it does not understand."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path

import asyncpg
import pytest

from sync.errors import Conflict, DatabaseTrouble
from tests.support.patience import SURELY_SECONDS
from tests.support.postgres import with_database
from worker import migrate as module
from worker.migrate import Migration, load_migrations, migrate, pending

pytestmark = pytest.mark.pg15

FIRST = Migration(1, "first", "CREATE TABLE one (id integer); CREATE TABLE two (id integer)")
SECOND = Migration(2, "second", "CREATE TABLE three (id integer)")
RUN = """
import asyncio, sys
from worker.migrate import Migration, migrate
asyncio.run(migrate(sys.argv[1], eval(sys.argv[2])))
"""
IN_THE_MIDDLE = """
SELECT count(*) > 0 FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'prorata-migrate' AND wait_event = 'PgSleep'
"""


async def tables(url: str) -> set[str]:
    """Return the names of the tables in the default schema."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_applies_everything_once(empty_database_url: str) -> None:
    """A second run finds nothing to do."""
    applied = await migrate(empty_database_url)

    assert applied == load_migrations()
    assert await migrate(empty_database_url) == []
    assert "schema_migration" in await tables(empty_database_url)


async def test_pending_changes_nothing(empty_database_url: str) -> None:
    """Looking at an empty database lists everything and makes no table."""
    assert await pending(empty_database_url, [FIRST, SECOND]) == [FIRST, SECOND]
    assert await tables(empty_database_url) == set()


async def test_goes_on_where_it_was(empty_database_url: str) -> None:
    """A newer release applies only what the older one did not have."""
    await migrate(empty_database_url, [FIRST])

    assert await pending(empty_database_url, [FIRST, SECOND]) == [SECOND]
    assert await migrate(empty_database_url, [FIRST, SECOND]) == [SECOND]


async def test_edited_file_is_refused(empty_database_url: str) -> None:
    """A file that was edited after it had been applied is named, and nothing happens."""
    await migrate(empty_database_url, [FIRST])
    edited = dataclasses.replace(FIRST, sql=FIRST.sql + " ")

    with pytest.raises(Conflict, match="0001_first was edited"):
        await migrate(empty_database_url, [edited, SECOND])
    assert "three" not in await tables(empty_database_url)


async def test_newer_database_is_refused(empty_database_url: str) -> None:
    """A release does not touch a database that a newer one has migrated."""
    await migrate(empty_database_url, [FIRST, SECOND])

    with pytest.raises(Conflict, match="run the newer release"):
        await pending(empty_database_url, [FIRST])


async def test_older_file_that_appears_late_is_refused(empty_database_url: str) -> None:
    """Files are applied in one order on every database."""
    await migrate(empty_database_url, [SECOND])

    with pytest.raises(Conflict, match="0001_first is older"):
        await migrate(empty_database_url, [FIRST, SECOND])


async def test_failed_migration_leaves_nothing(empty_database_url: str) -> None:
    """A migration that fails half-way is rolled back and named; those before it stay."""
    broken = Migration(2, "broken", "CREATE TABLE three (id integer); SELECT 1 / 0")

    with pytest.raises(DatabaseTrouble, match="0002_broken failed: division by zero"):
        await migrate(empty_database_url, [FIRST, broken])
    assert await tables(empty_database_url) == {"schema_migration", "one", "two"}


async def test_killed_migration_leaves_nothing_and_is_run_again(empty_database_url: str) -> None:
    """SIGKILL in the middle of a file: what it had done is gone, those before it stay, a next run goes on."""
    halfway = dataclasses.replace(SECOND, sql=f"{SECOND.sql}; SELECT pg_sleep(2)")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, empty_database_url, repr([FIRST, halfway])
    )
    watcher = await asyncpg.connect(empty_database_url)
    try:
        async with asyncio.timeout(SURELY_SECONDS):
            while not await watcher.fetchval(IN_THE_MIDDLE):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.wait()
        await watcher.close()

    assert await tables(empty_database_url) == {"schema_migration", "one", "two"}
    assert await migrate(empty_database_url, [FIRST, SECOND]) == [SECOND]
    assert await tables(empty_database_url) == {"schema_migration", "one", "two", "three"}


async def test_concurrent_runs_apply_once(empty_database_url: str) -> None:
    """Of several processes that start together one migrates and the others find nothing to do."""
    runs = await asyncio.gather(*(migrate(empty_database_url, [FIRST, SECOND]) for _ in range(4)))

    assert sorted(len(applied) for applied in runs) == [0, 0, 0, 2]


async def test_old_server_is_refused(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server below the oldest supported version is refused by name."""
    monkeypatch.setattr(module, "OLDEST_SERVER", 99)

    with pytest.raises(DatabaseTrouble, match="is too old: 99 or newer is needed"):
        await pending(empty_database_url)


async def test_missing_database_is_explained(empty_database_url: str) -> None:
    """A database that does not exist is one clear message, without the password."""
    with pytest.raises(DatabaseTrouble, match='database "nowhere" does not exist') as caught:
        await migrate(with_database(empty_database_url, "nowhere"))
    assert "postgresql://" not in str(caught.value)


def test_numbers_are_unique(tmp_path: Path) -> None:
    """Two files with one number are found before anything is applied."""
    for name in ("0001_a.sql", "0001_b.sql"):
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(ValueError, match="same number"):
        load_migrations(tmp_path)


def test_files_are_numbered_without_gaps() -> None:
    """The numbers run from 1, so that a file that was forgotten in a merge is noticed."""
    assert [migration.version for migration in load_migrations()] == list(
        range(1, len(load_migrations()) + 1)
    )
