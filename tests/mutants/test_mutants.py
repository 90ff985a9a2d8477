"""Each planted bug is caught by a seed on which the product as it is passes. The table is `CAUGHT`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests.mutants import catching
from tests.mutants.patches import MUTANTS
from tests.simulation import run

# The bug, what catches it, and the seed that does.
CAUGHT = {
    "no_stored_key": ("runs about unknown", 1),
    "fresh_key_on_time_out": ("runs about unknown", 1),
    "ack_before_commit": ("runs about deaths", 5),
    "quantity_omitted": ("runs about unknown", 5),
    "guard_per_table": ("the mirror after a burst", 5),
    "at_least_as_new": ("the mirror after a burst", 1),
    "tombstone_ignored": ("the mirror after a burst", 3),
    "older_applied": ("the mirror after a burst", 1),
    "preview_not_repeated": ("runs about stale", 1),
    "fence_not_checked": ("runs about late", 4),
    "replayed_after_the_deadline": ("runs about unknown", 4),
    "not_voided_on_decline": ("runs about bank", 4),
    "promised_before_payment": ("runs about unknown", 1),
    "finished_before_its_effects": ("runs about deaths", 31),
    "refresh_without_generation": ("the mirror while it is read", 6),
    "anybody_confirms": ("runs about stale", 6),
    "admin_not_asked_again": ("runs about stale", 10),
    "expired_quote_confirmed": ("runs about stale", 6),
    "stop_only_at_the_confirm": ("runs about stops", 3),
    "dead_lease_kept": ("runs about deaths", 2),
    "terms_before_payment": ("runs about unknown", 1),
    "doubt_believed": ("the mirror while it is read", 45),
}


@pytest.fixture(scope="module")
def _theatre() -> Iterator[None]:
    with run.theatre():
        yield


def test_every_mutant_has_its_row() -> None:
    """A bug that is planted and not looked for proves nothing."""
    assert set(MUTANTS) == set(CAUGHT)
    assert all(seed in catching.SEEDS for _, seed in CAUGHT.values())


@pytest.mark.usefixtures("_theatre")
@pytest.mark.parametrize("mutant", CAUGHT)
def test_the_mutant_is_caught(mutant: str) -> None:
    """The seed passes, and fails once the bug is planted.

    Where processes die beside one another the machine has a say too: then it is another one of the fifty.
    """
    way, seed = CAUGHT[mutant]
    caught = next((each for each in (seed, *catching.SEEDS) if catching.look(way, each, mutant)), None)
    assert caught is not None
    assert () == passes(way, caught)


@cache
def passes(way: str, seed: int) -> tuple[str, ...]:
    """What is broken without a bug; some bugs share a seed."""
    return tuple(catching.look(way, seed))


@pytest.mark.proof
@pytest.mark.usefixtures("_theatre")
@pytest.mark.parametrize("way", sorted({way for way, _ in CAUGHT.values()}))
def test_the_product_passes_on_all_fixed_seeds(way: str) -> None:
    """None of the fifty seeds cries wolf."""
    assert {} == {seed: broken for seed in catching.SEEDS if (broken := catching.look(way, seed))}


@pytest.mark.proof
@pytest.mark.usefixtures("_theatre")
@pytest.mark.parametrize("mutant", CAUGHT)
def test_the_mutant_is_found_by_searching(mutant: str) -> None:
    """Nobody has to know the seed: one of the first fifty finds it."""
    assert catching.search(mutant, CAUGHT[mutant][0]) is not None
