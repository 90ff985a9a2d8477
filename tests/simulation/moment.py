"""The one clock of a simulation. It stands still unless somebody moves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

# In the middle of a month, far from any change of the clocks.
BEGINNING = 1_773_050_400


@dataclass(slots=True)
class Moment:
    """Unix seconds. `skew` is how far our own machine is ahead of the rest of the world."""

    unix: float = BEGINNING
    skew: float = 0.0

    def world(self) -> float:
        """What Stripe's clock and the database's say."""
        return self.unix

    def ours(self) -> datetime:
        """What `sync.clock.wall` says."""
        return datetime.fromtimestamp(self.unix + self.skew, UTC)

    def our_second(self) -> int:
        """What `sync.clock.wall_seconds` says."""
        return int(self.unix + self.skew)
