"""`prorata prune`: delete what is too old to be kept, as one worker does once a day by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, DryRun, Yes, confirmed, emit_rows, note
from worker.cli.runtime import pool_for, progress_bar, run_async, settings_for

if TYPE_CHECKING:
    from sync.retention import Pruned
    from worker.config import Settings

COLUMNS = ("what", "rows", "before", "kept")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prune")(prune)


def prune(dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete what is too old to be kept, as a worker does once a day.

    Events, answers under an Idempotency-Key, quotes that nobody confirmed, and the queue's log. A month of
    events stays while one of them waits or is buried. The audit log and all changes stay.
    """
    settings = settings_for("prune")
    found = run_async(_plan(settings))
    total = sum(each.rows for each in found)
    if not dry_run and total and confirmed(f"Delete {total:,} rows for good?", yes=yes):
        with progress_bar("rows", total) as told:
            found = run_async(_prune(settings, lambda done: told(done, total)))
        note(f"{sum(each.rows for each in found):,} rows were deleted")
    elif dry_run or not total:
        note(f"{total:,} rows would be deleted" if total else "nothing is too old")
    else:
        raise typer.Exit(ExitCode.USAGE)
    emit_rows([asdict(each) for each in found], COLUMNS, as_json=as_json)


async def _plan(settings: Settings) -> list[Pruned]:
    from sync import clock, retention
    from worker.housekeeping import keep_of

    async with pool_for(settings) as pool:
        return await retention.plan(pool, keep_of(settings), clock.wall())


async def _prune(settings: Settings, told: Callable[[int], None]) -> list[Pruned]:
    from sync import clock, retention
    from worker.housekeeping import keep_of

    async with pool_for(settings) as pool:
        return await retention.prune(pool, keep_of(settings), clock.wall(), told)
