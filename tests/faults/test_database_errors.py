"""Fact F12: what the driver can raise. Each of its classes means something for the caller, on purpose."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import asyncpg
import pytest
from asyncpg import exceptions

from sync.store.db import TROUBLE, Failure, classify

RETRY, AWAY, CONFLICT, BAD, FATAL = (
    Failure.RETRY,
    Failure.UNAVAILABLE,
    Failure.CONFLICT,
    Failure.BAD_DATA,
    Failure.FATAL,
)

# By the class of the SQLSTATE: its first two characters.
BY_CLASS = {
    "03": FATAL,  # a statement that is not complete
    "08": AWAY,  # connection exceptions, also those that a pooler makes up
    "09": FATAL,  # a trigger
    "0A": FATAL,  # a feature that this server does not have
    "0B": FATAL,
    "0F": FATAL,
    "0L": FATAL,
    "0P": FATAL,
    "0Z": FATAL,
    "10": FATAL,
    "20": FATAL,
    "21": FATAL,
    "22": BAD,  # data exceptions: this row can never be stored
    "23": BAD,  # integrity
    "24": FATAL,
    "25": FATAL,  # the state of the transaction
    "26": FATAL,
    "27": FATAL,
    "28": FATAL,  # we are not let in
    "2B": FATAL,
    "2D": FATAL,
    "2F": FATAL,
    "34": FATAL,
    "38": FATAL,
    "39": FATAL,
    "3B": FATAL,
    "3D": FATAL,  # the database does not exist
    "3F": FATAL,
    "40": RETRY,  # rolled back because of others
    "42": FATAL,  # syntax and rights
    "44": BAD,
    "53": AWAY,  # disk, memory, connections
    "54": BAD,  # such as a text that no index can hold
    "55": FATAL,
    "57": AWAY,  # an operator, or a time-out
    "58": AWAY,  # the disk under the server
    "72": RETRY,
    "F0": FATAL,
    "HV": FATAL,
    "P0": FATAL,
    "XX": FATAL,  # a defect of the server, or broken files: a person has to look
}
# Those that mean something else than their class.
BY_STATE = {
    "0A000 InvalidCachedStatementError": RETRY,  # the schema moved under a plan
    "23505 UniqueViolationError": CONFLICT,
    "23P01 ExclusionViolationError": CONFLICT,
    "25006 ReadOnlySQLTransactionError": AWAY,  # a standby
    "25P03 IdleInTransactionSessionTimeoutError": AWAY,
    "25P04 TransactionTimeoutError": AWAY,
    "40003 StatementCompletionUnknownError": AWAY,
    "54001 StatementTooComplexError": FATAL,
    "54011 TooManyColumnsError": FATAL,
    "54023 TooManyArgumentsError": FATAL,
    "55P03 LockNotAvailableError": RETRY,
    "57P04 DatabaseDroppedError": FATAL,
}
# The driver's own, and the roots, which have no SQLSTATE.
BY_NAME = {
    "PostgresError": FATAL,
    "FatalPostgresError": FATAL,
    "UnknownPostgresError": FATAL,
    "InterfaceError": AWAY,  # a connection or a pool that is closed under the caller
    "ClientConfigurationError": FATAL,
    "UnsupportedClientFeatureError": FATAL,
    "UnsupportedServerFeatureError": FATAL,
    "DataError": BAD,  # what cannot even be encoded
    "InternalClientError": AWAY,  # "cannot switch to state": a connection that died in between
    "ProtocolError": AWAY,
    "OutdatedSchemaCacheError": RETRY,
    "TargetServerAttributeNotMatched": AWAY,  # a standby, where a primary was asked for
}


def classes() -> Iterator[type[BaseException]]:
    """Every exception that the driver defines."""
    found = {
        each for module in (asyncpg, exceptions) for each in vars(module).values() if inspect.isclass(each)
    }
    ours = (each for each in found if issubclass(each, Exception) and not issubclass(each, Warning))
    yield from sorted((each for each in ours if each.__module__.startswith("asyncpg")), key=repr)


def expected(kind: type[BaseException]) -> Failure | None:
    state = getattr(kind, "sqlstate", None)
    if state is None:
        return BY_NAME.get(kind.__name__)
    return BY_STATE.get(f"{state} {kind.__name__}", BY_CLASS.get(state[:2]))


def test_every_class_of_the_driver_is_classified_on_purpose() -> None:
    """A release of the driver that brings a new one fails here, until somebody has decided about it."""
    found = {kind: classify(kind.__new__(kind)) for kind in classes()}
    assert {kind: expected(kind) for kind in found} == found
    assert len(found) > 200


def test_nothing_in_the_table_is_out_of_date() -> None:
    """Whatever is listed by itself still exists."""
    states = {f"{getattr(kind, 'sqlstate', None)} {kind.__name__}" for kind in classes()}
    assert set(BY_STATE) <= states
    assert set(BY_NAME) <= {kind.__name__ for kind in classes()}


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        OSError("no route"),
    ],
    ids=repr,
)
def test_network_is_the_database_being_away(error: OSError) -> None:
    """The driver lets these through as they are."""
    assert Failure.UNAVAILABLE is classify(error)


def test_whatever_may_come_of_a_dead_connection_is_caught_where_life_goes_on() -> None:
    """The tuple that loops catch holds every class that means: later."""
    away = [
        kind for kind in classes() if classify(kind.__new__(kind)) in (Failure.RETRY, Failure.UNAVAILABLE)
    ]
    assert [] == [kind for kind in away if not issubclass(kind, TROUBLE)]


def test_defect_of_ours_is_no_database_that_is_away() -> None:
    """Otherwise it would be tried for ever, and nobody would hear of it."""
    assert {Failure.FATAL} == {classify(error) for error in (KeyError("x"), ValueError(), AssertionError())}
