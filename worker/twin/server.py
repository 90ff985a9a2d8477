"""Starting and stopping a twin."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import web

from worker.twin import control, door, hosted, persistence
from worker.twin.delivery import Deliveries
from worker.twin.door import MAX_BODY, TWIN
from worker.twin.engine import new_world
from worker.twin.exchange import Twin
from worker.twin.idempotency import Keys
from worker.twin.ids import Ids
from worker.twin.resources.account import add_endpoint
from worker.twin.world import World

BANNER = "LOCAL STRIPE TWIN - no real money"
TICK_SECONDS = 0.5
GARBAGE = (20_000, 20, 100)


@dataclass(frozen=True)
class TwinSettings:
    """How a twin starts; `now` is the clock's start (Unix s), the secret signs what goes to the URL."""

    port: int = 0
    host: str = "127.0.0.1"
    seed: int = 0
    webhook_url: str | None = None
    webhook_secret: str | None = None
    now: int | None = None
    persist_path: str | None = None


@dataclass
class RunningTwin:
    """A twin that listens; `close` ends it."""

    base_url: str
    port: int
    app: web.Application
    _runner: web.AppRunner

    @property
    def twin(self) -> Twin:
        """Its inside, for tests that run in the same process."""
        return self.app[TWIN]

    async def close(self) -> None:
        """Stop listening and delivering."""
        await self._runner.cleanup()


def _fresh(settings: TwinSettings, base_url: str = "") -> Twin:
    world = new_world(settings.seed, settings.now)
    world.base_url = base_url
    keys = Keys(time.time)
    if settings.persist_path and Path(settings.persist_path).exists():
        persistence.load(settings.persist_path, world, keys)
    if settings.webhook_url:
        _ensure_endpoint(world, settings.webhook_url, settings.webhook_secret)
    return Twin(world, keys, Deliveries(world), draws=Ids(settings.seed + 3))


def _forget(settings: TwinSettings) -> None:
    if settings.persist_path is not None:
        Path(settings.persist_path).unlink(missing_ok=True)


def _ensure_endpoint(world: World, url: str, secret: str | None) -> None:
    known = [e for e in world.store["webhook_endpoint"].docs.values() if e["url"] == url]
    if not known:
        add_endpoint(world, url, ["*"], secret)
    elif secret:
        world.endpoint_secrets[known[0]["id"]] = secret


def make_app(settings: TwinSettings) -> web.Application:
    """The whole HTTP surface: `/v1/` as Stripe has it, `/_twin/` for whoever controls the twin."""
    app = web.Application(client_max_size=MAX_BODY)
    app[TWIN] = _fresh(settings)

    async def reset(request: web.Request) -> web.Response:
        twin = app[TWIN]
        await twin.deliveries.close()
        _forget(settings)
        fresh = _fresh(settings, twin.world.base_url)
        twin.world, twin.keys, twin.deliveries, twin.faults = (
            fresh.world,
            fresh.keys,
            fresh.deliveries,
            fresh.faults,
        )
        twin.movers = fresh.movers
        twin.requests.clear()
        return web.Response(
            body=msgspec.json.encode({"now": twin.world.clock.now()}), content_type="application/json"
        )

    async def save(request: web.Request) -> web.Response:
        if settings.persist_path is None:
            return web.json_response(
                {"error": {"message": "The twin was started without a file."}}, status=400
            )
        return web.json_response({"bytes": _save(app, settings.persist_path)})

    async def save_at_end(app: web.Application) -> None:
        if settings.persist_path is not None:
            _save(app, settings.persist_path)

    app.add_routes([web.post("/_twin/reset", reset), web.post("/_twin/save", save)])
    app.add_routes([*control.routes(), *hosted.routes(), web.route("*", "/{path:.*}", door.answer)])
    app.cleanup_ctx.append(_time_passes)
    app.on_cleanup.append(save_at_end)
    return app


def _save(app: web.Application, path: str) -> int:
    return persistence.save(path, app[TWIN].world, app[TWIN].keys)


async def _time_passes(app: web.Application) -> AsyncIterator[None]:
    """Due work runs even when nobody asks."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            app[TWIN].world.run_due()
            app[TWIN].world.rest()

    app[TWIN].deliveries.resume()
    task = asyncio.create_task(tick())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await app[TWIN].deliveries.close()


async def start(settings: TwinSettings) -> RunningTwin:
    """Listen on a port (0 picks a free one) and return at once."""
    app = make_app(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    port = runner.addresses[0][1]
    base_url = f"http://{settings.host}:{port}"
    app[TWIN].world.base_url = base_url
    return RunningTwin(base_url, port, app, runner)


async def _serve(settings: TwinSettings) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    running = await start(settings)
    sys.stderr.write(f"\n*** {BANNER} ***\n\n")
    sys.stderr.flush()
    sys.stdout.write(f"twin listening on {running.base_url}\n")
    sys.stdout.flush()
    await stop.wait()
    await running.close()


def serve(settings: TwinSettings) -> None:
    """Listen until SIGTERM or SIGINT. What is kept here is not garbage: it is looked through seldom."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_serve(settings))
