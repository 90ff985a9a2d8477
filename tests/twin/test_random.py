"""Random requests, good, wild and malformed, with faults, repeats and jumps in time: the twin never breaks.

What must hold is in `fuzz/invariants.py` and `conservation.py`; a failure shows the seed, what was sent last,
and how to run that history alone. `make proof` runs more of it (`test_random_proof.py`).
"""

from __future__ import annotations

import pytest

from tests.twin.fuzz.invariants import broken_history, lost_on_disk
from tests.twin.fuzz.run import History
from worker.twin import contract, forms
from worker.twin.operations import OPERATIONS

SEEDS = range(50)
STEPS = 100


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_breaks_whatever_happens(seed: int) -> None:
    """No 500, no failing due work, sound books, a true story in the events, and all of it after a restart."""
    history = await History(seed).run(STEPS)
    history.fail(broken_history(history.world))
    history.fail(lost_on_disk(history.world, history.twin.keys))
    assert history.failures == [], history.report()


async def test_one_seed_gives_one_history() -> None:
    """The same seed and the same requests give the same ids, effects and events, byte for byte."""
    first, second = await History(5).run(80), await History(5).run(80)
    assert first.log == second.log
    assert first.world.ledger.effects == second.world.ledger.effects
    for kind, table in first.world.store.tables.items():
        assert list(table.docs.items()) == list(second.world.store[kind].docs.items())


async def test_room_for_objects_changes_nothing() -> None:
    """A twin that packs every object as soon as it may tells the same story as one that packs none."""
    logs = []
    for limit in (0, 10_000):
        history = History(7)
        history.world.store.room.limit = limit
        logs.append((await history.run(120)).log)
    assert logs[0] == logs[1]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_fuzz_can_ask_for_everything(operation: str) -> None:
    """From the schema of each operation, new ones included, come forms that its contract accepts."""
    history = History(3)
    await history.begin()
    forms_made = (forms.flatten(history.filler.request(operation)[1]) for _ in range(60))
    assert any(not contract.decode(operation, pairs)[1] for pairs in forms_made)
