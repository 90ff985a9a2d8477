"""The database of a local set-up: an embedded server's, or one on the server that DATABASE_URL names."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from sync.errors import DatabaseTrouble
from sync.store import databases
from sync.store.db import TROUBLE, unavailable
from worker.embedded import EmbeddedPostgres


@asynccontextmanager
async def embedded(folder: Path, *, durable: bool) -> AsyncIterator[str]:
    """Run a PostgreSQL server for `folder`; yields its address. Raises EmbeddedPostgresError."""
    server = EmbeddedPostgres(folder, durable=durable)
    starting = asyncio.ensure_future(asyncio.to_thread(server.start))
    try:
        yield await asyncio.shield(starting)
    finally:
        # Interrupted while it starts, it must come up first: nobody else could stop it then.
        with suppress(Exception):
            await starting
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def scratch(server_url: str) -> AsyncIterator[str]:
    """A database of its own on a given server, dropped at the end: nobody's tables are touched.

    Raises DatabaseTrouble when the server cannot be reached or does not let us make one.
    """
    name = f"prorata_demo_{secrets.token_hex(6)}"
    try:
        connection = await asyncpg.connect(server_url, timeout=10)
    except TROUBLE as error:
        raise unavailable(error) from error
    try:
        await _create(connection, name)
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            await databases.drop(connection, name)
    finally:
        await connection.close()


async def _create(connection: asyncpg.Connection, name: str) -> None:
    try:
        await databases.create(connection, name)
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseTrouble(
            "database_unavailable",
            "the role of DATABASE_URL may not make databases, and a demonstration never uses yours: give it "
            "CREATEDB, or leave DATABASE_URL out for an embedded server",
        ) from error


async def set_aside(server_url: str, new_name: str) -> None:
    """Keep the database under another name and put an empty one in its place."""
    parts = urlsplit(server_url)
    connection = await asyncpg.connect(parts._replace(path="/postgres").geturl())
    try:
        name = parts.path.lstrip("/")
        await databases.rename(connection, name, new_name)
        await databases.create(connection, name)
    finally:
        await connection.close()
