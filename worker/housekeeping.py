"""Once a day, by one worker of all: room for the events to come, and an end to what is too old to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handlers import inbox
from sync import clock, retention
from sync.retention import Keep

if TYPE_CHECKING:
    from sync.store.db import Pool
    from worker.config import Settings

# The present month and the two after it.
MONTHS_AHEAD = 3


def keep_of(settings: Settings) -> Keep:
    """For how long things are kept, by the settings."""
    return Keep(
        events_days=settings.keep_events_days,
        answers_days=settings.keep_answers_days,
        quotes_days=settings.keep_quotes_days,
    )


async def make_room(pool: Pool) -> None:
    """Make the inbox's partitions; without one of its own an event waits in the default partition."""
    await inbox.ensure_partitions(pool, clock.wall(), MONTHS_AHEAD)


async def keep_house(settings: Settings, pool: Pool) -> None:
    """The daily round."""
    await make_room(pool)
    await retention.prune(pool, keep_of(settings), clock.wall())
