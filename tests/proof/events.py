"""Events in volume: deliveries that are doubled, shuffled and dropped; a backlog after an outage.

Nothing may be lost: in the end every row of the mirror is what its object is at the source.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from handlers import inbox
from handlers.dispatch import EVENT_TYPES, Dispatcher
from handlers.envelope import read_envelope
from handlers.intake import store_listed
from sync.catch_up import CatchUp
from sync.mirror import Mirror
from sync.refresh import Refresh
from sync.store import refresh as wishes
from sync.store.db import Pool, create_pool
from tests.flows.world import ADMIN, MARKETING, World, settings_of
from tests.intake.front import Front, front, request, signed
from tests.mirror.builders import VERSION
from tests.proof.stripe_source import Source, gateway, serving, source, unequal
from tests.support import postgres
from worker.app import started
from worker.applier import Applier
from worker.config import Settings
from worker.local import free_port
from worker.twin.server import RunningTwin, TwinSettings, start

DOUBLED, SHUFFLED, DROPPED = 0.2, 0.1, 0.05
CONNECTIONS = 32
PUT_AT_ONCE = 1_000
# A backlog of 100,000 events of 10,000 subscriptions has 1,000 pairs of which nobody can tell the order.
EVENTS_OF_ONE, UNPROVABLE = 10, 0.01
MOST_READS, MOST_SECONDS, SECONDS_ALWAYS = 0.015, 60 / 100_000, 60.0
# An admin confirms while it is worked off: once at least, and again with every so many events.
CONFIRM_SECONDS, EVENTS_FOR_A_CONFIRM = 3.0, 20_000
# Of a handful the slowest one is no percentile: beside other tests the machine may have stood still for it.
HANDFUL, SLOWEST_SECONDS = 20, 10.0
CONFIRMS_OF_ONE, BETWEEN_CONFIRMS = 6, 1.3
# Counting them all, as often as this asks, would be work that the product does not have.
WAITING = "SELECT EXISTS (SELECT FROM inbox WHERE state = 'waiting')"
OPEN = "change_in_progress"
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


@dataclass(slots=True)
class Backlog:
    """What had piled up, and how long it took; `confirms` are the seconds from confirm to applied."""

    events: int = 0
    subscriptions: int = 0
    reads: int = 0
    unequal: int = 0
    seconds: float = 0
    confirms: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether it was worked off in time, with few reads, and no admin waited for it."""
        return (
            not self.unequal
            and self.reads <= MOST_READS * self.events
            and self.seconds <= max(SECONDS_ALWAYS, MOST_SECONDS * self.events)
            and len(self.confirms) >= 1 + self.events // EVENTS_FOR_A_CONFIRM
            and self.p95 <= (CONFIRM_SECONDS if len(self.confirms) >= HANDFUL else SLOWEST_SECONDS)
        )

    @property
    def p95(self) -> float:
        return sorted(self.confirms)[int(len(self.confirms) * 0.95)] if self.confirms else 0.0

    @property
    def line(self) -> str:
        return (
            f"{'HELD' if self.is_clean else 'BROKEN'}: a backlog of {self.events} events over "
            f"{self.subscriptions} subscriptions applied in {self.seconds:.1f} s with {self.reads} reads: "
            f"{self.unequal} objects unequal; {len(self.confirms)} confirms meanwhile, "
            f"p95 {self.p95:.2f} s"
        )


@dataclass(slots=True)
class Verdict:
    """Both volumes."""

    deliveries: Deliveries
    backlog: Backlog

    @property
    def is_clean(self) -> bool:
        return self.deliveries.is_clean and self.backlog.is_clean

    @property
    def line(self) -> str:
        return f"{self.deliveries.line}\n{self.backlog.line}"


# ---- deliveries


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


# ---- a backlog


