"""The wall clock and the stopwatch of this process: the only place where `sync` and the doors read time.

The billing clock of a customer (a test clock's frozen time, or Stripe's own) is another thing and never
comes from here: rules and flows take it as an argument.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def wall() -> datetime:
    """Return the present moment, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def wall_seconds() -> int:
    """Return the present moment in whole Unix seconds, rounded down, as Stripe writes its times."""
    return int(time.time())


def monotonic() -> float:
    """Return seconds that never go backwards, for durations only; the zero point means nothing."""
    return time.monotonic()
