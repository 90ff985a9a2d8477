"""Volumes of events at size; `make proof` has smaller ones. Nothing is lost, the mirror is as Stripe is."""

from __future__ import annotations

import pytest

from tests.proof.backlog import backlog
from tests.proof.deliveries import deliveries

pytestmark = pytest.mark.proof

SIZE = 100_000


async def test_doubled_shuffled_and_dropped_deliveries_lose_nothing(database_url: str) -> None:
    """What was never delivered is found in Stripe's list; every object ends as it is there."""
    found = await deliveries(database_url, SIZE, seed=1)
    print(f"\n{found.line}")

    assert (found.lost, found.unequal) == (0, 0)
    assert found.is_clean, found.line


async def test_a_backlog_is_worked_off_beside_confirms(database_url: str) -> None:
    """Only what cannot be proven is read, once each, and an admin does not wait for the backlog."""
    found = await backlog(database_url, SIZE, seed=1)
    print(f"\n{found.line}")

    assert found.unequal == 0
    assert found.is_clean, found.line
