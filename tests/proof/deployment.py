"""A deployment that is shot at: its own PostgreSQL, a local Stripe, doors and workers, each a process."""

from __future__ import annotations

import asyncio
import math
import os
import random
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from sync.telemetry import LogEvent
from tests.faults.workers import Worker, worker
from tests.flows.world import settings_of
from worker.config import Settings
from worker.embedded import EmbeddedPostgres, EmbeddedPostgresError
from worker.embedded.process import postmaster
from worker.embedded.state import read_state
from worker.local import free_port
from worker.migrate import migrate

ROOT = Path(__file__).parents[2]
WORKERS = 2
DATABASE_EVERY, DATABASE_AWAY = (5.0, 40.0), (0.0, 2.0)
WORKER_LIVES, DOORS_LIVE = (3.0, 15.0), (20.0, 60.0)
FAULTS_EVERY, CLOCK_EVERY = (0.3, 1.0), (3.0, 8.0)
DAY = 86_400
# Some days less than Stripe remembers its events: the end of the campaign takes one.
REMEMBERED = 26 * DAY
CAUGHT_UP = "SELECT (position ->> 'created')::bigint FROM progress WHERE name = 'catch_up'"
# In the log of a process that is up.
STARTED = f'"{LogEvent.PROCESS_STARTED}"'

# `share` is the part of the calls to that path that a fault may hit.
WRITES = ("/v1/subscriptions*", "/v1/subscription_schedules*", "/v1/invoices/*/void")
FAULTS: list[dict[str, Any]] = [
    {"reset": True, "when": "before"},
    {"reset": True, "when": "after"},
    {"status": 500, "when": "after"},
    {"status": 500, "when": "before"},
    {"status": 503, "when": "before"},
    {"status": 429},
    {"status": 409, "when": "before"},
    {"garbage": True, "when": "after", "status": 200},
    {"slow_seconds": 1.0, "when": "after"},
]
READ_FAULTS: list[dict[str, Any]] = [{"status": 500}, {"reset": True}, {"status": 429}, {"stale": True}]
DELIVERY: list[dict[str, Any]] = [
    {"mode": "normal"},
    {"mode": "drop", "share": 0.2},
    {"mode": "duplicate", "share": 0.3},
    {"mode": "shuffle", "share": 0.5},
    {"mode": "delay", "share": 0.3, "delay_seconds": 2.0},
]


