"""Workers that die, sleep or are told to go, in real time and with real leases."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import judging
from tests.faults.places import BOUGHT, FEWER, Place
from tests.faults.processes import child, dies
from tests.faults.workers import Worker, worker
from tests.flows.world import World, whole_world
from tests.support.patience import ALLOWANCE_SECONDS

HALF_MONTH = 14 * 86_400
# The promise is twenty seconds.
RUN_AGAIN_SECONDS = 20.0 + ALLOWANCE_SECONDS
GRACE_SECONDS = 25


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def bought(world: World, folder: Path, count: int = 1) -> list[Place]:
    """Accounts in the middle of their month."""
    await world.sell(BOUGHT)
    places = [Place(world, f"acme{number}", folder) for number in range(count)]
    async with worker(world.settings, folder):
        await asyncio.gather(*(place.buy() for place in places))
    await world.pass_time(HALF_MONTH)
    return places


async def is_right(place: Place) -> None:
    """It happened once, and as promised."""
    change = await place.change()
    assert "settled" == change["state"], change["now"]
    ledger = judging.by_change((await place.world.control("GET", "ledger"))["data"])
    assert [] == judging.faults(change, ledger[change["id"]])


async def is_stopped(sleeper: Worker) -> bool:
    """Whether it has stopped itself."""
    stat = Path(f"/proc/{sleeper.pid}/stat").read_text()  # noqa: ASYNC240  no disk is behind it
    return stat.rpartition(")")[2].split()[0] == "T"


async def test_a_killed_worker_s_job_is_run_again_within_20_seconds(world: World, tmp_path: Path) -> None:
    """Processes as they run in production; one dies with Stripe's answer in its hands, another one lives."""
    [place] = await bought(world, tmp_path)
    async with child(world, tmp_path, "work", "send.after_call") as doomed:
        await place.more()
        await dies(doomed)
    died = time.monotonic()
    async with child(world, tmp_path, "work"):
        await place.until(lambda change: change["state"] in ("applied", "settled"))
        assert time.monotonic() - died < RUN_AGAIN_SECONDS
        await place.until(lambda change: change["state"] == "settled")
    await is_right(place)


@pytest.mark.parametrize("point", ["send.before_call", "send.after_call", "settle.after_commit"])
async def test_a_worker_that_wakes_late_changes_nothing(world: World, tmp_path: Path, point: str) -> None:
    """It is stopped for longer than its lease; another worker finishes; then it goes on where it was."""
    [place] = await bought(world, tmp_path)
    async with worker(world.settings, tmp_path, f"{point}:stop") as sleeper:
        await place.more()
        await world.eventually(lambda: is_stopped(sleeper))
        await place.hurry()
        async with worker(world.settings, tmp_path):
            await place.until(lambda change: change["state"] == "settled")
            before = await place.change()
            sleeper.signal(signal.SIGCONT)
            sleeper.signal(signal.SIGTERM)
            assert 0 == await sleeper.ended(GRACE_SECONDS)
    assert before == await place.change()
    await is_right(place)


async def test_a_worker_that_wakes_after_the_deadline_charges_nothing(world: World, tmp_path: Path) -> None:
    """It sleeps right before the call leaves; meanwhile the change has expired, and stays so."""
    [place] = await bought(world, tmp_path)
    async with worker(world.settings, tmp_path, "send.before_call:stop") as sleeper:
        await place.more()
        await world.eventually(lambda: is_stopped(sleeper))
        late = "UPDATE change_leg SET apply_deadline_at = now() - interval '1 s' WHERE account_id = $1"
        await place.execute(late)
        async with worker(world.settings, tmp_path):
            await place.hurry()
            await place.until(lambda change: change["now"]["state"] == "applying")

            async def has_expired() -> bool:
                await place.hurry_alone()
                return bool((await place.change())["state"] == "expired")

            await world.eventually(has_expired)
        sleeper.signal(signal.SIGCONT)
        sleeper.signal(signal.SIGTERM)
        assert 0 == await sleeper.ended(GRACE_SECONDS)
    assert "expired" == (await place.change())["state"]
    assert [] == await world.effects(place.change_id, "charge")
    assert [] == await world.effects(place.change_id, "subscription_updated")


