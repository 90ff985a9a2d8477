"""The mirror under any order, doubles, losses and clocks that differ; every run comes from a seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mirror.builders import event, item, subscription, updated
from tests.mirror.conftest import Bench
from tests.simulation import mirrored, run
from tests.simulation.machine import Theatre

RUNS = 8
RUNS_OF_PROOF = 300


@pytest.fixture(scope="module")
def _theatre() -> Iterator[None]:
    with run.theatre():
        yield


def _of_burst(seed: int, *, loss: bool) -> list[str]:
    return list(Theatre.run(mirrored.after_a_burst(Theatre.stage, seed, loss=loss)))


@pytest.mark.usefixtures("_theatre")
def test_without_loss_no_sweep_is_needed() -> None:
    """Shuffled, doubled, by clocks half a minute apart: events and the reads they cause are enough."""
    assert {} == _broken(RUNS // 2, lambda seed: _of_burst(seed, loss=False))


@pytest.mark.usefixtures("_theatre")
def test_after_losses_one_sweep_is_enough() -> None:
    """Some events never arrived, and some were never made: catch-up and one sweep find everything."""
    assert {} == _broken(RUNS // 2, lambda seed: _of_burst(seed, loss=True))


@pytest.mark.usefixtures("_theatre")
def test_changes_while_events_and_reads_are_on_their_way() -> None:
    """Answers that come home late never win over what happened meanwhile."""
    assert {} == _broken(RUNS, lambda seed: list(Theatre.run(mirrored.while_it_happens(Theatre.stage, seed))))


@pytest.mark.usefixtures("_theatre")
def test_there_and_back_within_seconds_while_it_is_read() -> None:
    """Seed 45 once ended with an older quantity: a doubt was taken for the beginning of a proof."""
    seeds = [*range(RUNS), 45]
    ended = {seed: Theatre.run(mirrored.while_it_is_read(Theatre.stage, seed)) for seed in seeds}
    assert {} == {seed: broken for seed, broken in ended.items() if broken}


@pytest.mark.proof
@pytest.mark.usefixtures("_theatre")
def test_many_more_of_each() -> None:
    """The same at size."""
    for seed in range(1_000, 1_000 + RUNS_OF_PROOF):
        assert [] == _of_burst(seed, loss=seed % 2 == 0), seed
        assert [] == Theatre.run(mirrored.while_it_happens(Theatre.stage, seed)), seed
        assert [] == Theatre.run(mirrored.while_it_is_read(Theatre.stage, seed)), seed


async def test_what_is_in_doubt_proves_nothing(bench: Bench) -> None:
    """Truly 1, 2, 3, 1 in one second and 2, 1 in a later one; what arrives fits together by accident."""
    created = event(
        subscription("sub_1", item(quantity=1)), "customer.subscription.created", event_id="evt_0"
    )
    await bench.deliver(created, updated("evt_1", 10, now=2, was=1))
    await bench.deliver(updated("evt_3", 10, now=1, was=3))
    assert {"sub_1"} == set(await bench.doubts())

    await bench.deliver(updated("evt_5", 12, now=1, was=2))
    await bench.deliver(updated("evt_4", 12, now=2, was=1))

    assert 1 == await bench.quantity()


def _broken(runs: int, one: object) -> dict[int, list[str]]:
    assert callable(one)
    ended = {seed: one(seed) for seed in range(runs)}
    return {seed: broken for seed, broken in ended.items() if broken}
