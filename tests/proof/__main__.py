"""`make proof SECONDS=n`: everything that must never happen, tried for as long as there is time.

A deployment under fire, the simulation, events in volume and hostile webhooks, each with its share of it.
The last line says what was tried, and what was lost or doubled; the exit code is 0 only if nothing was.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.proof import campaign, events, intake_fuzz, marked
from tests.proof.parts import Part, report
from tests.simulation import run as simulation
from tests.support import postgres
from worker import logs

# The parts of the time, and how many a second are worked off on two cores.
UNDER_FIRE, SIMULATED, IN_VOLUME, HOSTILE = 0.55, 0.2, 0.15, 0.1
EVENTS_A_SECOND, FUZZED_A_SECOND = 200, 600
LEAST = 3_000


def under_fire(seconds: float | None, changes: int | None, seed: int) -> Part:
    """Confirmed changes while PostgreSQL stops, workers die, calls fail and webhooks go astray."""
    found = asyncio.run(campaign.run(seconds, changes, seed))
    return Part(
        "under fire",
        f"{found.changes} confirmed changes",
        found.tried,
        found.seconds,
        found.is_clean,
        len(found.lost),
        len(found.doubled),
        len(found.unequal),
        found.problems,
    )


def simulated(seconds: float, seed: int) -> Part:
    """Histories of one process with its Stripe and its bad luck, each from a seed."""
    found = simulation.run(seconds, seed)
    problems = [f"simulation seed {number}: {why}" for number, why in found.failures.items()]
    what = f"{found.runs} simulated histories"
    tried = found.line.removeprefix("simulation: ")
    return Part("simulation", what, tried, found.seconds, found.is_clean, problems=problems)


def in_volume(seconds: float, seed: int) -> Part:
    """Events doubled, shuffled and dropped; and a backlog after an outage."""
    began = time.monotonic()
    found = asyncio.run(events.run(max(LEAST, int(seconds * EVENTS_A_SECOND)), seed))
    told, behind = found.deliveries, found.backlog
    return Part(
        "events",
        f"{told.sent} deliveries and a backlog of {behind.events} events",
        f"{told.sent} deliveries, {told.dropped} of {told.events} events dropped; a backlog of "
        f"{behind.events} in {behind.seconds:.1f} s with {behind.reads} reads",
        time.monotonic() - began,
        found.is_clean,
        lost=told.lost,
        unequal=told.unequal + behind.unequal,
        problems=[] if found.is_clean else found.line.splitlines(),
    )


def hostile(seconds: float, seed: int) -> Part:
    """Webhook requests that mean no good."""
    found = asyncio.run(intake_fuzz.run(max(LEAST, int(seconds * FUZZED_A_SECOND)), seed))
    what = f"{found.sent} fuzzed webhook requests"
    tried = f"{what}, {len(found.failures)} answers of 500, {found.grown_bytes / 2**20:+.0f} MB"
    problems = [] if found.is_clean else [found.line]
    return Part("intake", what, tried, found.seconds, found.is_clean, problems=problems)


def prove(seconds: float, changes: int | None, seed: int, *, full: bool) -> list[Part]:
    """Every part, one after the other; with `changes` only the first, for so many of them."""
    wanted: dict[str, Callable[[], Part]] = {"under fire": partial(under_fire, None, changes, seed)}
    if changes is None:
        wanted = {
            "under fire": partial(under_fire, seconds * UNDER_FIRE, None, seed),
            "simulation": partial(simulated, seconds * SIMULATED, seed),
            "events": partial(in_volume, seconds * IN_VOLUME, seed),
            "intake": partial(hostile, seconds * HOSTILE, seed),
        }
    if full:
        wanted["at size"] = marked.run
    return [_tried(name, part) for name, part in wanted.items()]


def _tried(name: str, part: Callable[[], Part]) -> Part:
    """A part's row, whatever happens to it: what cannot be tried has not held."""
    began = time.monotonic()
    try:
        found = part()
    except Exception as error:  # whatever it is, the verdict has to be told
        found = Part.broken(name, error, time.monotonic() - began)
    print(f"  {name}: {found.seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Print the verdict; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all parts together")
    parser.add_argument("--changes", type=int, help="only confirmed changes under fire, this many")
    parser.add_argument("--full", action="store_true", help="and every test that is marked proof")
    # The variable makes two runs alike, as far as real processes can be.
    seed = int(os.environ.get("PRORATA_TEST_SEED") or time.time())
    parser.add_argument("--seed", type=int, default=seed)
    given = parser.parse_args()
    logs.configure("console", "CRITICAL")
    print(f"seed {given.seed}: repeat with --seed {given.seed}", file=sys.stderr, flush=True)
    # Told to go, it takes its processes along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    postgres.begin_run()
    try:
        postgres.template_url()
        parts = prove(given.seconds, given.changes, given.seed, full=given.full)
    finally:
        postgres.end_run()
    print(report(parts, given.seed))
    return 0 if all(part.is_clean for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
