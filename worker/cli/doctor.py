"""`prorata doctor`: is this installation in order?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, emit_json
from worker.cli.runtime import run_async, settings_for

if TYPE_CHECKING:
    from worker.findings import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check keys, Stripe, clock, database and prices. Says what to do about each trouble."""
    found = _examine()
    if as_json:
        emit_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            typer.echo(f"{finding.status:<5} {finding.name:<19} {finding.found}")
            if finding.advice:
                typer.echo(f"{'':<25} -> {finding.advice}")
    raise typer.Exit(worst(found))


def _examine() -> list[Finding]:
    """Broken settings are findings too; nothing can be looked at without them."""
    from worker.config_rules import ConfigError
    from worker.doctor import examine
    from worker.findings import Area, Finding, Status

    try:
        settings = settings_for("doctor")
    except ConfigError as error:
        return [
            Finding(
                name, Area.SETTINGS, Status.FAIL, text.strip(), "set it in the environment, then look again"
            )
            for name, _, text in (problem.partition(":") for problem in error.problems)
        ]
    return run_async(examine(settings))


def worst(found: list[Finding]) -> ExitCode:
    """The exit code of the worst failure: the database's before Stripe's before the settings'."""
    from worker.findings import Area, Status

    codes = {Area.SETTINGS: ExitCode.USAGE, Area.STRIPE: ExitCode.STRIPE, Area.DATABASE: ExitCode.DATABASE}
    failed = [codes[finding.area] for finding in found if finding.status is Status.FAIL]
    return max(failed, default=ExitCode.DONE)
