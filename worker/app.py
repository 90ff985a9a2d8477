"""The composition root: builds every object, starts and stops them in order.

A process is made of two halves that can run apart or together: the doors (HTTP) and the work (inbox, jobs).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from sync import changes, clock, failpoints, telemetry
from sync.billing import Billing
from sync.gateway import Gateway
from sync.rules import catalog, policy
from sync.store.db import Pool, create_pool
from sync.store.rate import RateRow
from sync.telemetry import LogEvent
from worker.config_rules import STRIPE_API_BASE

if TYPE_CHECKING:
    from worker.config import Settings

log = structlog.get_logger()

GRACE_SECONDS: Final = 20.0
LAG_SECONDS: Final = 0.5


def database_url(settings: Settings) -> str:
    """The database's address; settings read for a command that needs it always have one."""
    if settings.database_url is None:
        raise LookupError("the settings were read for a command that needs no database")
    return settings.database_url.get_secret_value()


@asynccontextmanager
async def billing_for(settings: Settings, *, application_name: str, connections: int) -> AsyncIterator[Billing]:
    """Everything a flow needs, opened from the settings and closed again. Raises DatabaseTrouble, BadInput."""
    pool = await create_pool(
        database_url(settings), min_size=2, max_size=connections, application_name=application_name
    )
    gateway: Gateway | None = None
    try:
        gateway = gateway_for(settings, pool)
        yield Billing(
            pool=pool,
            gateway=gateway,
            catalog=catalog.Catalog.load(settings.catalog.read_text()) if settings.catalog else catalog.packaged(),
            policy=policy.Policy.load(settings.policy.read_text()) if settings.policy else policy.packaged(),
            quote_ttl_seconds=settings.quote_ttl_seconds,
        )
    finally:
        if gateway is not None:
            await gateway.close()
        await pool.close()


def gateway_for(settings: Settings, pool: Pool) -> Gateway:
    """The door to Stripe, with the budget that all processes share."""
    if settings.stripe_api_key is None:
        raise LookupError("the settings were read for a command that needs no Stripe")
    base = settings.stripe_api_base
    return Gateway(
        api_key=settings.stripe_api_key.get_secret_value(),
        api_base=None if base == STRIPE_API_BASE else base,
        budget=RateRow(pool, settings.stripe_rate),
    )


@dataclass(slots=True)
class Running:
    """A started process; `http_url` is None without doors."""

    billing: Billing
    http_url: str | None = None


@asynccontextmanager
async def started(settings: Settings, *, doors: bool, work: bool) -> AsyncIterator[Running]:
    """Start the halves asked for; on leaving, stop taking work, finish what was begun, close everything."""
    failpoints.arm(set(settings.failpoints))
    async with AsyncExitStack() as stack:
        name = "prorata-run" if doors and work else "prorata-serve" if doors else "prorata-work"
        billing = await stack.enter_async_context(
            billing_for(settings, application_name=name, connections=20)
        )
        running = Running(billing)
        if work:
            await stack.enter_async_context(_working(settings, billing))
        if doors:
            running.http_url = await stack.enter_async_context(_serving(settings, billing))
        await stack.enter_async_context(_in_background(_measure_lag(asyncio.Event())))
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
