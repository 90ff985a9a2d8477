"""Deliveries in volume, doubled, shuffled and dropped: what never came is caught up, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from handlers.dispatch import EVENT_TYPES, Dispatcher
from handlers.envelope import read_envelope
from handlers.intake import store_listed
from sync.catch_up import CatchUp
from sync.mirror import Mirror
from sync.refresh import Refresh
from sync.store import refresh as wishes
from sync.store.db import Pool, create_pool
from tests.intake.front import Front, front, request, signed
from tests.mirror.builders import VERSION
from tests.proof.stripe_source import Source, gateway, serving, source, unequal
from worker.applier import Applier
from worker.twin.server import TwinSettings, start

DOUBLED, SHUFFLED, DROPPED = 0.2, 0.1, 0.05
CONNECTIONS = 32
EVENTS_OF_ONE = 10
# Counting them all, as often as this asks, would be work that the product does not have.
WAITING = "SELECT EXISTS (SELECT FROM inbox WHERE state = 'waiting')"
ACKNOWLEDGED = b'{"received": true}'


@dataclass(slots=True)
class Deliveries:
    """What was delivered, and what became of it; `p99` is that of an acknowledgement in seconds."""

    sent: int = 0
    events: int = 0
    dropped: int = 0
    caught_up: int = 0
    lost: int = 0
    unequal: int = 0
    p99: float = 0
    seconds: float = 0

    @property
    def is_clean(self) -> bool:
        """Whether exactly what was dropped had to be caught up: more would be lost behind a 200."""
        return not self.lost and not self.unequal and self.caught_up == self.dropped > 0

    @property
    def line(self) -> str:
        return (
            f"{'HELD' if self.is_clean else 'BROKEN'}: {self.sent} deliveries of {self.events} events in "
            f"{self.seconds:.0f} s (20 % doubled, 10 % shuffled, {self.dropped} dropped and "
            f"{self.caught_up} caught up): {self.lost} lost, {self.unequal} objects unequal; "
            f"acknowledged p99 {self.p99 * 1000:.0f} ms at {self.sent / max(self.seconds, 0.001):.0f}/s"
        )


def stream(told: Source, count: int, dice: random.Random) -> tuple[list[int], set[int]]:
    """The places of the events in the order of their deliveries, and of those that are never delivered."""
    everything = range(len(told.events))
    dropped = set(dice.sample(everything, int(len(everything) * DROPPED)))
    planned = [float(place) for place in everything if place not in dropped]
    doubled = dice.choices(planned, k=max(0, count - len(planned)))
    moved = set(dice.sample(range(len(planned)), int(len(planned) * SHUFFLED)))
    whole = len(everything)
    due = [(dice.uniform(0, whole) if n in moved else place, int(place)) for n, place in enumerate(planned)]
    due += [(min(whole, place + dice.uniform(0, whole / 4)), int(place)) for place in doubled]
    return [place for _, place in sorted(due)], dropped


async def deliveries(url: str, count: int, seed: int) -> Deliveries:
    """So many deliveries to the product on this database."""
    twin = await start(TwinSettings())
    events = int(count / (1 + DOUBLED - DROPPED))
    told = await source(twin.base_url, events, events // EVENTS_OF_ONE, 0, seed)
    pool = await create_pool(url, min_size=2, max_size=10)
    async with serving(told, twin.base_url) as address:
        found = await _deliver(pool, told, address, count, seed)
    await pool.close()
    await twin.close()
    return found


async def _deliver(pool: Pool, told: Source, url: str, count: int, seed: int) -> Deliveries:
    """Deliver through the door while an applier works; then catch up, read what is doubted, and compare."""
    order, dropped = stream(told, count, random.Random(seed))
    found = Deliveries(len(order), len(told.events), len(dropped))
    stripe = gateway(url)
    async with front(pool) as door, applying(pool):
        began = time.monotonic()
        found.p99 = await _send(door, [told.events[place] for place in order])
        found.seconds = time.monotonic() - began
        catch_up = CatchUp(pool, stripe, store_listed(pool), types=EVENT_TYPES)
        found.caught_up = (await catch_up.run_once()).missing
        await settled(pool, Refresh(pool, stripe, Mirror()))
    ours = {row["id"] for row in await pool.fetch("SELECT id FROM inbox WHERE state = 'finished'")}
    listed = [
        event_id for event_id, body in zip(told.ids, told.events, strict=True) if _type(body) in EVENT_TYPES
    ]
    found.lost = sum(event_id not in ours for event_id in listed)
    found.dropped = sum(_type(told.events[place]) in EVENT_TYPES for place in dropped)
    found.unequal = len(await unequal(pool, told))
    await stripe.close()
    return found


def _type(body: bytes) -> str:
    return read_envelope(body).type


async def _send(door: Front, bodies: Sequence[bytes]) -> float:
    """Post them over some connections, each signed when it leaves; returns p99 of the answers."""
    waiting, seconds = iter(bodies), list[float]()
    await asyncio.gather(*(_sender(door, waiting, seconds) for _ in range(CONNECTIONS)))
    return sorted(seconds)[int(len(seconds) * 0.99)]


async def _sender(door: Front, waiting: Iterator[bytes], seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    for body in waiting:
        raw = request(body, signed(body))
        started = time.perf_counter()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(len(ACKNOWLEDGED))
        seconds.append(time.perf_counter() - started)
    writer.close()


@asynccontextmanager
async def applying(pool: Pool) -> AsyncIterator[None]:
    """An applier at work until the block ends."""
    stop = asyncio.Event()
    loop = asyncio.create_task(Applier(pool, Dispatcher(VERSION, livemode=False), Mirror()).run(stop))
    try:
        yield
    finally:
        stop.set()
        await loop


async def settled(pool: Pool, refresh: Refresh | None, seconds: float = 600) -> None:
    """Return when no event waits and nothing is doubted any more."""
    async with asyncio.timeout(seconds):
        while await pool.fetchval(WAITING) or (await wishes.backlog(pool))[0]:
            taken = await refresh.run_once(100) if refresh else 0
            if not taken:
                await asyncio.sleep(0.2)
