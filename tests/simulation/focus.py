"""Short runs about one kind of trouble: the acts of the machine, drawn from a seed with other weights.

The machine meets everything; these meet one thing often. They find in a second what the machine needs minutes
for, so each planted bug that concerns such trouble is caught by one of them.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.life import JUMPS, Life
from tests.simulation.odds import Odds
from tests.simulation.people import ACCOUNTS, WISHES
from tests.simulation.rest import come_to_rest
from tests.simulation.stage import Stage
from tests.simulation.stripe import ASKS, DECLINES, GOOD, Stripe
from tests.simulation.watch import Watch

_SUBSCRIPTIONS = "/v1/subscriptions*"
_LOST = [
    {"method": "POST", "path": path, "when": when, "reset": True}
    for path in (_SUBSCRIPTIONS, "/v1/subscription_schedules*")
    for when in ("before", "after")
]


@dataclass(frozen=True)
class Focus:
    """What is frequent; everything else of the odds is off."""

    odds: Odds
    acts: dict[str, float]
    steps: int = 16


FOCI = {
    # Answers get lost, and the deadline passes meanwhile.
    "unknown": Focus(Odds(answers_lost=True), {"fault": 4, "buy": 4, "time": 3, "sweep": 4, "hear": 2}),
    # A worker is held up, others take over, and some of them die.
    "late": Focus(
        Odds(late=True, crashes=True),
        {"order": 4, "hold_up": 4, "lapse": 3, "sweep": 4, "go_on": 2, "hear": 1},
        steps=24,
    ),
    # The bank says no, or asks; the payer answers, or does not.
    "bank": Focus(Odds(bank=True), {"card": 4, "buy": 5, "bank": 3, "withdraw": 2, "time": 2, "hear": 3}),
    # Something moves between the quote and its confirm.
    "stale": Focus(
        Odds(by_hand=True),
        {"quote": 4, "confirm": 4, "credit": 3, "time": 1, "others": 1, "sweep": 3, "hear": 2},
    ),
    # Processes die.
    "deaths": Focus(
        Odds(crashes=True), {"buy": 5, "deliver": 3, "apply": 3, "sweep": 3, "time": 2, "hear": 1}
    ),
    # On-call stops all writes, and lets them go on.
    "stops": Focus(Odds(stops=True), {"order": 4, "stop": 4, "sweep": 4, "time": 1, "hear": 2}),
}


async def run(stage: Stage, name: str, seed: int) -> list[str]:
    """One run; returns what is broken."""
    focus, dice = FOCI[name], random.Random(seed)
    await stage.begin(seed)
    life = Life(stage, focus.odds, dice, Stripe(stage, stage.customers))
    watch = Watch(life)
    await watch.begin()
    ways, weights = list(focus.acts), list(focus.acts.values())
    for _ in range(focus.steps):
        await ACTS[dice.choices(ways, weights)[0]](life, dice)
        life.gather()
        if broken := await watch.look():
            return broken
    return await come_to_rest(life) + await watch.look()


def _account(dice: random.Random) -> int:
    return dice.randrange(len(ACCOUNTS))


async def _fault(life: Life, dice: random.Random) -> None:
    life.fault(dict(dice.choice(_LOST)))


async def _order(life: Life, dice: random.Random) -> None:
    """A quote and its confirm; nobody has carried it out yet."""
    await life.quote(_account(dice), dice.randrange(WISHES))
    await life.confirm(0, twice=False, crash=0)


async def _stop(life: Life, dice: random.Random) -> None:
    await life.stop(on=dice.random() < 0.6, everybody=True, account=0)


async def _card(life: Life, dice: random.Random) -> None:
    life.stripe.card(ACCOUNTS[_account(dice)], dice.choice([GOOD, ASKS, DECLINES, DECLINES]))


async def _bank(life: Life, dice: random.Random) -> None:
    life.stripe.answer_bank(ACCOUNTS[_account(dice)], yes=dice.random() < 0.6)


async def _credit(life: Life, dice: random.Random) -> None:
    life.stripe.credit(ACCOUNTS[_account(dice)], dice.randint(1, 9) * 100)


async def _others(life: Life, dice: random.Random) -> None:
    await (life.replace_admin(0) if dice.random() < 0.5 else life.confirm_as_other(0))


ACTS: dict[str, Callable[[Life, random.Random], Awaitable[Any]]] = {
    "fault": _fault,
    "order": _order,
    "stop": _stop,
    "card": _card,
    "bank": _bank,
    "credit": _credit,
    "others": _others,
    "quote": lambda life, dice: life.quote(_account(dice), dice.randrange(WISHES)),
    "confirm": lambda life, dice: life.confirm(dice.randrange(2), twice=dice.random() < 0.2, crash=0),
    "buy": lambda life, dice: life.buy(_account(dice), dice.randrange(WISHES), dice.randrange(9)),
    "withdraw": lambda life, dice: life.withdraw(0, 0),
    "sweep": lambda life, dice: life.sweep(dice.randrange(5)),
    "hold_up": lambda life, dice: life.be_late(write=dice.random() < 0.6, before=dice.random() < 0.5),
    "go_on": lambda life, dice: life.go_on(),
    "hear": lambda life, dice: life.good_day(),
    "deliver": lambda life, dice: life.deliver(dice.randint(1, 8), 2, lost_commit=dice.randrange(3)),
    "apply": lambda life, dice: life.apply(dice.choice((0, 1, 1, 2))),
    "lapse": lambda life, dice: life.time(dice.choice((2, 2, 3))),
    "time": lambda life, dice: life.time(dice.randrange(1, len(JUMPS) - 4)),
}
