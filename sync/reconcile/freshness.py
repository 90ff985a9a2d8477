"""How fresh our picture of Stripe is: when it was last caught up with, and when all was last compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from sync import catch_up, clock
from sync.reconcile import sweep
from sync.store import progress
from sync.store.db import Pool
from sync.telemetry import CATCH_UP_LAST_SUCCESS, SWEEP_LAST_SUCCESS, LogEvent

log = structlog.get_logger()

# Since when somebody watches, in table progress.
NAME: Final = "freshness"
# Catch-up runs once a minute; Stripe keeps events for 30 days.
CATCH_UP_LATE_SECONDS: Final = 15 * 60
CATCH_UP_LOST_SECONDS: Final = 86_400
SWEEP_LATE_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Freshness:
    """`caught_up_at` and `swept_at` are None before their first time; `swept_at` is when a sweep had judged
    everything. `watched_since` is when a worker first looked here, `sweeping_since` when the schedule first
    thought of a sweep; `under_way` is the pass and the tally of one that runs, `unjudged` what the last one
    could not judge."""

    caught_up_at: datetime | None
    watched_since: datetime | None
    swept_at: datetime | None
    sweeping_since: datetime | None
    under_way: dict[str, Any] | None
    unjudged: int

    def catch_up_age_seconds(self, now: datetime) -> float | None:
        """Since the last one, or since there should have been a first one; None before that."""
        last = self.caught_up_at or self.watched_since
        return (now - last).total_seconds() if last else None

    def sweep_age_seconds(self, now: datetime) -> float | None:
        """Since everything was last judged, or since there should have been a first sweep; None before."""
        last = self.swept_at or self.sweeping_since
        return (now - last).total_seconds() if last else None


async def freshness(pool: Pool) -> Freshness:
    """From our own tables only."""
    position = await progress.position(pool, sweep.NAME) or {}
    # One by hand tells as much as one that the schedule began.
    both = (position, await progress.position(pool, sweep.BY_HAND) or {})
    watched = await progress.position(pool, NAME) or {}
    ended = [each["last"] for each in both if each.get("last")]
    last = max(ended, key=lambda each: float(each["finished_unix"]), default=None)
    under_way = position.get("under_way")
    return Freshness(
        await progress.saved_at(pool, catch_up.NAME),
        _moment(watched.get("since_unix")),
        _moment(max(each.get("judged_unix", 0) for each in both)),
        _moment(position.get("since_unix")),
        {"pass": under_way["pass"], **under_way["tally"]} if under_way else None,
        last["tally"]["unjudged"] if last else 0,
    )


def _moment(unix: float | None) -> datetime | None:
    return datetime.fromtimestamp(unix, UTC) if unix else None


async def watch(pool: Pool) -> Freshness:
    """Tell the metrics, whichever process did the work, and call on-call when it was too long ago."""
    # Without this, a catch-up that has never come to its end would look like one that is not due yet.
    await progress.move(pool, NAME, None, {"since_unix": clock.wall_seconds()})
    found = await freshness(pool)
    if found.caught_up_at is not None:
        CATCH_UP_LAST_SUCCESS.set(found.caught_up_at.timestamp())
    if found.swept_at is not None:
        SWEEP_LAST_SUCCESS.set(found.swept_at.timestamp())
    now = clock.wall()
    caught_up, swept = found.catch_up_age_seconds(now), found.sweep_age_seconds(now)
    if caught_up is not None and caught_up > CATCH_UP_LOST_SECONDS:
        log.critical(LogEvent.CATCH_UP_LATE, age_seconds=int(caught_up))
    elif caught_up is not None and caught_up > CATCH_UP_LATE_SECONDS:
        log.error(LogEvent.CATCH_UP_LATE, age_seconds=int(caught_up))
    if swept is not None and swept > SWEEP_LATE_SECONDS:
        log.error(LogEvent.SWEEP_LATE, age_seconds=int(swept))
    return found
