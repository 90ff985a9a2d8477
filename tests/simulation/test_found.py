"""What the simulation has found, each as a story of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.simulation import books, run
from tests.simulation.life import Life
from tests.simulation.machine import Theatre
from tests.simulation.odds import Odds
from tests.simulation.people import ACCOUNTS, NEW
from tests.simulation.stripe import Stripe

NOBODY_LOOKED_SECONDS = 32 * 86_400
LEG = """
SELECT state, difference_minor, stripe_invoice_id FROM change_leg WHERE account_id = $1 AND leg = 'now'
"""
# One sum, one invoice, and one entry of the log.
COOKED = (
    "UPDATE quote SET due_today_minor = due_today_minor + 1 WHERE id = (SELECT min(id) FROM quote)",
    """
    UPDATE change_leg SET stripe_invoice_id = 'in_nobody'
     WHERE change_id = (SELECT min(change_id) FROM change_leg WHERE state = 'settled')
    """,
    "UPDATE audit_log SET actor = 'mallory' WHERE seq = 1 AND chain = (SELECT max(chain) FROM audit_log)",
)


@pytest.fixture(scope="module")
def _theatre() -> Iterator[None]:
    with run.theatre():
        yield


@pytest.mark.usefixtures("_theatre")
def test_a_first_purchase_that_is_read_back_late_is_compared_with_its_own_invoice() -> None:
    """The answer was lost, and nobody looked before the first renewal: that has another invoice."""
    Theatre.run(_read_back_after_the_renewal())


async def _read_back_after_the_renewal() -> None:
    stage = Theatre.stage
    await stage.begin(1)
    life = Life(stage, Odds(answers_lost=True), random.Random(1), Stripe(stage, stage.customers))
    await life.quote(ACCOUNTS.index(NEW), 1)
    await life.confirm(0, twice=False, crash=0)
    life.fault({"method": "POST", "path": "/v1/subscriptions", "when": "after", "reset": True})
    await life.work(0)
    life.stripe.credit(NEW, 300)

    await stage.pass_time(NOBODY_LOOKED_SECONDS)
    await life.sweep(0)
    await stage.pass_time(11)
    await life.sweep(0)

    row = await stage.pool.fetchrow(LEG, NEW)
    assert row is not None
    first = stage.twin.world.store["invoice"].docs[row["stripe_invoice_id"]]
    assert ("settled", 0, "subscription_create") == (*tuple(row)[:2], first["billing_reason"])


@pytest.mark.usefixtures("_theatre")
def test_cooked_books_are_seen() -> None:
    """A check that finds nothing in any run must be able to find something."""
    assert ["S13", "L5", "S19"] == [sentence.partition(":")[0] for sentence in Theatre.run(_cooked())]


async def _cooked() -> list[str]:
    stage = Theatre.stage
    await stage.begin(1)
    life = Life(stage, Odds(), random.Random(1), Stripe(stage, stage.customers))
    assert [] == await books.kept(life)
    async with stage.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        for statement in COOKED:
            await conn.execute(statement)
    return await books.kept(life)
