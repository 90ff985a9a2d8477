"""Whole databases of a server: made and dropped for a demonstration, or set aside.

Names are our own, never a caller's; statements of this kind take no parameters.
"""

from __future__ import annotations

import re

from sync.store.db import Executor

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


async def create(conn: Executor, name: str) -> None:
    """Make an empty database. Raises asyncpg's InsufficientPrivilegeError and DuplicateDatabaseError."""
    await conn.execute(f"CREATE DATABASE {_checked(name)}")


async def drop(conn: Executor, name: str) -> None:
    """Remove a database with everything in it; whoever is connected to it is cut off."""
    await conn.execute(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")


async def rename(conn: Executor, name: str, new_name: str) -> None:
    """Give a database another name. Nobody may be connected to it."""
    await conn.execute(f"ALTER DATABASE {_checked(name)} RENAME TO {_checked(new_name)}")


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a database of ours")
    return name
