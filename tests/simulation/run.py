"""Many runs, each from a seed of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.simulation import machine
from tests.simulation.machine import Machine, Theatre
from tests.simulation.stage import stage

STEPS = 50
QUIET = settings(
    # The first example is the simplest one, in which nothing happens.
    max_examples=2,
    stateful_step_count=STEPS,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Outcome:
    """What many runs came to; `failures` by seed."""

    runs: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return bool(self.runs) and not self.failures

    @property
    def line(self) -> str:
        broken = f", broken by seeds {sorted(self.failures)}" if self.failures else ", nothing broken"
        tally = machine.TALLY
        return (
            f"simulation: {self.runs} runs x {STEPS} steps in {self.seconds:.0f} s, "
            f"{tally['confirms']} confirmed, {tally['crashes']} crashes, {tally['events']} events{broken}"
        )


@contextmanager
def theatre() -> Iterator[None]:
    """The stage for all runs of this process; nobody reads its log."""
    with asyncio.Runner() as runner, _silence():
        loop = runner.get_loop()
        opened = stage()
        Theatre.loop, Theatre.stage = loop, loop.run_until_complete(opened.__aenter__())
        try:
            yield
        finally:
            loop.run_until_complete(opened.__aexit__(None, None, None))


@contextmanager
def _silence() -> Iterator[None]:
    known = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**known)


def one(number: int, machine: type[RuleBasedStateMachine] = Machine) -> None:
    """One run. Raises AssertionError with what is broken; hypothesis adds the steps that led to it."""
    Theatre.number = number
    with _its_own_numbers():
        run_state_machine_as_test(seeded(number)(machine), settings=QUIET)


@contextmanager
def _its_own_numbers() -> Iterator[None]:
    """Hypothesis likes to draw numbers from the sources of whatever is loaded: in another process, a seed
    would tell another story. So it is shown none, and remembers none of other runs."""
    with (
        mock.patch.object(providers, "_get_local_constants", Constants),
        mock.patch.object(providers, "CONSTANTS_CACHE", LRUCache(1024)),
    ):
        yield


def run_seeds(seeds: Sequence[int], until: float | None = None) -> Outcome:
    """These runs, or as many of them as time allows."""
    outcome, began, cpu = Outcome(), time.monotonic(), time.process_time()
    for number in seeds:
        if until is not None and time.monotonic() > until:
            break
        outcome.runs += 1
        try:
            one(number)
        except Exception as error:  # a run that fails must not hide the others
            outcome.failures[number] = f"{type(error).__name__}: {error}"
    outcome.seconds, outcome.cpu_seconds = time.monotonic() - began, time.process_time() - cpu
    return outcome


def run(seconds: float, seed: int) -> Outcome:
    """As many runs as time allows, from this seed on. Not to be called from inside an event loop."""
    with theatre():
        return run_seeds(range(seed, seed + 1_000_000), until=time.monotonic() + seconds)
