"""Brings a database to this release's schema: numbered SQL files, each applied once, in order.

Every file runs in a transaction of its own under one advisory lock, so that several processes may start at
once. What was applied is written down with a checksum, because a file that is edited later would silently
make two databases of the same version differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from sync.errors import Conflict, DatabaseTrouble
from sync.store.db import TROUBLE, unavailable

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_SERVER = 15
# Any constant number does, as long as every release uses the same one.
LOCK_KEY = 7_067_682_201
# Another process may be migrating: wait for it, then find nothing left to do.
LOCK_WAIT_SECONDS = 120
# A migration that waits for a busy table would queue every query of the application behind itself.
LOCK_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 600
FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
TABLE_EXISTS = "SELECT to_regclass('schema_migration') IS NOT NULL"
SELECT_APPLIED = "SELECT version, name, checksum FROM schema_migration ORDER BY version"
INSERT_APPLIED = "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)"
LOCK = "SELECT pg_advisory_lock($1)"
UNLOCK = "SELECT pg_advisory_unlock($1)"
SET_TIMEOUTS = "SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file; `checksum` is the SHA-256 of its text in hex."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text, as 64 hex digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        """Return the name as printed, such as `0001_billing`."""
        return f"{self.version:04d}_{self.name}"


def load_migrations(folder: Traversable | None = None) -> list[Migration]:
    """Return this release's migrations in order; raises ValueError when two have the same number."""
    found = []
    for file in (folder or files("worker").joinpath("migrations")).iterdir():
        match = FILE_NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if len({migration.version for migration in found}) != len(found):
        raise ValueError("two migrations have the same number")
    return found


async def migrate(dsn: str, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is missing and return it, in order; an empty list when there was nothing to do.

    Raises Conflict when the database was migrated by a newer release or from files that were edited since,
    DatabaseTrouble when the server is too old, cannot be reached, or refuses a migration.
    """
    wanted = load_migrations() if migrations is None else migrations
    async with _connect(dsn) as connection, _locked(connection):
        await connection.execute(CREATE_TABLE)
        missing = _missing(wanted, await _applied(connection))
        for migration in missing:
            await _apply(connection, migration)
        return missing


async def pending(dsn: str, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """Return what `migrate` would apply, changing nothing; raises what `migrate` raises."""
    wanted = load_migrations() if migrations is None else migrations
    async with _connect(dsn) as connection:
        applied = await _applied(connection) if await connection.fetchval(TABLE_EXISTS) else {}
        return _missing(wanted, applied)


def _missing(wanted: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """Compare this release's migrations with those of the database; raises Conflict where they disagree."""
    known = {migration.version: migration for migration in wanted}
    for version, (name, checksum) in applied.items():
        if version not in known:
            raise Conflict(
                "database_newer",
                f"the database has migration {version:04d}_{name}, which this release does not know: "
                "run the newer release",
            )
        if known[version].checksum != checksum:
            raise Conflict(
                "migration_edited", f"migration {known[version]} was edited after it had been applied"
            )
    missing = [migration for migration in wanted if migration.version not in applied]
    if missing and applied and missing[0].version < max(applied):
        raise Conflict("migration_out_of_order", f"migration {missing[0]} is older than what is applied")
    return missing


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = await connection.fetch(SELECT_APPLIED)
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(INSERT_APPLIED, migration.version, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        raise DatabaseTrouble("migration_failed", f"migration {migration} failed: {error}") from error


@asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[Connection]:
    try:
        connection = await asyncpg.connect(
            dsn, timeout=15, server_settings={"application_name": "prorata-migrate"}
        )
    except (*TROUBLE, ValueError) as error:
        raise unavailable(error) from error
    try:
        version = connection.get_server_version()
        if version.major < OLDEST_SERVER:
            raise DatabaseTrouble(
                "database_too_old",
                f"PostgreSQL {version.major}.{version.minor} is too old: {OLDEST_SERVER} or newer is needed",
            )
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _locked(connection: Connection) -> AsyncIterator[None]:
    """Hold the migrations' lock, then set the time-outs for the migrations themselves."""
    await connection.execute(SET_TIMEOUTS, f"{LOCK_WAIT_SECONDS}s", f"{LOCK_WAIT_SECONDS}s")
    try:
        await connection.execute(LOCK, LOCK_KEY)
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
        raise DatabaseTrouble(
            "migration_locked",
            f"another process has been migrating for {LOCK_WAIT_SECONDS} s",
            retryable=True,
        ) from error
    try:
        await connection.execute(SET_TIMEOUTS, f"{LOCK_TIMEOUT_SECONDS}s", f"{STATEMENT_TIMEOUT_SECONDS}s")
        yield
    finally:
        # Closing the connection frees the lock too: this is for the case that somebody keeps it open.
        if not connection.is_closed():
            await connection.execute(UNLOCK, LOCK_KEY)
