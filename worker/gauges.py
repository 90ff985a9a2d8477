"""What a process tells about the state that it sees: inbox, open changes, event loop, version."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from handlers import inbox
from sync import clock, switch, telemetry
from sync.gateway import STRIPE_API_VERSION
from sync.rules.drift import FindingKind
from sync.store import changes, findings, notices
from sync.store.db import TROUBLE, Pool

LAG_SECONDS: Final = 0.5
STATE_SECONDS: Final = 5.0


async def measure_state(pool: Pool, stop: asyncio.Event) -> None:
    """Every few seconds: how much waits, for how long. A database that is away shows elsewhere."""
    telemetry.BUILD_INFO.labels(version=version("prorata"), stripe_api=STRIPE_API_VERSION).set(1)
    while not await _stopped(stop, STATE_SECONDS):
        with suppress(*TROUBLE):
            telemetry.INBOX_OLDEST_SECONDS.set(await inbox.oldest_seconds(pool) or 0)
            telemetry.INBOX_DEPTH.labels(state="waiting").set(await inbox.waiting(pool))
            telemetry.INBOX_DEPTH.labels(state="buried").set(await inbox.buried(pool))
            telemetry.NOTICE_OLDEST_SECONDS.set((await notices.backlog(pool)).oldest_seconds)
            held = await switch.status(pool)
            telemetry.WRITES_STOPPED.set(int(held["all_accounts"] is not None))
            telemetry.ACCOUNTS_HELD.labels(why="stopped").set(len(held["accounts"]))
            telemetry.ACCOUNTS_HELD.labels(why="parked").set(held["parked_accounts"])
            telemetry.CHANGE_OPEN_AGE_SECONDS.set(await changes.oldest_open_seconds(pool) or 0)
            drift = await findings.open_by_kind(pool)
            for kind in FindingKind:
                telemetry.DRIFT_OPEN.labels(kind=str(kind)).set(drift.get(kind, 0))


async def measure_lag(stop: asyncio.Event) -> None:
    """How late the event loop runs its timers: above a few milliseconds somebody blocks it."""
    before = clock.monotonic()
    while not await _stopped(stop, LAG_SECONDS):
        now = clock.monotonic()
        telemetry.EVENT_LOOP_LAG_SECONDS.set(max(0.0, now - before - LAG_SECONDS))
        before = now


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, but not longer than until `stop`; returns whether it came."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
