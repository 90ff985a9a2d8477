"""The SQL of the doors: each statement can be prepared, and the one of every request uses its index."""

from __future__ import annotations

from types import ModuleType

import pytest

from sync.store import api_keys, idempotency
from sync.store.db import Pool


def statements(module: ModuleType) -> dict[str, str]:
    """Return the SQL constants of a store."""
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


@pytest.mark.parametrize("module", [api_keys, idempotency], ids=["api_keys", "idempotency"])
async def test_every_statement_can_be_prepared(pool: Pool, module: ModuleType) -> None:
    """The server knows every table, column and type that a statement names."""
    async with pool.acquire() as connection:
        for statement in statements(module).values():
            await connection.prepare(statement)


@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        (api_keys.FIND, [b"hash"], "api_key_key_hash_key"),
        (idempotency.LOOK, ["principal", "key"], "idempotency_answer_pkey"),
    ],
)
async def test_the_statements_of_every_request_use_their_index(
    pool: Pool, statement: str, arguments: list[object], index: str
) -> None:
    """Looking up a key or an answer does not read the table."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {statement}", *arguments)

    assert index in "\n".join(row[0] for row in plan)
