"""SIGKILL on each side of every commit and call of a change: it happens once and as promised, or not at all.

One account for each place. Each one's worker dies there, and the change is left as it lies; then, before,
during or after a renewal, another worker finds all of them. `make proof FULL=1` has every place with each
of the three; here the seed PRORATA_TEST_SEED says which of them a place has.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults import judging
from tests.faults.places import BOUGHT, DAY, FREEZE, Place
from tests.faults.stories import AT_RENEWAL, LATER, NOW, Story
from tests.faults.workers import worker
from tests.flows.world import World, whole_world

SEED = int(os.environ.get("PRORATA_TEST_SEED", "0"))
HALF_MONTH = 14 * DAY
# Stripe bills a renewal within an hour.
RENEWED = 2 * 3600
# Doors that are asked for too much at once shed the load, as they should.
BUYERS_AT_ONCE = 4


class When(StrEnum):
    """When the renewal comes."""

    LATER = "before a renewal"
    MEANWHILE = "during a renewal"
    JUST_NOW = "after a renewal"


class Case(NamedTuple):
    """A place to die at, and whose change dies there."""

    point: str
    story: Story
    place: Place


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children that may die."""
    async with whole_world(database_url, work=False) as made:
        made.patience = 10  # many ask at once
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("stories", [NOW, LATER], ids=["now", "at renewal"])
@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.proof)], ids=["a third", "all"])
async def test_whoever_dies_it_happens_once(
    world: World, tmp_path: Path, stories: tuple[Story, ...], when: When, share: int
) -> None:
    """A worker dies at every place in turn; the next one carries each change to its proper end."""
    places = _places(stories)[(list(When).index(when) + SEED) % share :: share]
    cases = await _prepared(world, tmp_path, places, just_renewed=when is When.JUST_NOW)
    for case in cases:
        await case.story.begin(case.place)
        await _dies_at_its_place(case)
    if when is When.MEANWHILE:
        await _renew(world, cases)
    await _recovered(world, tmp_path, cases)
    await _judge(cases, is_renewed=when is When.MEANWHILE)


async def test_whoever_dies_a_renewal_is_seen_once(world: World, tmp_path: Path) -> None:
    """The promised renewal comes while nobody works, and worker after worker dies while it takes note."""
    cases = await _prepared(world, tmp_path, _places(AT_RENEWAL), just_renewed=False)
    for case in cases:
        await case.story.begin(case.place)
        await case.place.execute(FREEZE)
    await _renew(world, cases)
    for case in cases:
        await case.place.hurry()
        await _dies_at_its_place(case)
    await _recovered(world, tmp_path, cases)
    await _judge(cases, is_renewed=False)


def _places(stories: tuple[Story, ...]) -> list[tuple[Story, str]]:
    return [(story, point) for story in stories for point in story.points]


async def _prepared(
    world: World, folder: Path, places: list[tuple[Story, str]], *, just_renewed: bool
) -> list[Case]:
    """An account for each place, in the middle of a month or right after its renewal."""
    await world.sell(BOUGHT)
    cases = [
        Case(point, story, Place(world, f"acme{number}", folder))
        for number, (story, point) in enumerate(places)
    ]
    gate = asyncio.Semaphore(BUYERS_AT_ONCE)

    async def buy(place: Place) -> None:
        async with gate:
            await place.buy()

    async with worker(world.settings, folder):
        await asyncio.gather(*(buy(case.place) for case in cases))
        if just_renewed:
            await _renew(world, cases)
        await world.pass_time(DAY if just_renewed else HALF_MONTH)
        await asyncio.gather(*(case.story.prepare(case.place) for case in cases))
    return cases


async def _dies_at_its_place(case: Case) -> None:
    place = case.place
    async with worker(place.world.settings, place.folder, case.point) as doomed:
        await doomed.dies()
    await place.execute(FREEZE)


async def _renew(world: World, cases: list[Case]) -> None:
    item = (await world.subscription(cases[0].place.account))["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + RENEWED)


async def _recovered(world: World, folder: Path, cases: list[Case]) -> None:
    """Workers that live, until every change has ended or stands as a promise."""
    async with worker(world.settings, folder), worker(world.settings, folder):
        await asyncio.gather(*(case.place.hurry() for case in cases))
        await asyncio.gather(*(_ended(case) for case in cases))


async def _ended(case: Case) -> None:
    then = asyncio.create_task(case.story.then(case.place))
    deadline = asyncio.get_running_loop().time() + 60
    while (found := judging.is_on_its_way(await case.place.change())) or not then.done():
        assert asyncio.get_running_loop().time() < deadline, (case.point, found)
        await asyncio.sleep(0.3)
        await case.place.hurry_alone()
    await then


async def _judge(cases: list[Case], *, is_renewed: bool) -> None:
    """By the local Stripe's ledger, and by how the story has to end, with a renewal in between or without."""
    ledger = judging.by_change((await cases[0].place.world.control("GET", "ledger"))["data"])
    problems = []
    for case in cases:
        change = await case.place.change()
        found = judging.faults(change, ledger.get(change["id"], []))
        state = (change["now"] or change["at_renewal"])["state"]
        if state not in case.story.ends_after(case.point, is_renewed=is_renewed):
            found.append(f"{change['id']}: {state}")
        schedules = await case.place.schedules()
        if len(schedules) != (state == "scheduled"):
            found.append(f"{len(schedules)} schedules")
        problems += [f"{case.story.name}, dead at {case.point}: {problem}" for problem in found]
    assert problems == []
