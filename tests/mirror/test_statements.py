"""Every statement is valid, and the hot ones use their index."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import inbox
from handlers.inbox import desk, retries
from sync.store import mirror, mirror_rows, progress, refresh
from sync.store.db import Pool


def constants(module: object) -> list[str]:
    """The upper-case SQL texts of a module."""
    return [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]


STATEMENTS = [
    text
    for module in (inbox, desk, retries, mirror, progress, refresh)
    for text in constants(module)
    if text.lstrip().split(" ", 1)[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}
]


async def test_every_statement_can_be_prepared(pool: Pool) -> None:
    """PostgreSQL knows every table, column and type that our texts name."""
    assert len(STATEMENTS) > 25
    async with pool.acquire() as conn:
        for text in STATEMENTS + mirror_rows.statements():
            await conn.prepare(text)


def scans(plan: dict[str, Any], table: str) -> list[str]:
    """How a plan reads one table: the node types, wherever they stand."""
    own = [plan["Node Type"]] if plan.get("Relation Name") == table and "Scan" in plan["Node Type"] else []
    return own + [each for part in plan.get("Plans", []) for each in scans(part, table)]


@pytest.mark.parametrize(
    "statement",
    [inbox.CLAIM_BATCH, retries.DUE_RETRIES, inbox.OLDEST_WAITING],
    ids=["claim", "retries", "oldest"],
)
async def test_the_backlog_is_found_by_its_index(pool: Pool, statement: str) -> None:
    """However long the history grows, looking for work costs only what waits."""
    await pool.execute(
        "INSERT INTO inbox (id, created, type, body, source, state, finished_at) "
        "SELECT 'evt_' || n, extract(epoch FROM '2031-05-05'::timestamptz)::bigint + n, 't', '', 'webhook', "
        "'finished', now() FROM generate_series(1, 5000) n; "
        "SELECT ensure_inbox_partitions('2031-05-05', 1); ANALYZE inbox"
    )

    explained = await pool.fetchval(f"EXPLAIN (FORMAT json) {inbox.limited(statement, 200)}")

    used = scans(explained[0]["Plan"], "inbox_2031_05")
    assert used
    assert set(used) <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


async def test_partitions_are_made_once_and_take_what_waited(pool: Pool) -> None:
    """An event of an odd month waits in the default partition, and moves when its month gets one."""
    await pool.execute(
        "INSERT INTO inbox (id, created, type, body, source) "
        "VALUES ('evt_1', extract(epoch FROM '2031-05-05'::timestamptz)::bigint, 't', '', 'webhook')"
    )

    made = await pool.fetchval("SELECT ensure_inbox_partitions('2031-04-30', 3)")
    again = await pool.fetchval("SELECT ensure_inbox_partitions('2031-04-30', 3)")

    assert (made, again) == (3, 0)
    assert await pool.fetchval("SELECT count(*) FROM inbox_2031_05") == 1
