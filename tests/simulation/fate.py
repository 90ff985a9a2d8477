"""What takes the place of chance and death in a simulated process."""

from __future__ import annotations

import random
from dataclasses import dataclass


class Crash(BaseException):
    """The process dies here: whatever was not committed is gone, and nobody tidies up."""


@dataclass
class Failpoints:
    """Dies at the so-manieth failpoint that is reached; 0: at none."""

    left: int = 0

    def reach(self, *point: str) -> None:
        """Stands in for `sync.failpoints.reach`, which would end this very process."""
        if self.left:
            self.left -= 1
            if not self.left:
                raise Crash(*point)


class Draws:
    """Stands in for `secrets` where ids of ours are made."""

    def __init__(self) -> None:
        self.dice = random.Random(0)

    def randbits(self, count: int) -> int:
        """As many random bits."""
        return self.dice.getrandbits(count)
