"""Billing periods: they end on the anchor's day and time of day, or on the last day of a shorter month."""

from __future__ import annotations

import calendar
import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.twin.errors import invalid

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}
# A price bills every three years at most; a phase of a schedule ends within the calendar.
LONGEST = {"day": 1095, "week": 156, "month": 36, "year": 3}
FARTHEST = {"day": 36_500, "week": 5_200, "month": 1_200, "year": 100}


def check_interval(given: dict[str, Any], where: str, longest: dict[str, int] = FARTHEST) -> None:
    """Raise unless the count is a positive number, and no longer than that."""
    count = given.get("interval_count", 1)
    if count < 1:
        raise invalid("This value must be greater than or equal to 1.", f"{where}[interval_count]")
    if count > longest[given["interval"]]:
        text = f"The maximum is {longest[given['interval']]} for `interval={given['interval']}`."
        raise invalid(text, f"{where}[interval_count]")


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
