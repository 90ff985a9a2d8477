"""How unlucky a run is: drawn once, and often not at all."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Odds:
    """What may happen in a run. A kind of trouble that is off leaves the others to be seen alone."""

    lost: float = 0.0
    doubled: float = 0.0
    crashes: bool = False
    answers_lost: bool = False
    late: bool = False
    by_hand: bool = False
    stops: bool = False
    bank: bool = False
    skew: float = 0.0

    @classmethod
    def draw(cls, dice: random.Random) -> Odds:
        """Half of each kind is off."""

        def maybe(share: float = 0.5) -> bool:
            return dice.random() < share

        return cls(
            lost=0.15 if maybe(0.3) else 0.0,
            doubled=0.3 if maybe() else 0.0,
            crashes=maybe(),
            answers_lost=maybe(),
            late=maybe(0.4),
            by_hand=maybe(0.4),
            stops=maybe(0.3),
            bank=maybe(0.6),
            skew=dice.choice([-30.0, 30.0]) if maybe(0.3) else 0.0,
        )
