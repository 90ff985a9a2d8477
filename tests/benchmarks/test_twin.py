"""The local Stripe by itself; `python -m tests.benchmarks.bench_twin 10000 --renew` gives more figures."""

from __future__ import annotations

import asyncio

import pytest

from tests.benchmarks.bench_twin import measure, process, start_seconds

pytestmark = pytest.mark.benchmark

SUBSCRIPTIONS = 300
START_SECONDS = 0.5
RESIDENT_MB = 150.0


def test_the_twin_starts_quickly() -> None:
    """Whoever starts it for a test does not wait for it."""
    took = start_seconds()

    print(f"\ntwin: listens after {took:.2f} s")
    assert took < START_SECONDS


def test_changes_and_previews_a_second() -> None:
    """Invoiced changes of four items, and previews of them, per second of the twin's own processor time."""
    with process() as twin:
        rates = asyncio.run(measure(twin, SUBSCRIPTIONS, renew=False))
        resident = twin.resident_mb()

    assert rates["changes"].processor > 150
    assert rates["previews"].processor > 150
    assert resident < RESIDENT_MB
