"""Two hundred random increases in mid-cycle, by two workers of which one is killed on the way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import child
from tests.flows.increases import customers, increase_all
from tests.flows.world import World, whole_world

# A subscription is changed a few times only: the fuse counts by the real clock.
ACCOUNTS, ROUNDS, SEED = 40, 5, 20261123


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children."""
    async with whole_world(database_url, work=False) as made:
        made.patience = 10  # many ask at once
        yield made


@pytest.mark.timeout(300)
async def test_every_charge_is_the_quote_to_the_cent(world: World, tmp_path: Path) -> None:
    """1-599 s between quote and confirm: each line is the golden one, each change has one effect."""
    dice = random.Random(SEED)
    async with child(world, tmp_path, "work") as first, child(world, tmp_path, "work"):
        goldens = await customers(world, ACCOUNTS)
        settled: list[dict[str, Any]] = []
        for number in range(ROUNDS):
            if number == ROUNDS // 2:
                first.kill()
            settled += await increase_all(world, goldens, dice)
            await world.pass_time(dice.randint(1, 2 * 86_400))
    assert ACCOUNTS * ROUNDS == len(settled)
    assert {("settled", 0)} == {(change["state"], change["now"]["difference_minor"]) for change in settled}
    await _one_effect_each(world, settled)


async def _one_effect_each(world: World, changes: list[dict[str, Any]]) -> None:
    """The local Stripe's own ledger: one update a change, and one charge where something was due."""
    entries = (await world.control("GET", "ledger"))["data"]
    seen = Counter((entry["change_id"], entry["kind"]) for entry in entries)
    for change in changes:
        due = change["now"]["quoted"]["amount_minor"]
        assert 1 == seen[change["id"], "subscription_updated"]
        assert (1 if due else 0) == seen[change["id"], "charge"]
