"""`prorata run | serve | work`: the processes of production."""

from __future__ import annotations

import typer

from worker.cli.runtime import run_async, settings_for


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("serve")(serve)
    app.command("work")(work)


def run() -> None:
    """Serve HTTP and work through inbox and jobs, in one process."""
    _run("run", doors=True, work=True)


def serve() -> None:
    """Serve HTTP only: webhooks and the API."""
    _run("serve", doors=True, work=False)


def work() -> None:
    """Work through inbox and jobs only."""
    _run("work", doors=False, work=True)


def _run(command: str, *, doors: bool, work: bool) -> None:
    from worker import app

    run_async(app.run(settings_for(command), doors=doors, work=work))
