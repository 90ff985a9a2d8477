"""A seed tells its story wherever it is run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.simulation import run

SEEDS = range(1, 11)


class Listing(RuleBasedStateMachine):
    """Draws numbers as the machine does, and keeps them."""

    drawn: list[int]

    @rule(number=st.integers(0, 2**40))
    def draw(self, number: int) -> None:
        self.drawn.append(number)


def test_a_seed_draws_the_same_whatever_else_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in `make proof` can be repeated in another process, which has imported other modules."""
    before = story()
    module = tmp_path / "many_numbers.py"
    module.write_text("".join(f"N{number} = {number}\n" for number in range(70_000, 71_000)))
    spec = importlib.util.spec_from_file_location(module.stem, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.stem, loaded)
    spec.loader.exec_module(loaded)
    assert before == story()


def story() -> list[int]:
    """Everything that the seeds draw."""
    Listing.drawn = []
    for seed in SEEDS:
        run.one(seed, Listing)
    return Listing.drawn
