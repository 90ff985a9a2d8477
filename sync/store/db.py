"""The pool of database connections, the transaction helper, and what a database error means.

Every other module of `sync.store` takes a `Connection` and leaves commit and rollback to `transaction`.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg import exceptions as errors
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
    wait_random_exponential,
)

from sync.errors import Code, DatabaseTrouble
from sync.store.patience import PatientConnection, PatientPool, connect, patience

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
# How often something that lost against another transaction is run again.
RETRIES: Final = 3
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
    # Somebody else was first, or a plan is older than the schema: the transaction did nothing.
    (errors.StatementCompletionUnknownError, Failure.UNAVAILABLE),
    (errors.TransactionRollbackError, Failure.RETRY),
    (errors.LockNotAvailableError, Failure.RETRY),
    (errors.SnapshotTooOldError, Failure.RETRY),
    (errors.InvalidCachedStatementError, Failure.RETRY),
    (errors.OutdatedSchemaCacheError, Failure.RETRY),
    # Stopping, starting, full, or a standby. A dead connection shows up as any of several classes.
    (errors.DatabaseDroppedError, Failure.FATAL),
    (errors.OperatorInterventionError, Failure.UNAVAILABLE),
    (errors.IdleInTransactionSessionTimeoutError, Failure.UNAVAILABLE),
    (errors.TransactionTimeoutError, Failure.UNAVAILABLE),
    (errors.ReadOnlySQLTransactionError, Failure.UNAVAILABLE),
    (errors.InsufficientResourcesError, Failure.UNAVAILABLE),
    (errors.PostgresSystemError, Failure.UNAVAILABLE),
    (errors.PostgresConnectionError, Failure.UNAVAILABLE),
    (errors.InternalClientError, Failure.UNAVAILABLE),
    # The row itself.
    (errors.UniqueViolationError, Failure.CONFLICT),
    (errors.ExclusionViolationError, Failure.CONFLICT),
    (errors.IntegrityConstraintViolationError, Failure.BAD_DATA),
    (errors.WithCheckOptionViolationError, Failure.BAD_DATA),
    (errors.StatementTooComplexError, Failure.FATAL),
    (errors.TooManyColumnsError, Failure.FATAL),
    (errors.TooManyArgumentsError, Failure.FATAL),
    (errors.ProgramLimitExceededError, Failure.BAD_DATA),  # such as a text that no index can hold
    # Two classes of one name: what the server refuses, and what the client cannot even encode.
    (errors.DataError, Failure.BAD_DATA),
    (asyncpg.DataError, Failure.BAD_DATA),
    # Ours: a statement, a right, a setting.
    (errors.PostgresError, Failure.FATAL),
    (errors.ClientConfigurationError, Failure.FATAL),
    (errors.UnsupportedClientFeatureError, Failure.FATAL),
    (errors.UnsupportedServerFeatureError, Failure.FATAL),
    # A connection or a pool that is closed under the caller.
    (errors.InterfaceError, Failure.UNAVAILABLE),
    (TimeoutError, Failure.UNAVAILABLE),
    (OSError, Failure.UNAVAILABLE),
)


# Whatever a dead connection or a refusing server can make of a call: to be caught where life goes on.
TROUBLE: Final = (errors.PostgresError, errors.InterfaceError, errors.InternalClientError, OSError)


def classify(error: BaseException) -> Failure:
    """Return what a failed database call means; anything that is no database error is FATAL."""
    return next((failure for kind, failure in FAILURES if isinstance(error, kind)), Failure.FATAL)


def is_passing(error: BaseException) -> bool:
    """Whether PostgreSQL is away, full, stopping or busy with others; a bad statement or row is our fault."""
    return classify(error) in (Failure.RETRY, Failure.UNAVAILABLE)


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
    except (*TROUBLE, ValueError) as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> DatabaseTrouble:
    """Return the refusal that callers see for a database that cannot be reached or does not let us in."""
    reason = str(error) or type(error).__name__
    return DatabaseTrouble(
        Code.DATABASE_UNAVAILABLE,
        f"PostgreSQL cannot be used: {reason}",
        retryable=classify(error) is not Failure.FATAL,
    )


# What waits for the end of the transaction that this task is in.
LastWork: TypeAlias = "Callable[[Connection], Awaitable[None]]"
_ending: ContextVar[tuple[object, list[LastWork]] | None] = ContextVar("ending", default=None)


T = TypeVar("T")


async def retried(work: Callable[[], Awaitable[T]], *, seconds: float = 2.0) -> T:
    """Run something again that lost against another transaction: at most RETRIES times, within `seconds`.

    What lost has done nothing. The pauses differ, or two that met would meet again.
    """
    trying = AsyncRetrying(
        stop=stop_after_attempt(1 + RETRIES) | stop_after_delay(seconds),
        wait=wait_random_exponential(multiplier=0.02, max=0.3),
        retry=retry_if_exception(lambda error: classify(error) is Failure.RETRY),
        reraise=True,
    )
    return await trying(work)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[PoolConnectionProxy[asyncpg.Record]]:
    """Yield a connection in one READ COMMITTED transaction: committed at the end, rolled back on an error.

    Never call Stripe inside it. A connection that is lost during the commit raises asyncpg's
    StatementCompletionUnknownError, which `classify` calls UNAVAILABLE: nobody knows whether it happened.
    """
    is_committing = False
    try:
        async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
            if (seconds := patience()) is not None:
                await connection.execute(f"SET LOCAL lock_timeout = {_milliseconds(seconds)}")
            outer, last = _ending.get(), list[LastWork]()
            _ending.set((connection, last))
            try:
                yield connection
            finally:
                _ending.set(outer)
            for work in last:
                await work(connection)
            is_committing = True
    except Exception as error:
        if is_committing and classify(error) is Failure.UNAVAILABLE:
            reason = str(error) or type(error).__name__
            raise errors.StatementCompletionUnknownError(f"the commit was not answered: {reason}") from error
        raise


async def at_end(conn: Connection, work: LastWork) -> None:
    """Do `work` right before the commit of the `transaction` that `conn` is in; without one, at once.

    For what takes the last lock of the global order, however early in the transaction it is decided.
    """
    ending = _ending.get()
    if ending is not None and ending[0] is conn:
        ending[1].append(work)
    else:
        await work(conn)


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
    return await PatientPool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        setup=None,
        init=prepare_connection,
        loop=None,
        connect=connect,
        connection_class=PatientConnection,
        record_class=asyncpg.Record,
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
    # No amount of waiting makes a wrong host name right.
    return classify(error) is Failure.UNAVAILABLE and not isinstance(error.__cause__, socket.gaierror)
