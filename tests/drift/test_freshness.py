"""How fresh our picture of Stripe is, and who is told when it is not."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from sync import catch_up
from sync.reconcile import freshness, sweep
from sync.store import progress
from sync.store.db import Pool
from sync.telemetry import REGISTRY, LogEvent
from tests.faults.hands import Hands
from worker import doctor_truth
from worker.app import _catch_up, catch_up_for
from worker.findings import Status

AGED = "UPDATE progress SET updated_at = now() - make_interval(secs => $2) WHERE name = $1"


@pytest.mark.parametrize(
    ("age_seconds", "level", "status"),
    [(60, None, Status.OK), (16 * 60, "error", Status.WARN), (2 * 86_400, "critical", Status.WARN)],
)
async def test_catch_up_that_is_late_calls_somebody(
    pool: Pool, age_seconds: int, level: str | None, status: Status
) -> None:
    """After a quarter of an hour, and louder after a day, long before Stripe forgets its events."""
    assert Status.OK is (await doctor_truth.catch_up(pool)).status, "a fresh deployment is no trouble"
    await progress.save(pool, catch_up.NAME, {"created": 1})
    await pool.execute(AGED, catch_up.NAME, age_seconds)
    with capture_logs() as told:
        await freshness.watch(pool)
    late = [each["log_level"] for each in told if each["event"] == LogEvent.CATCH_UP_LATE]
    assert ([level] if level else []) == late
    assert status is (await doctor_truth.catch_up(pool)).status


async def test_catch_up_that_has_never_come_to_its_end_calls_somebody(pool: Pool) -> None:
    """A worker looks at it from its start: what never succeeded is late as well."""
    await freshness.watch(pool)
    assert Status.OK is (await doctor_truth.catch_up(pool)).status, "the worker has only just begun"
    await progress.save(pool, freshness.NAME, {"since_unix": 1})
    with capture_logs() as told:
        await freshness.watch(pool)
    assert [LogEvent.CATCH_UP_LATE] == [each["event"] for each in told]
    found = await doctor_truth.catch_up(pool)
    assert (Status.WARN, True) == (found.status, "never" in found.found)


async def test_a_sweep_that_does_not_come_to_its_end_calls_somebody(pool: Pool) -> None:
    """A day after the last that judged everything, or that should have been; every process tells when."""
    for position, late in (
        ({"since_unix": 1, "next_unix": 1}, 1),
        ({"since_unix": 1, "next_unix": 1, "judged_unix": 1_700_000_000}, 1),
        ({"since_unix": 1, "next_unix": 1, "judged_unix": 32_000_000_000}, 0),
    ):
        await progress.save(pool, sweep.NAME, position)
        with capture_logs() as told:
            await freshness.watch(pool)
        assert late == sum(each["event"] == LogEvent.SWEEP_LATE for each in told)
    await progress.save(pool, sweep.NAME, {"since_unix": 1, "next_unix": 1})
    assert Status.WARN is (await doctor_truth.sweep(pool)).status
    await progress.save(pool, sweep.BY_HAND, {"judged_unix": 31_000_000_000})
    assert Status.OK is (await doctor_truth.sweep(pool)).status, "one by hand counts"
    assert 32_000_000_000 == REGISTRY.get_sample_value("sweep_last_success_timestamp")


async def test_what_stripe_has_forgotten_wants_a_sweep(slow: Hands) -> None:
    """Only a comparison finds what happened before the oldest event that is still listed."""
    world = slow.world
    reader = catch_up_for(world.settings, world.billing, asyncio.Event())
    await _catch_up(world.billing, reader)
    assert None is await progress.position(world.billing.pool, sweep.NAME)
    await progress.save(world.billing.pool, catch_up.NAME, {"created": 1})
    await _catch_up(world.billing, reader)
    assert await sweep.Sweep(world.billing).run_due(60)
