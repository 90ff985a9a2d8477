"""What a report asks once for every part of it is answered by indexes."""

from __future__ import annotations

import pytest

from sync.store import reports
from sync.store.db import Pool


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (reports.LINES_OF, [["in_1"]]),
        (reports.EARLIER_LINES_OF, [["sub_1"], 1]),
        (reports.MONEY_OF, [["in_1"]]),
        (reports.LEGS_OF, [["acme"]]),
        (reports.TERMS_OF, [["acme"]]),
    ],
)
async def test_question_of_a_part_reads_no_whole_table(pool: Pool, sql: str, arguments: list[object]) -> None:
    """With sequential scans made expensive, the plan has none."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {sql}", *arguments)

    assert "Seq Scan" not in "\n".join(row[0] for row in plan)
