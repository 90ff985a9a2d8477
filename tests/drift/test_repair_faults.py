"""A repair whose answer is lost, or whose process dies: once, or honestly not at all."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sync.reconcile.repair_sides import Side
from sync.reconcile.shown import show
from sync.store import repairs
from tests.drift.edits import (
    BY,
    PRO,
    money,
    more_seats,
    posts,
    prices,
    repair,
    set_item,
    under,
)
from tests.drift.repairing import AGAIN, again, stored
from tests.faults.hands import Hands
from tests.faults.processes import child, environment
from tests.flows.world import World

SUBSCRIPTION = "/v1/subscriptions/*"
ROOT = Path(__file__).parents[2]
MANY_SECONDS = 3


async def seats(world: World) -> int:
    return sum(quantity for key, quantity in (await world.items()).items() if ":seats:" in key)


@pytest.mark.parametrize(
    "fault",
    [
        {"when": "after", "reset": True},
        {"when": "before", "reset": True},
        {"when": "after", "garbage": True, "status": 200},
        {"when": "after", "status": 500},
        {"when": "before", "status": 401},
        {"when": "before", "status": 429, "reason": "resource-specific"},
    ],
    ids=["lost after", "lost before", "unreadable", "a stored 500", "key refused", "limited"],
)
async def test_whatever_is_answered_it_is_done_once(slow: Hands, fault: dict[str, Any]) -> None:
    """Read back first; what did not happen goes out again under the same key. No money moves."""
    world = slow.world
    finding = await more_seats(world)
    before = await money(world)
    await slow.fault(method="POST", path=SUBSCRIPTION, **fault)
    found = await repair(world.billing, finding.id, **BY, wait_seconds=0)
    while found["state"] == "repairing":
        await again(world)
        found = await show(world.billing, finding.id)
    assert ("repaired", 0) == (found["state"], await seats(world))
    assert 1 == len(await under(world, f"repair:{finding.id}:1"))
    assert before == await money(world)


async def test_an_error_that_did_nothing_leaves_it_open_with_the_reason(slow: Hands) -> None:
    """Stripe keeps the error under the key for a day; the next repair has a key of its own."""
    world = slow.world
    finding = await more_seats(world)
    await slow.fault(method="POST", path=SUBSCRIPTION, status=400)
    found = await repair(world.billing, finding.id, **BY)
    assert ("open", "failed", 7) == (found["state"], found["repairs"][0]["outcome"], await seats(world))
    assert "Nothing was changed or charged" in found["repairs"][0]["detail"]
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert 1 == len(await under(world, f"repair:{finding.id}:2"))


async def test_what_moved_before_the_send_is_not_overwritten(slow: Hands) -> None:
    """Another item is edited between the yes and the wire: the call that was agreed to does not leave."""
    world = slow.world
    await world.sell(PRO)
    finding = await more_seats(world)
    await stored(slow, finding.id)
    await set_item(world, "base", price=(await prices(world, PRO))["base"], quantity=1)
    await age_calls(world)
    sent = await posts(slow)
    await again(world)
    found = await show(world.billing, finding.id)
    assert ("open", 7, sent) == (found["state"], await seats(world), await posts(slow))
    assert "has moved" in found["repairs"][0]["detail"]
    assert 2 == len(found["dry_run"]["calls"][0]["body"]["items"])


async def age_calls(world: World) -> None:
    """What left without an answer can be nowhere any more."""
    await world.billing.pool.execute("UPDATE stripe_call SET last_sent_at = now() - interval '2 minutes'")


async def test_edited_back_by_hand_nothing_is_sent(slow: Hands) -> None:
    """What is right by itself needs no call any more."""
    world = slow.world
    finding = await more_seats(world)
    await stored(slow, finding.id)
    await set_item(world, "seats", quantity=0)
    sent = await posts(slow)
    await again(world)
    assert ("repaired", sent) == ((await show(world.billing, finding.id))["state"], await posts(slow))


async def test_after_its_time_nothing_leaves(slow: Hands) -> None:
    """Nobody's subscription is edited hours after somebody said yes."""
    world = slow.world
    finding = await more_seats(world)
    await stored(slow, finding.id)
    await world.billing.pool.execute("UPDATE repair SET expires_at = now()")
    sent = await posts(slow)
    await again(world)
    assert "repairing" == (await show(world.billing, finding.id))["state"]
    await age_calls(world)
    await again(world)
    found = await show(world.billing, finding.id)
    assert ("open", 7, sent) == (found["state"], await seats(world), await posts(slow))
    assert "its time was over" in found["repairs"][0]["detail"]


