"""One world for all cells, and a stock of accounts in every state."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio
import structlog

from tests.flows.states.flows import Flow, purchase
from tests.flows.states.place import Place, matrix_world, new_place
from tests.flows.states.states import BEFORE_THE_PURCHASE, OF_THE_CUSTOMER, Maker
from tests.flows.world import World


@dataclass(slots=True)
class Stock:
    """Accounts by state. One that only refused is as good as new; one that changed is given away."""

    world: World
    kept: dict[tuple[Maker, bool], Place] = field(default_factory=dict)

    async def take(self, state: Maker, flow: Flow) -> Place:
        """An account in this state; for a first purchase one that did not buy here."""
        key = (state, flow is purchase)
        if key not in self.kept:
            self.kept[key] = await _made(self.world, state, flow)
        return self.kept[key]

    def give_away(self, state: Maker, flow: Flow) -> None:
        """The account may not be in that state any more."""
        del self.kept[(state, flow is purchase)]

    def put_back(self, state: Maker, flow: Flow, place: Place) -> None:
        """It is."""
        self.kept[(state, flow is purchase)] = place


async def _made(world: World, state: Maker, flow: Flow) -> Place:
    place = await new_place(world)
    if flow is purchase:
        if state not in OF_THE_CUSTOMER:
            await place.buy_elsewhere()
    elif state not in BEFORE_THE_PURCHASE:
        await place.buy()
    await state(place)
    return place


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stock(template_database: str) -> AsyncIterator[Stock]:
    """The stock of a module's world. Thousands of log lines would take longer than the flows."""
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with matrix_world(template_database) as world:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        yield Stock(world)
    structlog.configure(**configured)