async def pile_up(pool: Pool, told: Source) -> None:
    """Store all events as they were acknowledged while nobody applied them."""
    for start_at in range(0, len(told.events), PUT_AT_ONCE):
        bodies = told.events[start_at : start_at + PUT_AT_ONCE]
        await inbox.insert(pool, [read_envelope(body) for body in bodies])


async def backlog(url: str, events: int, seed: int) -> Backlog:
    """The product comes up again after an outage in which events piled up, and an admin is in a hurry."""
    pairs = int(events * UNPROVABLE)
    twin = await start(TwinSettings())
    try:
        told = await source(twin.base_url, events - 2 * pairs, events // EVENTS_OF_ONE, pairs, seed)
    finally:
        await twin.close()
    pool = await create_pool(url)
    async with _stripe_with(told) as (twin, settings_for):
        settings = settings_for(url)
        async with _product(settings, twin) as world:
            accounts = [f"acme{number}" for number in range(3 + events // 10_000)]
            for account_id in accounts:
                await world.buy(MARKETING, account_id)
        await pile_up(pool, told)
        await pool.execute("ANALYZE inbox")
        async with _product(settings, twin) as world:
            found = await _work_off(world, told, accounts)
    found.unequal = len(await unequal(pool, told))
    await pool.close()
    return found


@asynccontextmanager
async def _stripe_with(told: Source) -> AsyncIterator[tuple[RunningTwin, Callable[[str], Settings]]]:
    """A local Stripe behind the source, and the settings of a product on a database that works with both."""
    port, secret = free_port(), f"whsec_{secrets.token_hex(16)}"
    hook = f"http://127.0.0.1:{port}/webhooks/stripe"
    twin = await start(TwinSettings(webhook_url=hook, webhook_secret=secret))
    try:
        async with serving(told, twin.base_url) as address:
            yield twin, lambda url: settings_of(url, address, port, secret)
    finally:
        await twin.close()


@asynccontextmanager
async def _product(settings: Settings, twin: RunningTwin) -> AsyncIterator[World]:
    """`prorata run`: doors and work in one process."""
    async with started(settings, doors=True, work=True) as running, aiohttp.ClientSession() as client:
        yield World(running, twin, client, settings)


async def _work_off(world: World, told: Source, accounts: Sequence[str]) -> Backlog:
    """Time the product until nothing waits, while one change after the other is confirmed."""
    found, began = Backlog(len(told.events), told.subscriptions), time.monotonic()

    async def until_settled() -> float:
        await settled(world.billing.pool, None)
        return time.monotonic() - began

    done = asyncio.create_task(until_settled())
    try:
        # A change's own event waits behind the backlog: it is settled after ten seconds of silence, and its
        # account can change again. The fuse allows eight changes a minute.
        for number in range(CONFIRMS_OF_ONE * len(accounts)):
            if done.done():
                break
            account_id = accounts[number % len(accounts)]
            found.confirms += await _confirm(world, account_id, MARKETING.seats + 1 + number)
            await asyncio.wait({done}, timeout=BETWEEN_CONFIRMS)
        found.seconds = await done
    finally:
        done.cancel()
    found.reads = told.reads
    return found


async def _confirm(world: World, account_id: str, seats: int) -> list[float]:
    """Buy one more seat; the seconds until it is in force. None where the change before is not settled."""
    body = {"terms": {"seats": seats}, "actor": ADMIN}
    quote = await world.call("POST", f"/v1/accounts/{account_id}/quotes", body)
    if quote.body.get("code") == OPEN:
        return []
    began = time.monotonic()
    said = await world.confirm(quote.body)
    if said.body.get("code") == OPEN:
        return []
    assert said.status in (200, 202), said.body
    return [time.monotonic() - began]


async def run(size: int, seed: int) -> Verdict:
    """Both volumes at this size, each on a fresh database."""
    async with postgres.fresh_database(postgres.template_name()) as url:
        delivered = await deliveries(url, size, seed)
    async with postgres.fresh_database(postgres.template_name()) as url:
        return Verdict(delivered, await backlog(url, size, seed))
