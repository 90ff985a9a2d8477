"""`prorata twin`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.runtime import settings_for


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("twin")(twin)


def twin(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    webhook_url: Annotated[str | None, typer.Option(help="Where events go.")] = None,
    webhook_secret: Annotated[
        str | None, typer.Option(help="Signs them. Default: the first of STRIPE_WEBHOOK_SECRET.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same ids.")] = 0,
    now: Annotated[int | None, typer.Option(help="Start of its clock in Unix seconds. Default: now.")] = None,
    persist: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Keep everything in this file. Default: forget at the end."),
    ] = None,
) -> None:
    """Run the local Stripe alone, until Ctrl-C. No account and no network needed."""
    from worker.twin.server import TwinSettings, serve

    known = settings_for("twin").stripe_webhook_secrets
    secret = webhook_secret or (known[0].get_secret_value() if known else None)
    serve(
        TwinSettings(
            port=port,
            seed=seed,
            webhook_url=webhook_url,
            webhook_secret=secret,
            now=now,
            persist_path=str(persist) if persist else None,
        )
    )
