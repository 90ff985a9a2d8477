"""The pool of database connections, the transaction helper, and what a database error means.

Every other module of `sync.store` takes a `Connection` and leaves commit and rollback to `transaction`.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from sync.errors import Code, DatabaseTrouble

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Record: TypeAlias = "asyncpg.Record"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# What stores take: a connection of the pool, or one that was opened by itself.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
# For single statements outside any transaction of the caller's.
Executor: TypeAlias = "Pool | Connection"

# A statement that runs longer has lost its plan; it must not hold its locks meanwhile.
STATEMENT_TIMEOUT_SECONDS: Final = 30
# Longer than any transaction of ours, so that only a stuck one is hit.
LOCK_TIMEOUT_SECONDS: Final = 10
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS: Final = 30
# The client gives up last, so that the server's own reason is the one that is seen.
CLIENT_TIMEOUT_SECONDS: Final = 40
# The first byte of a binary jsonb value: the version of the format.
JSONB_VERSION: Final = b"\x01"


class Failure(StrEnum):
    """What a failed database call means for the caller."""

    RETRY = "retry"  # the transaction lost against another one and did nothing: run it again
    UNAVAILABLE = "unavailable"  # no connection or no answer; a commit may or may not have happened
    CONFLICT = "conflict"  # the row is there already
    BAD_DATA = "bad_data"  # this row can never be stored; its neighbours may be fine
    FATAL = "fatal"  # a defect of ours or of the set-up: repeating is useless


# The first line that fits counts, so the special ones come before their families.
FAILURES: Final[tuple[tuple[type[BaseException], Failure], ...]] = (
    (asyncpg.SerializationError, Failure.RETRY),
    (asyncpg.DeadlockDetectedError, Failure.RETRY),
    (asyncpg.LockNotAvailableError, Failure.RETRY),
    (asyncpg.QueryCanceledError, Failure.UNAVAILABLE),
    (asyncpg.IdleInTransactionSessionTimeoutError, Failure.UNAVAILABLE),
    (asyncpg.AdminShutdownError, Failure.UNAVAILABLE),
    (asyncpg.CrashShutdownError, Failure.UNAVAILABLE),
    (asyncpg.CannotConnectNowError, Failure.UNAVAILABLE),
    (asyncpg.TooManyConnectionsError, Failure.UNAVAILABLE),
    (asyncpg.InsufficientResourcesError, Failure.UNAVAILABLE),
    (asyncpg.ReadOnlySQLTransactionError, Failure.UNAVAILABLE),
    (asyncpg.PostgresConnectionError, Failure.UNAVAILABLE),
    (asyncpg.UniqueViolationError, Failure.CONFLICT),
    (asyncpg.ExclusionViolationError, Failure.CONFLICT),
    (asyncpg.IntegrityConstraintViolationError, Failure.BAD_DATA),
    # Two classes of one name: what the server refuses, and what the client cannot even encode.
    (asyncpg.exceptions.DataError, Failure.BAD_DATA),
    (asyncpg.DataError, Failure.BAD_DATA),
    (asyncpg.PostgresError, Failure.FATAL),
    # A connection or a pool that is closed under the caller.
    (asyncpg.InterfaceError, Failure.UNAVAILABLE),
    (TimeoutError, Failure.UNAVAILABLE),
    (OSError, Failure.UNAVAILABLE),
)


def classify(error: BaseException) -> Failure:
    """Return what a failed database call means; anything that is no database error is FATAL."""
    return next((failure for kind, failure in FAILURES if isinstance(error, kind)), Failure.FATAL)


async def create_pool(
    dsn: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    application_name: str = "prorata",
    connect_seconds: float = 15.0,
) -> Pool:
    """Open a pool, trying for `connect_seconds` while the server is still starting.

    jsonb and json columns are Python objects on both sides. Raises DatabaseTrouble when the server cannot
    be reached or refuses us; the message never holds the password.
    """
    trying = AsyncRetrying(
        stop=stop_after_delay(connect_seconds),
        wait=wait_exponential_jitter(multiplier=0.05, max=1.0, jitter=0.1),
        retry=retry_if_exception(_is_starting),
        reraise=True,
    )
    try:
        return await trying(_open_pool, dsn, min_size, max_size, application_name)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> DatabaseTrouble:
    """Return the refusal that callers see for a database that cannot be reached or does not let us in."""
    reason = str(error) or type(error).__name__
    return DatabaseTrouble(
        Code.DATABASE_UNAVAILABLE,
        f"PostgreSQL cannot be used: {reason}",
        retryable=classify(error) is not Failure.FATAL,
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[PoolConnectionProxy[asyncpg.Record]]:
    """Yield a connection in one READ COMMITTED transaction: committed at the end, rolled back on an error.

    Never call Stripe inside it. A connection that is lost during the commit raises an error that `classify`
    calls UNAVAILABLE, and nobody knows whether the commit happened.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
        yield connection


async def prepare_connection(connection: Connection) -> None:
    """Give a connection our codecs; pools of `create_pool` do it by themselves."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: JSONB_VERSION + encode_json(value).encode(),
        decoder=lambda data: json.loads(data[1:]),
        format="binary",
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=encode_json, decoder=json.loads, format="text"
    )


def encode_json(value: Any) -> str:
    """Return JSON text for a json or jsonb column; a string is taken as JSON text that is ready.

    PgQueuer sends ready text on our connections, and our own documents are never a bare string.
    Raises ValueError for NaN and infinities, which PostgreSQL has no JSON for.
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


async def _open_pool(dsn: str, min_size: int, max_size: int, application_name: str) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        init=prepare_connection,
        timeout=10.0,
        command_timeout=CLIENT_TIMEOUT_SECONDS,
        server_settings={
            "application_name": application_name,
            "statement_timeout": _milliseconds(STATEMENT_TIMEOUT_SECONDS),
            "lock_timeout": _milliseconds(LOCK_TIMEOUT_SECONDS),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_TIMEOUT_SECONDS),
            "timezone": "UTC",
        },
    )


def _milliseconds(seconds: float) -> str:
    return str(math.ceil(seconds * 1000))


def _is_starting(error: BaseException) -> bool:
    """Tell whether waiting may help: nobody listens yet, or the server is starting or full."""
    # A wrong host name is an OSError too, but no amount of waiting makes it right.
    return classify(error) is Failure.UNAVAILABLE and type(error).__name__ != "gaierror"