@dataclass(slots=True)
class Deployment:
    """Everything that runs, and how to break it.

    `shots` counts what was done to it, `deaths` tells of processes that ended and nobody had told them to.
    `database_away` is when it last was away: in the loop's seconds, infinite while it is.
    """

    folder: Path
    dice: random.Random
    database: EmbeddedPostgres
    settings: Settings
    twin_url: str
    client: aiohttp.ClientSession
    shots: Counter[str] = field(default_factory=Counter)
    deaths: list[str] = field(default_factory=list)
    database_away: float = -math.inf
    began_unix: int = 0
    lives: Iterator[int] = field(default_factory=count)
    calm: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://{self.settings.http}"

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the local Stripe's control door."""
        async with self.client.request(method, f"{self.twin_url}/_twin/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def stripe(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        """A call to the local Stripe, as an owner's browser makes it: faults are not for it."""
        body = {"method": method, "path": path, "params": params}
        found: dict[str, Any] = await self.control("POST", "dashboard", body)
        return found

    # ---- what happens to it, until it is calm

    async def shoot(self) -> None:
        """All of the misfortunes at once, until `calm`; then everything is whole again."""
        async with asyncio.TaskGroup() as group:
            for misfortune, often in (
                (self._database_stops, DATABASE_EVERY),
                (self._calls_fail, FAULTS_EVERY),
                (self._webhooks_go_astray, CLOCK_EVERY),
                (self._time_passes, CLOCK_EVERY),
            ):
                group.create_task(self._again_and_again(misfortune, often))
        await self.control("DELETE", "faults")
        await self.control("POST", "delivery", {"mode": "normal"})
        await self.control("POST", "delivery/flush", {})

    async def _again_and_again(
        self, misfortune: Callable[[], Awaitable[None]], often: tuple[float, float]
    ) -> None:
        while not self.calm.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.calm.wait(), self.dice.uniform(*often))
                return
            await misfortune()

    async def _database_stops(self) -> None:
        """PostgreSQL goes down, in order or by losing its memory, and comes back up."""
        found = _postmaster(self.folder)
        how = self.dice.choice((signal.SIGINT, signal.SIGQUIT))
        self.database_away = math.inf
        os.kill(found, how)
        self.shots["databases stopped"] += 1
        while _is_running(found):  # noqa: ASYNC110  a process that is not ours has no bell
            await asyncio.sleep(0.02)
        await asyncio.sleep(self.dice.uniform(*DATABASE_AWAY))
        await asyncio.to_thread(_start, self.database)
        self.database_away = asyncio.get_running_loop().time()

    async def _calls_fail(self) -> None:
        fault = {"method": "POST", "path": self.dice.choice(WRITES), "share": 0.5, **self.dice.choice(FAULTS)}
        read = {"method": "GET", "path": "/v1/*", "share": 0.2, **self.dice.choice(READ_FAULTS)}
        for each in (fault, read):
            await self.control("POST", "faults", {"times": 1, **each})
            self.shots["faults"] += 1

    async def _webhooks_go_astray(self) -> None:
        await self.control("POST", "delivery", self.dice.choice(DELIVERY))
        await self.control("POST", "delivery/flush", {})

    async def _time_passes(self) -> None:
        """Some days at once; then an hour, in which Stripe bills what has renewed.

        Catch-up comes every minute, and Stripe remembers its events for a month: that much must not pass
        between two of them.
        """
        seconds = self.dice.randint(DAY // 2, 6 * DAY)
        now = (await self.control("GET", "clock"))["now"]
        if now + seconds > await self._caught_up_unix(now) + REMEMBERED:
            return
        await self.control("POST", "clock", {"advance_seconds": seconds})
        await asyncio.sleep(1)
        await self.control("POST", "clock", {"advance_seconds": 3_900})

    async def _caught_up_unix(self, now: int) -> int:
        """Until when Stripe's list of events was read to its end; nothing is older than the campaign."""
        self.began_unix = self.began_unix or now
        try:
            connection = await asyncpg.connect(self.settings.dsn, timeout=5)
            try:
                stored: int | None = await connection.fetchval(CAUGHT_UP)
            finally:
                await connection.close(timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return now - REMEMBERED  # the database is away: it is asked again in a while
        return self.began_unix if stored is None else stored

    async def mortal(self, lives: tuple[float, float], http: str | None = None) -> None:
        """A process that is killed every few seconds and replaced at once; from `calm` on it lives."""
        while not self.stop.is_set():
            folder = self.folder / f"life{next(self.lives)}"
            folder.mkdir()
            born = asyncio.get_running_loop().time()
            async with worker(self.settings, folder, http=http) as process:
                if not await self._lives(process, self.dice.uniform(*lives)):
                    self._has_died(process, born)
            shutil.rmtree(folder)

    async def _lives(self, process: Worker, seconds: float) -> bool:
        """Whether we ended it: killed in time, or told to go at the very end. False: it ended by itself."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while process.is_alive:
            if self.stop.is_set():
                process.signal(signal.SIGTERM)
                return await process.ended() == 0
            if not self.calm.is_set() and loop.time() > ends:
                process.signal(signal.SIGKILL)
                self.shots["kills"] += 1
                return True
            await asyncio.sleep(0.1)
        return False

    def _has_died(self, process: Worker, born: float) -> None:
        """Only one that is still starting may give up, where it finds no database: it is started again."""
        said = process.log.read_text()
        if STARTED not in said and self.database_away >= born:
            self.shots["starts without a database"] += 1
            return
        last = said.strip().splitlines()[-1:] or ["and said nothing"]
        self.deaths.append(f"{process.log.parent.name}: a process ended by itself: {last[0][:200]}")


def _postmaster(folder: Path) -> int:
    state = read_state(folder / "postgres")
    found = postmaster(state.cluster) if state else None
    assert found is not None, "PostgreSQL is not there"
    return found.pid


def _is_running(pid: int) -> bool:
    """Whether it still runs; one that ended is nobody's business until the launcher asks for it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@asynccontextmanager
async def deployment(folder: Path, dice: random.Random) -> AsyncIterator[Deployment]:
    """Start everything. The database writes to the disk as a real one: what it committed, it keeps."""
    async with AsyncExitStack() as stack:
        database = EmbeddedPostgres(folder, durable=True)
        url = await asyncio.to_thread(database.start)
        stack.callback(database.stop)
        await migrate(url)
        port, secret = free_port(), f"whsec_{secrets.token_hex(16)}"
        twin_url = await stack.enter_async_context(
            _twin(folder, f"http://127.0.0.1:{port}/webhooks/stripe", secret)
        )
        settings = settings_of(url, twin_url, port, secret)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Deployment(folder, dice, database, settings, twin_url, client)


@asynccontextmanager
async def _twin(folder: Path, hook: str, secret: str) -> AsyncIterator[str]:
    """A local Stripe in a process of its own; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "worker.twin", "--port", str(port), "--webhook-url", hook]
    with (folder / "twin.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, "--webhook-secret", secret, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        yield line.decode().split()[-1]
    finally:
        process.terminate()
        await process.wait()


def _start(database: EmbeddedPostgres) -> None:
    """Start it again; right after it lost its memory, the remains of its processes may still hold it."""
    for _ in range(100):
        try:
            database.start()
        except EmbeddedPostgresError:
            time.sleep(0.1)
        else:
            return
    database.start()
