"""Every SQL constant is understood by the server, and the hot ones keep using their indexes."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import handlers
import sync.store
from sync.store import (
    accounts,
    adoptions,
    calls,
    change_subscriptions,
    changes,
    findings,
    notices,
    nudges,
    promises,
    repairs,
    sweeps,
    usage,
)
from sync.store.db import Pool

pytestmark = pytest.mark.pg15

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|TRUNCATE)\b")
MODULES = [
    *(module.name for module in pkgutil.walk_packages(sync.store.__path__, "sync.store.")),
    *(
        module.name
        for module in pkgutil.walk_packages(handlers.__path__, "handlers.")
        if module.name.startswith(("handlers.inbox", "handlers.intake"))
    ),
]


def statements() -> Iterator[tuple[str, str]]:
    """Every upper-case constant that is SQL, by its full name."""
    for name in MODULES:
        for constant, value in vars(importlib.import_module(name)).items():
            if constant.isupper() and isinstance(value, str) and STATEMENT.match(value):
                yield f"{name}.{constant}", value


STATEMENTS = dict(statements())


def test_there_are_statements() -> None:
    """The search finds them: an empty list would test nothing."""
    assert len(STATEMENTS) > 50


async def test_server_understands_every_statement(pool: Pool) -> None:
    """Tables, columns and parameter types of every statement exist in the migrated schema."""
    broken = {}
    async with pool.acquire() as connection:
        for name, sql in STATEMENTS.items():
            try:
                await connection.prepare(sql)
            except Exception as error:  # all broken ones are reported together
                broken[name] = str(error)
    assert {} == broken


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (nudges.NUDGE_DUE, [10]),
        (changes.SELECT_OPEN_LEGS, [["acme"]]),
        (changes.SELECT_PAGE, [10, "acme", None]),
        (changes.SELECT_STEPS, [["chg_1"], 200]),
        (repairs.SELECT_DUE, [20]),
        (repairs.SELECT_OF_FINDINGS, [["fnd_1"], 20]),
        (repairs.SELECT_PAID_PRICES, ["sub_1", "acme"]),
        (promises.HAS_OPEN_NOW_LEG, ["acme"]),
        (promises.IS_BUYING, ["acme"]),
        (change_subscriptions.SELECT_SUBSCRIPTIONS, [["chg_1"]]),
        (calls.SELECT_NEWEST, ["acme", "customer"]),
        (notices.CLAIM_DUE, [80, 300.0]),
        (adoptions.SELECT_MOVED, [["sub_1"], [1_767_225_600]]),
        (adoptions.SELECT_OWNERS, [["cus_1"]]),
        (notices.SELECT_NEWEST, [50]),
        (notices.SELECT_GIVEN_UP, [50]),
        (accounts.SELECT_HISTORY, [["acme"], 20]),
        (findings.SELECT_NOT_OVER_OF_ACCOUNTS, [["acme"]]),
        (findings.SELECT_PAGE, [10, None, None, None, None]),
        (findings.COUNT_OPEN, []),
        (sweeps.UNSEEN_SUBSCRIPTIONS, [datetime(2026, 1, 8, tzinfo=UTC), "", 100]),
        (sweeps.UNSEEN_INVOICES, [datetime(2026, 1, 8, tzinfo=UTC), "", 100]),
        (sweeps.UNEXPLAINED, ["", 100]),
        (sweeps.UNEXPLAINED_OF_ACCOUNT, ["acme"]),
        (sweeps.LOST_CUSTOMERS, ["", 100]),
        (usage.SELECT_LEVELS, ["acme"]),
        (usage.SELECT_OUTGROWN, ["acme", datetime(2026, 1, 8, tzinfo=UTC), "", 100]),
        (usage.SELECT_OUTGROWN, [None, datetime(2026, 1, 8, tzinfo=UTC), "acme", 100]),
    ],
)
async def test_hot_query_uses_an_index(pool: Pool, sql: str, arguments: list[object]) -> None:
    """With sequential scans made expensive, the plan has none: an index serves the query."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {sql}", *arguments)
    assert "Seq Scan" not in "\n".join(row[0] for row in plan)
