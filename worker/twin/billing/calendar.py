"""Billing periods: they end on the anchor's day and time of day, or on the last day of a shorter month."""

from __future__ import annotations

import calendar
import functools
from datetime import UTC, datetime, timedelta

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


def advance(start: int, interval: str, count: int, anchor: int) -> int:
    """The end of the period that begins at `start` (Unix seconds); the anchor sets the day."""
    begin = datetime.fromtimestamp(start, UTC)
    if interval in DAYS:
        return int((begin + timedelta(days=DAYS[interval] * count)).timestamp())
    base = datetime.fromtimestamp(anchor, UTC)
    month = begin.month - 1 + MONTHS[interval] * count
    year, month = begin.year + month // 12, month % 12 + 1
    day = min(base.day, calendar.monthrange(year, month)[1])
    end = datetime(year, month, day, base.hour, base.minute, base.second, tzinfo=UTC)
    return int(end.timestamp())


@functools.lru_cache(maxsize=1024)
def day_of(moment: int) -> str:
    """`11 Oct 2026`, as Stripe writes the day of a proration."""
    return datetime.fromtimestamp(moment, UTC).strftime("%-d %b %Y")
