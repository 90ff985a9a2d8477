"""Random deliveries never make the door fail; at size in `make proof FULL=1`."""

from __future__ import annotations

import pytest

from sync.store.db import Pool
from tests.intake.front import front
from tests.proof.intake_fuzz import Verdict, fuzz
from worker import logs


@pytest.mark.parametrize(
    ("count", "seed"), [(3_000, 1), pytest.param(100_000, 2, marks=pytest.mark.proof)], ids=["small", "full"]
)
async def test_fuzzed_deliveries_are_never_a_500(pool: Pool, count: int, seed: int) -> None:
    """Mutated bodies, signatures, headers and frames: refused or stored, and the memory stays flat."""
    logs.configure("json", "ERROR")
    async with front(pool) as door:
        verdict: Verdict = await fuzz(door, count, seed)
    print(f"\n{verdict.line}")

    assert verdict.failures == []
    assert verdict.is_clean, verdict.line
