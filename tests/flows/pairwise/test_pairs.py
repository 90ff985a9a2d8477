"""Every two things that can meet in a change do meet here, and each change is held against its promise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.flows.pairwise import checks, roads, stage
from tests.flows.pairwise.array import the_array
from tests.flows.pairwise.factors import TO_YEAR, Case
from tests.flows.pairwise.stage import Actor, Calendar, each, move_to
from tests.flows.world import World

SHARDS = 4
# The first cases of the array cover most: with so many of them two thousand pairs have met.
EVERY_TIME = 120


def renews_yearly(case: Case) -> bool:
    """Whether its next renewal may be a year away."""
    is_refused = case["mode"] == "classic" or case["payment"] not in ("good", "bank_paid")
    return case["interval"] == "year" or (case["change"] in TO_YEAR and not is_refused)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(SHARDS))
@pytest.mark.parametrize("is_year", [False, True], ids=["month", "year"])
async def test_two_thousand_pairs(world: World, is_year: bool, number: int) -> None:
    """The right decision, the quoted charge, the promised renewal, the bought terms; or nothing at all."""
    cases = [case for case in the_array()[:EVERY_TIME] if renews_yearly(case) is is_year]
    await play(world, cases[number::SHARDS], is_year)


@pytest.mark.proof
@pytest.mark.parametrize("is_year", [False, True], ids=["month", "year"])
async def test_every_other_pair(world: World, is_year: bool) -> None:
    """The same for the pairs that are left."""
    cases = [case for case in the_array()[EVERY_TIME:] if renews_yearly(case) is is_year]
    await play(world, cases, is_year)


async def play(world: World, cases: list[Case], is_year: bool) -> None:
    """One run of the calendar for many accounts at once."""
    calendar = Calendar.after((await world.control("GET", "clock"))["now"])
    await stage.coupons(world)
    actors = await stage.actors_of(world, cases)
    await _beginnings(world, calendar, actors)
    await each(actors, lambda actor: stage.ready(world, actor))
    await each(actors, lambda actor: roads.ask(world, actor))
    for moment in ("at_once", "later"):
        now = [actor for actor in actors if actor.case["confirm"] == moment]
        await each(now, lambda actor: roads.confirm(world, actor))
        await each(now, lambda actor: roads.end(world, actor))
        await world.pass_time(checks.QUOTE_AGE_SECONDS)
    await _unpaid(world, calendar, actors)
    await move_to(world, calendar.renewed(is_year))
    await world.pass_time(2 * 3600)
    await each(actors, lambda actor: checks.renewal(world, actor))
    if failures := [actor.failure for actor in actors if actor.failure is not None]:
        raise ExceptionGroup(f"{len(failures)} of {len(actors)} cases", failures)


async def _beginnings(world: World, calendar: Calendar, actors: list[Actor]) -> None:
    """Everybody buys on their own day."""
    for moment in sorted({calendar.begins(actor.case) for actor in actors}):
        await move_to(world, moment)
        await each(
            [actor for actor in actors if calendar.begins(actor.case) == moment],
            lambda actor: stage.begin(world, actor),
        )
    await move_to(world, calendar.change - timedelta(hours=4))
    earlier = [actor for actor in actors if actor.case["earlier"] == "increase"]
    await each(earlier, lambda actor: stage.earlier_increase(world, actor))
    await move_to(world, calendar.change)


async def _unpaid(world: World, calendar: Calendar, actors: list[Actor]) -> None:
    """A day later what nobody paid is over, and a good card is there for the renewal."""
    await move_to(world, calendar.change + timedelta(days=1))
    failed = [actor for actor in actors if not actor.story.is_paid]
    await each(failed, lambda actor: checks.given_up(world, actor))
    cards = [actor for actor in actors if actor.case["payment"] != "good"]
    await each(cards, lambda actor: world.card("pm_card_visa", actor.name))
