"""The mirror alone: any order, doubles, losses and clocks that differ; in the end it equals Stripe.

Without loss the events and what they make us read are enough; what was never told needs one sweep.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

from handlers import inbox
from handlers.dispatch import EVENT_TYPES
from handlers.envelope import read_envelope
from handlers.intake import store_listed
from sync.catch_up import CatchUp
from sync.gateway import EventPage
from sync.mirror_rows import Kind
from sync.snapshot import is_deleted, render, snapshot
from sync.store import mirror_rows
from sync.store.db import transaction
from tests.simulation.admins import first_of
from tests.simulation.burst import PAUSES, Burst
from tests.simulation.stage import Stage, Told
from tests.simulation.wire import Hold

WAITING = "SELECT (SELECT count(*) FROM inbox WHERE state = 'waiting') + (SELECT count(*) FROM refresh)"
BURIED = "SELECT count(*) FROM inbox WHERE state = 'buried'"
HEADS = "SELECT id, kind, deleted_at IS NOT NULL AS deleted FROM stripe_object ORDER BY id"
ROUNDS = 60
INTERPLAY = {"act": 6, "time": 2, "deliver": 5, "apply": 4, "read": 2, "hold": 2, "release": 2}


@dataclass
class Listed:
    """Stripe's list of events, whose seconds are `skew` ahead of its Date header; some were never made."""

    stage: Stage
    skew: int
    never: frozenset[str]

    def stripe_now(self) -> int:
        return self.stage.billing.gateway.stripe_now()

    async def list_events(
        self, *, created_gte: int, starting_after: str | None = None, limit: int = 100
    ) -> EventPage:
        page = await self.stage.billing.gateway.list_events(
            created_gte=created_gte, starting_after=starting_after, limit=limit
        )
        told = [shifted(body, self.skew) for body in page.events if json.loads(body)["id"] not in self.never]
        return EventPage(told, page.has_more, page.last_id, page.date_unix)


def shifted(body: bytes, skew: int) -> bytes:
    """The event by another clock."""
    event: dict[str, Any] = json.loads(body)
    return json.dumps({**event, "created": event["created"] + skew}).encode()