@pytest.mark.parametrize(("status", "is_over"), [(404, False), (500, True)])
async def test_without_a_read_it_ends_with_its_time_at_the_latest(
    slow: Hands, status: int, is_over: bool
) -> None:
    """What Stripe does not know is given up at once, what it does not show when the time is over; never while
    the call may be on its way. Until then it keeps all changes of the account waiting."""
    world = slow.world
    finding = await more_seats(world)
    await stored(slow, finding.id)
    if is_over:
        await world.billing.pool.execute("UPDATE repair SET expires_at = now()")
    await slow.fault(method="GET", path=SUBSCRIPTION, status=status, times=-1)
    await again(world)
    state = "SELECT state FROM finding"
    assert "repairing" == await world.billing.pool.fetchval(state), "its call may have left a moment ago"
    await age_calls(world)
    await again(world)
    assert "open" == await world.billing.pool.fetchval(state)
    detail = await world.billing.pool.fetchval("SELECT detail FROM repair")
    assert "could not be read" in detail
    assert "took effect" in detail


async def test_a_look_that_fails_leaves_a_trace(slow: Hands) -> None:
    """Who asked for it, and why it came to nothing, stands with the finding and in the audit log."""
    world = slow.world
    finding = await more_seats(world)
    await slow.fault(method="GET", path="/v1/customers/*", status=403, times=-1)
    found = await repair(world.billing, finding.id, **BY, side=Side.REFRESH)
    [kept] = found["repairs"]
    assert ("open", "failed", "olga") == (found["state"], kept["outcome"], kept["actor"])
    assert "could not be looked at" in kept["detail"]
    told = "SELECT count(*) FROM audit_log WHERE act = 'repair.failed' AND actor = 'olga'"
    assert 1 == await world.billing.pool.fetchval(told)


async def test_late_process_sends_nothing(slow: Hands) -> None:
    """Held up between look and wire until somebody else has taken over: its call does not leave."""
    world = slow.world
    finding = await more_seats(world)
    held = slow.hold_up_write()
    late = asyncio.create_task(repair(world.billing, finding.id, **BY, wait_seconds=0))
    await held.reached.wait()
    [repair_id] = await world.billing.pool.fetch("SELECT id FROM repair")
    await world.billing.pool.execute("UPDATE repair SET leased_until = '-infinity'")
    other = await repairs.lease(world.billing.pool, repair_id["id"])
    assert other is not None
    sent = await posts(slow)
    held.go_on.set()
    await late
    assert (sent, 7) == (await posts(slow), await seats(world))
    assert not await repairs.may_send(world.billing.pool, replace(other, fence=other.fence - 1))


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.proof), "after"])
async def test_killed_at_the_call_a_worker_goes_on(slow: Hands, tmp_path: Path, when: str) -> None:
    """SIGKILL while the call is on the wire: resumed from what is stored, one effect, no money."""
    world = slow.world
    finding = await more_seats(world)
    before = await money(world)
    await slow.fault(method="POST", path=SUBSCRIPTION, when=when, slow_seconds=MANY_SECONDS)
    process = await command(world, "drift", "repair", finding.id, "--yes")
    await world.eventually(lambda: is_sent(world))
    process.kill()
    await process.wait()
    await world.control("DELETE", "faults")
    assert "repairing" == (await show(world.billing, finding.id))["state"]

    async def repaired() -> bool:
        return bool((await show(world.billing, finding.id))["state"] == "repaired")

    await world.billing.pool.execute(AGAIN)
    async with child(world, tmp_path, "work"):
        await world.eventually(repaired)
    assert 0 == await seats(world)
    assert 1 == len(await under(world, f"repair:{finding.id}:1"))
    assert before == await money(world)


async def is_sent(world: World) -> bool:
    faults = await world.control("GET", "faults")
    sent = await world.billing.pool.fetchval(
        "SELECT count(*) FROM stripe_call WHERE step = 'repair' AND sends > 0"
    )
    return bool(sent) and not faults["planned"]


async def command(world: World, *words: str) -> asyncio.subprocess.Process:
    """The real command, in a process of its own."""
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.DEVNULL)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker", *words, env=environment(world), cwd=ROOT, **quiet
    )
