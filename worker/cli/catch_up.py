"""`prorata catch-up`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import run_async, settings_for

if TYPE_CHECKING:
    from sync.catch_up import CaughtUp
    from worker.config import Settings

MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("catch-up")(catch_up)


def catch_up(
    since: Annotated[
        datetime | None,
        typer.Option(formats=[*MOMENTS], help="From this moment on, UTC. Default: where the last one ended."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch and apply the events of Stripe that never arrived. Safe at any time."""
    since_unix = int(since.replace(tzinfo=UTC).timestamp()) if since else None
    found = run_async(_catch_up(settings_for("catch-up"), since_unix))
    start = datetime.fromtimestamp(found.since_unix, UTC).strftime(MOMENTS[-1])
    if found.gap:
        note("events from before are older than what Stripe keeps (30 days): only a comparison finds those")
    if as_json:
        emit_json({"since": start, "listed": found.listed, "missing": found.missing, "gap": found.gap})
        return
    typer.echo(f"{found.listed} events at Stripe since {start}, {found.missing} of them were missing here")


async def _catch_up(settings: Settings, since_unix: int | None) -> CaughtUp:
    """Store what is missing, then apply all that waits: the command is complete without a worker."""
    from worker.app import applier_for, catch_up_for
    from worker.billing import billing_for

    stored = asyncio.Event()
    async with billing_for(settings, application_name="prorata-cli", connections=4) as billing:
        found = await catch_up_for(settings, billing, stored).run_once(since_unix=since_unix)
        applier, refresh = applier_for(settings, billing, stored)
        await applier.drain()
        while await refresh.run_once():
            pass
    return found
