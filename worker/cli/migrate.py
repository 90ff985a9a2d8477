"""`prorata migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import run_async, settings_for


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only look: exit 5 when the database is behind or foreign.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to this release's schema. Safe to run from several machines at once."""
    from worker import migrate as migrations

    dsn = settings_for("migrate").dsn
    found = run_async(migrations.pending(dsn) if check else migrations.migrate(dsn))
    names = [str(migration) for migration in found]
    if as_json:
        emit_json({"pending" if check else "applied": names})
    for name in names:
        note(f"{'missing' if check else 'applied'}: {name}")
    if not names:
        note("the database is up to date")
    if check and names:
        raise typer.Exit(5)
