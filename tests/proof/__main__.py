"""`make proof SECONDS=n`: random increases while workers die and answers get lost.

The last line is the verdict; the exit code is 0 only if it held.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.processes import child
from tests.flows.increases import customers, increase_all
from tests.flows.world import World, whole_world
from tests.support import postgres
from worker import logs

ACCOUNTS, ROUNDS, WORKERS = 10, 6, 2
# Answers that are lost before or after the effect; each hits one call.
FAULTS: list[dict[str, Any]] = [
    {"reset": True, "when": "before"},
    {"reset": True, "when": "after"},
    {"status": 500, "when": "after"},
    {"status": 503, "when": "before"},
    {"status": 429},
]


@dataclass(slots=True)
class Tally:
    """What was tried, and what went wrong."""

    changes: int = 0
    kills: int = 0
    faults: int = 0
    doubled: int = 0
    lost: int = 0
    unequal: int = 0
    states: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not (self.doubled or self.lost or self.unequal) and self.changes > 0

    def verdict(self, seconds: float) -> str:
        word = "HELD" if self.is_clean else "BROKEN"
        return (
            f"{word}: {self.changes} changes in {seconds:.0f} s under {self.kills} kills and {self.faults} "
            f"lost answers: {self.doubled} doubled, {self.lost} lost, {self.unequal} not equal to their quote"
        )


async def main(seconds: float, seed: int) -> Tally:
    """Campaigns, each in a fresh world, until the time is over; at least one."""
    dice, tally, started = random.Random(seed), Tally(), time.monotonic()
    while not tally.changes or time.monotonic() - started < seconds - 20:
        async with postgres.fresh_database(postgres.template_name()) as url:
            with tempfile.TemporaryDirectory() as folder:
                async with whole_world(url, work=False) as world:
                    await campaign(world, Path(folder), dice, tally)
        print(
            f"  {time.monotonic() - started:4.0f} s  {tally.changes} changes, {tally.kills} kills", flush=True
        )
    return tally


async def campaign(world: World, folder: Path, dice: random.Random, tally: Tally) -> None:
    """Rounds of increases while a worker dies now and then and some answers are lost."""
    changes: list[dict[str, Any]] = []
    async with workers(world, folder, dice, tally):
        goldens = await customers(world, ACCOUNTS)
        for _ in range(ROUNDS):
            await lose_answers(world, dice, tally)
            changes += await increase_all(world, goldens, dice, wait_seconds=150)
            await world.pass_time(dice.randint(1, 2 * 86_400))
    await judge(world, changes, tally)


async def lose_answers(world: World, dice: random.Random, tally: Tally) -> None:
    """Two of the next updates lose their answer."""
    for _ in range(2):
        fault = {"method": "POST", "path": "/v1/subscriptions/*", "times": 1, **dice.choice(FAULTS)}
        await world.control("POST", "faults", fault)
        tally.faults += 1


@asynccontextmanager
async def workers(world: World, folder: Path, dice: random.Random, tally: Tally) -> AsyncIterator[None]:
    """Workers of which one is killed every few seconds, and replaced at once."""
    tasks = [asyncio.create_task(_mortal(world, folder, dice, tally)) for _ in range(WORKERS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _mortal(world: World, folder: Path, dice: random.Random, tally: Tally) -> None:
    while True:
        async with child(world, folder, "work") as process:
            # Long enough to start and to do something; then the power is cut.
            await asyncio.sleep(dice.uniform(4, 12))
            process.kill()
            tally.kills += 1


async def judge(world: World, changes: list[dict[str, Any]], tally: Tally) -> None:
    """The local Stripe's own ledger is the oracle of "exactly once"."""
    entries = (await world.control("GET", "ledger"))["data"]
    seen = Counter((entry["change_id"], entry["kind"]) for entry in entries)
    for change in changes:
        tally.changes += 1
        tally.states[change["state"]] += 1
        effects = seen[change["id"], "subscription_updated"]
        charges = seen[change["id"], "charge"]
        tally.doubled += effects > 1 or charges > 1
        tally.lost += effects == 0 or change["state"] != "settled"
        tally.unequal += change["now"]["difference_minor"] != 0


def run() -> int:
    """Print the verdict; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    logs.configure("console", "ERROR")
    print(f"seed {given.seed}: repeat with --seed {given.seed}")
    postgres.begin_run()
    started = time.monotonic()
    try:
        postgres.template_url()
        tally = asyncio.run(main(given.seconds, given.seed))
    finally:
        postgres.end_run()
    print(f"states: {dict(tally.states)}")
    print(tally.verdict(time.monotonic() - started))
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(run())
