"""`prorata changes resolve`: what a person saw at Stripe ends a change that is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.changes import ChangeId, changes
from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, DryRun, Yes, confirmed, emit_json, note
from worker.cli.runtime import operator, run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing


def register(_: typer.Typer) -> None:
    """Add the command to the group of `prorata changes`."""
    changes.command("resolve")(resolve)


def resolve(
    change_id: ChangeId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="What you saw; kept in the story.")],
    applied: Annotated[
        bool | None, typer.Option("--applied/--not-applied", help="Whether it took effect at Stripe.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Who looked; default: your user here.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say how a change ended that is stuck. Refused where Stripe shows otherwise.

    Nothing is sent and nothing is charged. What took effect is then compared with its quote.
    """
    if applied is None:
        raise usage("say what you saw: --applied or --not-applied")

    async def carry_out(billing: Billing) -> tuple[dict[str, Any], bool]:
        from sync.resolve import resolve as finish

        async def say(*, dry_run: bool) -> dict[str, Any]:
            said = bool(applied)
            who = by or operator()
            return await finish(billing, change_id, applied=said, actor=who, reason=reason, dry_run=dry_run)

        if yes and not dry_run:
            return await say(dry_run=False), True
        found = await say(dry_run=True)
        words = "as applied" if applied else "as if it had never been"
        if dry_run or not confirmed(f"End {change_id} {words}?", yes=False):
            return found, False
        return await say(dry_run=False), True

    found, done = run_async(with_billing("changes resolve", carry_out))
    if dry_run:
        note("dry run: Stripe does not contradict. Nothing was done.")
    if done or dry_run:
        _print(found, as_json=as_json)
    raise typer.Exit(ExitCode.DONE if done or dry_run else ExitCode.USAGE)


def _print(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(change)
    else:
        from worker.cli.render import change_text

        typer.echo(change_text(change))
