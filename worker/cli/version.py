"""`prorata version`."""

from __future__ import annotations

import typer

from worker.cli.output import AsJson, emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("version")(version)


def version(as_json: AsJson = False) -> None:
    """Print the versions of Prorata, Python and Stripe's API."""
    import platform
    from importlib.metadata import version as installed

    from sync.gateway import STRIPE_API_VERSION

    found = {
        "prorata": installed("prorata"),
        "python": platform.python_version(),
        "stripe_api": STRIPE_API_VERSION,
        "stripe": installed("stripe"),
        "pgqueuer": installed("pgqueuer"),
    }
    if as_json:
        emit_json(found)
    else:
        typer.echo(f"prorata {found['prorata']} (Python {found['python']}, Stripe API {found['stripe_api']})")