async def test_sigterm_in_the_middle_of_its_jobs_loses_none(world: World, tmp_path: Path) -> None:
    """A redeploy: told to go while Stripe answers slowly, it ends what it holds, others the rest."""
    places = await bought(world, tmp_path, 6)
    slow = {"method": "POST", "path": "/v1/subscriptions/*", "slow_seconds": 1.5, "times": -1}
    await world.control("POST", "faults", slow)
    async with worker(world.settings, tmp_path) as old, worker(world.settings, tmp_path):
        for place in places:
            await place.more()
        await places[0].until(lambda change: change["state"] != "confirmed")
        old.signal(signal.SIGTERM)
        assert 0 == await old.ended(GRACE_SECONDS)
        for place in places:
            await place.until(lambda change: change["state"] == "settled")
    for place in places:
        await is_right(place)


async def test_a_purchase_and_the_promise_before_it_survive_a_death(world: World, tmp_path: Path) -> None:
    """Five seats are promised and an add-on is paid; the worker dies before the promise is written anew.
    Until then the old schedule leads to the old seats; the renewal brings both."""
    await world.sell(BOUGHT, replace(BOUGHT, contact_limit=2500))
    [place] = await bought(world, tmp_path)
    async with worker(world.settings, tmp_path):
        await place.confirm(FEWER)
        await place.until(lambda change: change["at_renewal"]["state"] == "scheduled")
    async with worker(world.settings, tmp_path, "apply.after_commit") as doomed:
        await place.confirm({"contact_limit": 2500})
        await doomed.dies()
    [schedule] = await place.schedules()
    running = schedule["current_phase"]["start_date"]
    assert 2 == sum(phase["start_date"] >= running for phase in schedule["phases"])
    await place.hurry()
    async with worker(world.settings, tmp_path):
        await place.until(lambda change: change["at_renewal"]["state"] == "scheduled")
        item = (await world.subscription(place.account))["items"]["data"][0]
        now = (await world.control("GET", "clock"))["now"]
        await world.pass_time(item["current_period_end"] - now + 2 * 3600)
        await place.until(lambda change: change["at_renewal"]["state"] == "settled")
    terms = (await world.view(place.account))["terms"]
    assert (5, 2500) == (terms["seats"], terms["contact_limit"])
    assert [] == await place.schedules()


async def test_a_change_that_kills_every_worker_keeps_nobody_else_from_theirs(
    world: World, tmp_path: Path
) -> None:
    """Three workers die of the same change; each try is counted before it is made, and others settle."""
    poisoned, healthy = await bought(world, tmp_path, 2)
    await poisoned.more()
    for _ in range(3):
        async with worker(world.settings, tmp_path, "send.before_call") as doomed:
            await doomed.dies()
        await poisoned.hurry()
    attempts = "SELECT attempts FROM change_leg WHERE change_id = $1"
    assert 3 <= await world.billing.pool.fetchval(attempts, poisoned.change_id)
    await healthy.more()
    async with worker(world.settings, tmp_path):
        await healthy.until(lambda change: change["state"] == "settled")
        await poisoned.until(lambda change: change["state"] == "settled")
    for place in (poisoned, healthy):
        await is_right(place)


async def test_row_81_a_full_disk_for_the_log_stops_nobody(world: World, tmp_path: Path) -> None:
    """Every line of the log fails to be written: the worker goes on, and the change settles."""
    [place] = await bought(world, tmp_path)
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "work.log").symlink_to("/dev/full")
    async with worker(world.settings, folder):
        await place.more()
        await place.until(lambda change: change["state"] == "settled")
    await is_right(place)


async def test_row_81_a_log_that_nobody_reads_stops_nobody(world: World, tmp_path: Path) -> None:
    """The pipe of the log is full: the worker goes on, the change settles, and it stops when it is told."""
    [place] = await bought(world, tmp_path)
    folder = tmp_path / "full"
    folder.mkdir()
    os.mkfifo(folder / "work.log")
    pipe = os.open(folder / "work.log", os.O_RDWR | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"x" * 4096)
        async with worker(world.settings, folder) as unheard:
            await place.more()
            await place.until(lambda change: change["state"] == "settled")
            unheard.signal(signal.SIGTERM)
            assert 0 == await unheard.ended()
    finally:
        os.close(pipe)
    await is_right(place)
