"""The state machine: runs of fifty steps, each from its own seed, and the seeds that once failed.

`python -m pytest tests/simulation -m proof -n 2` runs two hundred; `make proof` goes on as long as it may.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation import run
from tests.simulation.seeds import MACHINE

RUNS = 6
RUNS_OF_PROOF = 200


@pytest.fixture(scope="module")
def _theatre() -> Iterator[None]:
    with run.theatre():
        yield


@pytest.mark.usefixtures("_theatre")
def test_every_promise_holds_after_every_step() -> None:
    """Safety after each step; at the end, with all faults off, everything has ended, and ended right."""
    _hold(range(1, 1 + RUNS))


@pytest.mark.proof
@pytest.mark.usefixtures("_theatre")
def test_every_promise_holds_with_other_seeds() -> None:
    """The same again."""
    _hold(range(1_001, 1_001 + RUNS))


@pytest.mark.usefixtures("_theatre")
def test_what_once_failed_holds() -> None:
    """Every seed that ever failed."""
    _hold(MACHINE)


@pytest.mark.proof
@pytest.mark.usefixtures("_theatre")
@pytest.mark.parametrize("part", range(4))
def test_two_hundred_runs(part: int) -> None:
    """The size that was promised, a quarter at a time; prints how long it took."""
    first = 10_001 + part * RUNS_OF_PROOF // 4
    outcome = run.run_seeds(range(first, first + RUNS_OF_PROOF // 4))
    print(f"\n{outcome.line}; {outcome.cpu_seconds:.0f} s of CPU")
    assert outcome.is_clean, outcome.failures


def _hold(seeds: object) -> None:
    outcome = run.run_seeds(list(seeds))  # type: ignore[call-overload]
    assert outcome.is_clean, f"repeat with tests.simulation.run.one(seed): {outcome.failures}"
