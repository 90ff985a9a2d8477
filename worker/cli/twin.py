"""`prorata twin`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.output import note
from worker.cli.runtime import run_async


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("twin")(twin)


def twin(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 lets the system choose.")
    ] = 0,
) -> None:
    """Run the local Stripe alone, until Ctrl-C: no account and no network needed."""
    from worker.twin.server import TwinSettings, serve

    note("Ctrl-C stops the local Stripe.")
    run_async(serve(TwinSettings(port=port)))
