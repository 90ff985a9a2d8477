"""`prorata twin`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.runtime import settings_for


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("twin")(twin)


def twin(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where events go, signed with the first of STRIPE_WEBHOOK_SECRET.")
    ] = None,
) -> None:
    """Run the local Stripe alone, until Ctrl-C: no account and no network needed."""
    from worker.twin.server import TwinSettings, serve

    secrets = settings_for("twin").stripe_webhook_secrets
    secret = secrets[0].get_secret_value() if secrets else None
    serve(TwinSettings(port=port, webhook_url=webhook_url, webhook_secret=secret))
