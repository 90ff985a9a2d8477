"""The statements that every write and every quote ask: one index look each."""

from __future__ import annotations

import pytest

from sync.store import switches
from sync.store.db import Pool


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (switches.MAY_WRITE, ["chg_1", "now", 1, True, False]),
        (switches.SELECT_SENT_TO, ["/v1/subscriptions/sub_1"]),
        (switches.COUNT_PARKED, []),
        (switches.COUNT_ON_THE_WIRE, []),
        (switches.COUNT_WAITING, []),
    ],
    ids=["may_write", "sent_to", "parked", "on_the_wire", "waiting"],
)
async def test_large_tables_are_not_read_through(pool: Pool, sql: str, arguments: list[object]) -> None:
    """With sequential scans made expensive, only the stop switch itself, a row or none, is read whole."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {sql}", *arguments)
    scans = [row[0] for row in plan if "Seq Scan" in row[0] and "write_stop" not in row[0]]
    assert [] == scans


async def test_one_switch_for_all_and_one_for_each(pool: Pool) -> None:
    """Stopping twice is one row, and only what was stopped is let go."""
    await pool.execute(
        "INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email) "
        "VALUES ('acme', 'a@a.example', 'Acme', 'en', 'usd', 'ada', 'a@a.example')"
    )
    moved = [await switches.stop(pool, whose, "olga", "why") for whose in (None, None, "acme", "acme")]
    assert [True, False, True, False] == moved
    assert {None, "acme"} == {row.account_id for row in await switches.stops(pool)}
    assert [True, False] == [await switches.go(pool, None) for _ in range(2)]
    [left] = await switches.stops(pool)
    assert "acme" == left.account_id
