"""`prorata version`."""

from __future__ import annotations

import typer

from worker.cli.output import AsJson, emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("version")(version)


def version(as_json: AsJson = False) -> None:
    """Print the versions of Prorata, of Python and of Stripe's API that it speaks."""
    import platform
    from importlib.metadata import version as installed

    found = {
        "prorata": installed("prorata"),
        "python": platform.python_version(),
        "stripe": installed("stripe"),
        "pgqueuer": installed("pgqueuer"),
    }
    if as_json:
        emit_json(found)
    else:
        typer.echo(f"prorata {found['prorata']} (Python {found['python']}, stripe {found['stripe']})")
