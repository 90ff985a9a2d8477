"""`prorata notices`: the e-mails that are owed, and those that could not be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.output import AsJson, DryRun, Why, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_pool

if TYPE_CHECKING:
    from sync.store.db import Pool

COLUMNS = ("created_at", "state", "kind", "attempts", "last_error", "key")

notices = typer.Typer(help="E-mails: sent, waiting, given up.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(notices, name="notices")


@notices.command("list")
def list_notices(
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were given up.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List stored e-mails with state and last error, newest first."""

    async def read(pool: Pool) -> list[dict[str, Any]]:
        from sync import notices as flow

        return await flow.list_newest(pool, limit, failed=failed)

    found = run_async(with_pool("notices list", read))
    emit_rows(found, COLUMNS, as_json=as_json)
    if not found:
        note("no e-mail was given up" if failed else "no e-mail is stored")


@notices.command("retry")
def retry(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The e-mail's key, as listed.")],
    reason: Why = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Try an e-mail again at once, and give it all its tries back."""

    async def carry_out(pool: Pool) -> dict[str, Any]:
        from sync import notices as flow

        return await flow.retry(pool, key, dry_run=dry_run)

    done = run_async(with_pool("notices retry", carry_out, reason))
    if as_json:
        emit_json(done)
    else:
        note(f"{key} {'would be' if dry_run else 'is'} due now; a worker with a mail server sends it")