async def after_a_burst(stage: Stage, seed: int, *, loss: bool, acts: int = 60) -> list[str]:
    """A burst, then its events in any order. Returns what is not as Stripe has it."""
    dice = random.Random(seed)
    await stage.begin(seed)
    burst = Burst(stage, dice)
    await burst.go(acts)
    stage.moment.skew = dice.choice((-30.0, 0.0, 30.0))
    skew = dice.choice((-30, 0, 30))
    stage.applier._batch = dice.choice((1, 3, 10, 200))
    told = stage.told
    never = frozenset(each.id for each in told if loss and dice.random() < 0.05)
    stream = [each for each in told if each.id not in never and not (loss and dice.random() < 0.1)]
    stream += dice.choices(stream, k=len(stream) // 5)
    dice.shuffle(stream)
    while stream:
        chunk, stream = stream[: dice.randint(1, 40)], stream[40:]
        await store(stage, chunk, skew)
        if dice.random() < 0.7:
            await stage.applier.run_once()
        if dice.random() < 0.3:
            await stage.refresh.run_once()
    await drain(stage)
    listed = Listed(stage, skew, never)
    await CatchUp(stage.pool, listed, store_listed(stage.pool), types=EVENT_TYPES).run_once(since_unix=1)
    await drain(stage)
    if loss:
        await stage.sweep()
        await drain(stage)
    return await differences(stage)


async def while_it_happens(stage: Stage, seed: int, steps: int = 70) -> list[str]:
    """Changes, deliveries and reads at the same time; some reads are answered and come home late."""
    dice = random.Random(seed)
    await stage.begin(seed)
    stage.moment.skew = dice.choice((-30.0, 0.0, 30.0))
    stage.applier._batch = dice.choice((1, 5, 200))
    burst, waiting, late = Burst(stage, dice), list[Told](), list[tuple[Hold, asyncio.Task[int]]]()
    for _ in range(steps):
        waiting += stage.told
        stage.told = []
        match dice.choices(list(INTERPLAY), list(INTERPLAY.values()))[0]:
            case "act":
                burst.one()
            case "time":
                await stage.pass_time(dice.choice(PAUSES))
            case "deliver":
                chosen = dice.sample(waiting, min(len(waiting), dice.randint(1, 12)))
                waiting = [each for each in waiting if each not in chosen or dice.random() < 0.2]
                await store(stage, chosen, 0)
            case "apply":
                await stage.applier.run_once()
            case "read":
                await stage.refresh.run_once(limit=3)
            case "hold":
                late += await _held_read(stage)
            case _ if late:
                hold, task = late.pop(0)
                hold.go_on.set()
                await task
    for hold, task in late:
        hold.go_on.set()
        await task
    await store(stage, waiting + stage.told, 0)
    await drain(stage)
    return await differences(stage)


async def while_it_is_read(stage: Stage, seed: int) -> list[str]:
    """One subscription is changed there and back within seconds, while it is being read."""
    dice = random.Random(seed)
    await stage.begin(seed)
    # One at a time, and in the order of their ids: that is any order.
    stage.applier._batch = 1
    burst, waiting = Burst(stage, dice), list[Told]()
    for _ in range(4):
        for _ in range(dice.randint(2, 4)):
            burst.stripe.edit_seats(dice.choice(("acme", "beta")), dice.randint(1, 3), invoice=False)
        stage.twin.world.rest()
        waiting, stage.told = waiting + stage.told, []
        dice.shuffle(waiting)
        late = await _held_read(stage) if dice.random() < 0.7 else []
        for _ in range(dice.randint(0, 2)):
            burst.stripe.edit_seats(dice.choice(("acme", "beta")), dice.randint(1, 3), invoice=False)
        stage.twin.world.rest()
        waiting, stage.told = waiting + stage.told, []
        await store(stage, waiting, 0)
        waiting = []
        while await stage.applier.run_once():
            pass
        for hold, task in late:
            hold.go_on.set()
            await task
        await stage.pass_time(dice.choice((0, 2, 40)))
    await drain(stage)
    return await differences(stage)


async def _held_read(stage: Stage) -> list[tuple[Hold, asyncio.Task[int]]]:
    """A read whose answer is on its way."""
    hold = Hold("GET", "/v1/", before=False)
    stage.wire.holds.append(hold)
    task = asyncio.create_task(stage.refresh.run_once(limit=1))
    await first_of(hold.reached, task)
    if task.done():
        stage.wire.holds.clear()
        return []
    return [(hold, task)]


async def store(stage: Stage, events: list[Told], skew: int) -> None:
    """Into the inbox, by whatever clock Stripe stamps its events."""
    bodies = [shifted(event.body, skew) if skew else event.body for event in events]
    await inbox.insert(stage.pool, [read_envelope(body) for body in bodies])


async def drain(stage: Stage) -> None:
    """Apply and read until nothing waits."""
    for _ in range(ROUNDS):
        while await stage.applier.run_once():
            pass
        await stage.refresh.run_once()
        if not await stage.pool.fetchval(WAITING):
            return
        await stage.pass_time(2)
    rows = [
        tuple(row)
        for row in await stage.pool.fetch("SELECT object_id, reason, attempts, last_error FROM refresh")
    ]
    raise AssertionError(f"the backlog does not end: {rows}")


async def differences(stage: Stage) -> list[str]:
    """What the mirror shows otherwise than Stripe, of every kind."""
    broken = ["events were buried"] if await stage.pool.fetchval(BURIED) else []
    heads = {row["id"]: row for row in await stage.pool.fetch(HEADS)}
    for kind in Kind:
        ids = [row["id"] for row in heads.values() if row["kind"] == kind]
        async with transaction(stage.pool) as conn:
            rows = await mirror_rows.load_rows(conn, kind, ids)
            children = await mirror_rows.load_children(conn, kind, ids)
        for object_id in ids:
            read = await stage.billing.gateway.read_object(kind, object_id)
            is_gone = read.body is None or is_deleted(read.body)
            if is_gone or read.body is None:
                if not heads[object_id]["deleted"]:
                    broken.append(f"{object_id} is gone at Stripe, and not here")
                continue
            if heads[object_id]["deleted"] or object_id not in rows:
                broken.append(f"{object_id} is there at Stripe, and not here")
                continue
            shown = snapshot(render(kind, read.body))
            if (shown.row, shown.children) != (rows[object_id], tuple(children.get(object_id, ()))):
                pairs = zip(shown.row._fields, shown.row, rows[object_id], strict=True)
                names = [name for name, theirs, ours in pairs if theirs != ours]
                broken.append(f"{object_id} differs in {', '.join(names) or 'its children'}")
    return broken
