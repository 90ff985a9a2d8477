"""`prorata backfill`: fill the mirror from Stripe's lists."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.catch_up import MOMENTS
from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sync.backfill import Filled
    from sync.billing import Billing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backfill")(backfill)


def backfill(
    since: Annotated[
        datetime | None,
        typer.Option(formats=[*MOMENTS], help="Leave out invoices and payments made before this, UTC."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill our copy of Stripe from its lists. Safe at any time; an interrupted one goes on where it was."""
    since_unix = int(since.replace(tzinfo=UTC).timestamp()) if since else None

    async def carry_out(billing: Billing) -> Filled:
        from sync.backfill import Backfill

        filler = Backfill(billing.pool, billing.gateway, billing.mirror)
        with _bars() as told:
            return await filler.run_once(since_unix=since_unix, told=told)

    _print(run_async(with_billing("backfill", carry_out)), as_json=as_json)


@contextmanager
def _bars() -> Iterator[Callable[[str, int], None]]:
    """A line for each stream with its rate, on stderr; nobody knows how long a list is."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Rate(TextColumn):
        """Objects a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f}/s")

    console = Console(stderr=True)
    shown = TextColumn("{task.description:<24}{task.completed:>10,.0f}")
    columns = (SpinnerColumn(), shown, Rate(""), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def told(stream: str, objects: int) -> None:
            if stream not in tasks:
                tasks[stream] = bars.add_task(stream, total=None)
            bars.update(tasks[stream], completed=objects)

        yield told


def _print(filled: Filled, *, as_json: bool) -> None:
    if as_json:
        streams = {
            kind: {name: asdict(position)[name] for name in ("objects", "unseen", "done")}
            for kind, position in filled.streams.items()
        }
        run = {"started_unix": filled.run.started_unix, "since_unix": filled.run.since_unix}
        emit_json({**run, "resumed": filled.resumed, "streams": streams, "waiting": filled.waiting})
        return
    for kind, position in filled.streams.items():
        unseen = f", {position.unseen} that were not listed read again" if position.unseen else ""
        typer.echo(f"{kind:<24} {position.objects:>9,}{unseen}")
    if filled.waiting:
        note(f"{filled.waiting} objects are still to be read again; a worker does that")
