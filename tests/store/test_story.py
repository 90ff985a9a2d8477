"""Whom an id belongs to is found by an index, however much has happened."""

from __future__ import annotations

import pytest

from sync.store import payments, story, story_about
from sync.store.db import Pool

pytestmark = pytest.mark.pg15

# An event is looked for in every month: the inbox is kept in the order of Stripe's seconds, not of ids.
OWNERS = {kind: sql for kind, sql in story.OWNERS.items() if kind != "event"}


async def plan(pool: Pool, sql: str, argument: object) -> str:
    """How the server would answer, with sequential reads made expensive."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", argument))


@pytest.mark.parametrize("kind", OWNERS)
async def test_the_owner_of_an_id_is_found_by_an_index(pool: Pool, kind: str) -> None:
    """Also of an invoice and of a Stripe request id."""
    assert "Seq Scan" not in await plan(pool, OWNERS[kind], "id_1")


@pytest.mark.parametrize("kind", story_about.ABOUT)
async def test_what_an_id_is_about_is_found_by_an_index(pool: Pool, kind: str) -> None:
    """The object, its invoice and its items."""
    assert "Seq Scan" not in await plan(pool, story_about.ABOUT[kind], "id_1")


@pytest.mark.parametrize("sql", [payments.CHARGES_OF, payments.INTENTS_OF], ids=["charges", "intents"])
async def test_the_payments_of_a_page_of_invoices_are_found_by_an_index(pool: Pool, sql: str) -> None:
    """A list of invoices costs what it shows."""
    assert "Seq Scan" not in await plan(pool, sql, ["in_1", "in_2"])
