"""Single cases that the array has found wrong; each is told here by itself."""

from __future__ import annotations

import pytest

from tests.flows.pairwise.factors import FACTORS, Case, is_possible
from tests.flows.pairwise.test_pairs import play, renews_yearly
from tests.flows.world import World

PLAIN = {name: values[0] for name, values in FACTORS.items()} | {
    "band": "2500",
    "tier": "plus",
    "moment": "mid",
}

FOUND: dict[str, dict[str, str]] = {
    # The next invoice was promised for the end of the month that was left.
    "the year's next invoice comes in a year": {"change": "to_year", "approval": "now", "extra_seats": "1"},
    # Classic mode begins a new period at a second that no preview can name, so that no price can be kept.
    "no year at once in classic mode": {"change": "to_year", "approval": "now", "mode": "classic"},
    # Catalog amounts were promised, whatever discount, tax or balance there was.
    "staying costs what it did": {
        "change": "undo",
        "approval": "now",
        "discount": "percent",
        "tax": "exclusive",
        "balance": "credit",
    },
}


@pytest.mark.parametrize("name", FOUND)
async def test_once_wrong(world: World, name: str) -> None:
    """Asked for, promised, carried out and renewed like any case of the array."""
    case: Case = PLAIN | FOUND[name]
    assert is_possible(case)
    await play(world, [case], renews_yearly(case))
