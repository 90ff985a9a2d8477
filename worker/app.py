"""The composition root: builds every object, starts and stops them in order.

A process is made of two halves that can run apart or together: the doors (HTTP) and the work (inbox, jobs).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from handlers import inbox
from handlers.dispatch import EVENT_TYPES, Dispatcher
from handlers.health import Readiness
from handlers.intake import Intake, store_listed
from handlers.routes import build_app
from handlers.slow_clients import Runner
from sync import failpoints
from sync.billing import Billing
from sync.catch_up import CatchUp
from sync.gateway import STRIPE_API_VERSION
from sync.reconcile import sweep
from sync.refresh import Refresh
from sync.store.jobs import Job
from sync.telemetry import LogEvent
from worker import gauges
from worker.applier import Applier, Refresher
from worker.billing import billing_for
from worker.config_rules import ConfigError
from worker.housekeeping import keep_house, make_room
from worker.jobs import Jobs
from worker.migrate import pending
from worker.preflight import check_start

if TYPE_CHECKING:
    from worker.config import Settings

log = structlog.get_logger()

GRACE_SECONDS: Final = 20.0
# A sweep goes on for so long in each minute: a process that is told to stop waits for it.
SWEEP_SECONDS: Final = 15.0


@dataclass(slots=True)
class Running:
    """A started process; `http_url` is None without doors."""

    billing: Billing
    http_url: str | None = None


@asynccontextmanager
async def started(settings: Settings, *, doors: bool, work: bool) -> AsyncIterator[Running]:
    """Start the halves asked for; on leaving, stop taking work, finish what was begun, close everything."""
    failpoints.arm(settings.failpoints)
    async with AsyncExitStack() as stack:
        name = "prorata-run" if doors and work else "prorata-serve" if doors else "prorata-work"
        billing = await stack.enter_async_context(
            billing_for(settings, application_name=name, connections=20)
        )
        await check_start(settings, billing)
        running = Running(billing)
        stored, measured = asyncio.Event(), asyncio.Event()
        await stack.enter_async_context(_in_background(gauges.measure_lag(measured), measured))
        if work:
            await stack.enter_async_context(_working(settings, billing, stored))
        if doors:
            running.http_url = await stack.enter_async_context(_serving(settings, billing, stored))
        yield running


async def run(settings: Settings, *, doors: bool, work: bool) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with started(settings, doors=doors, work=work) as running:
        log.info(LogEvent.PROCESS_STARTED, http=running.http_url, doors=doors, work=work)
        await stop.wait()
    log.info(LogEvent.PROCESS_STOPPED)


def catch_up_for(settings: Settings, billing: Billing, stored: asyncio.Event) -> CatchUp:
    """The reader of Stripe's list of events; what it finds goes into the inbox."""
    return CatchUp(billing.pool, billing.gateway, store_listed(billing.pool, stored), types=EVENT_TYPES)


def applier_for(settings: Settings, billing: Billing, stored: asyncio.Event) -> tuple[Applier, Refresh]:
    """What turns the inbox into mirror rows, and what reads the objects that events left in doubt."""
    dispatcher = Dispatcher(api_version=STRIPE_API_VERSION, livemode=settings.livemode)
    return (
        Applier(billing.pool, dispatcher, billing.mirror, signal=stored),
        Refresh(billing.pool, billing.gateway, billing.mirror),
    )


@asynccontextmanager
async def _working(settings: Settings, billing: Billing, stored: asyncio.Event) -> AsyncIterator[None]:
    """Inbox, refresh list and jobs, each in its own task; on leaving, each finishes what it holds."""
    stop = asyncio.Event()
    applier, refresh = applier_for(settings, billing, stored)
    scheduled: dict[Job, Callable[[], Awaitable[object]]] = {
        Job.CATCH_UP: partial(_catch_up, billing, catch_up_for(settings, billing, stored)),
        Job.SWEEP: partial(sweep.Sweep(billing).run_due, SWEEP_SECONDS),
        Job.KEEP_HOUSE: partial(keep_house, settings, billing.pool),
    }
    jobs = Jobs(settings.dsn, billing, scheduled=scheduled)
    await make_room(billing.pool)
    async with (
        _in_background(applier.run(stop), stop),
        _in_background(Refresher(refresh).run(stop), stop),
        _in_background(jobs.run(stop), stop),
        _in_background(_send_mail(settings, billing, stop), stop),
        _in_background(gauges.measure_state(billing.pool, stop), stop),
    ):
        yield


async def _catch_up(billing: Billing, reader: CatchUp) -> None:
    """List what was not delivered; what Stripe has forgotten by now only a sweep finds."""
    if (await reader.run_once()).gap:
        await sweep.want(billing)


async def _send_mail(settings: Settings, billing: Billing, stop: asyncio.Event) -> None:
    """Send the stored notices, where there is a mail server."""
    if settings.smtp_url is not None:
        from worker.senders import mailer  # templates: no other process pays for them

        await mailer.send_mail(settings, billing, stop)


@asynccontextmanager
async def _serving(settings: Settings, billing: Billing, stored: asyncio.Event) -> AsyncIterator[str]:
    """The HTTP doors; yields their address. Requests under way are answered before they close."""
    intake = Intake(billing.pool, stored=stored)
    await intake.start()
    key = settings.bootstrap_key
    app = build_app(
        billing,
        intake=intake,
        webhook_secrets=[secret.get_secret_value() for secret in settings.stripe_webhook_secrets],
        ready=partial(readiness, settings, billing),
        bootstrap_key=key.get_secret_value() if key else None,
    )
    runner = Runner(app, shutdown_timeout=GRACE_SECONDS)
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.http_host, settings.http_port)
        try:
            await site.start()
        except OSError as error:
            problem = f"PRORATA_HTTP: {settings.http} cannot be listened on: {error.strerror}"
            raise ConfigError([problem]) from error
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        await intake.stop()


async def readiness(settings: Settings, billing: Billing) -> Readiness:
    """Database reachable and migrated; how old the inbox is."""
    missing = await pending(settings.dsn)
    behind = f"{len(missing)} migrations are missing; run `prorata migrate`"
    return Readiness(
        {"database": "ok", "migrations": behind if missing else "ok"},
        await inbox.oldest_seconds(billing.pool),
    )


@asynccontextmanager
async def _in_background(work: Coroutine[None, None, None], stop: asyncio.Event) -> AsyncIterator[None]:
    """Run a task beside the body; afterwards set `stop`, give it GRACE_SECONDS, then cancel it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        stop.set()
        done, _ = await asyncio.wait({task}, timeout=GRACE_SECONDS)
        if not done:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
