"""`prorata stop`, `prorata go`: the stop switch for everything that we write to Stripe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.output import AsJson, DryRun, emit_json, note
from worker.cli.runtime import operator, run_async, with_pool

if TYPE_CHECKING:
    from sync.store.db import Pool

Account = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="Only this account; without it, all of them.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept, and shown in the story.")]
By = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="Who does it; default: your user on this machine.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("stop")(stop)
    app.command("go")(go)


def stop(
    account: Account = None,
    reason: Reason = "stopped by hand",
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Stop every write to Stripe, at once and in every process.

    Reads, events, settling and the void of declined invoices go on. Safe to repeat; `prorata go` ends it.
    """

    async def carry_out(pool: Pool) -> dict[str, Any]:
        from sync import switch

        if dry_run:
            return await _tried(pool, account)
        return await switch.stop(pool, actor=by or operator(), reason=reason, account_id=account)

    done = run_async(with_pool("stop", carry_out))
    if dry_run:
        note(f"would stop the writes of {_whose(account)}")
    elif not done["moved"]:
        note(f"the writes of {_whose(account)} were stopped already")
    _print(done, as_json=as_json)


def go(
    account: Account = None,
    reason: Reason = "allowed by hand",
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let writes to Stripe go on; what waited is carried on by itself. Safe to repeat.

    An account that was stopped by itself stays stopped until it is named.
    """

    async def carry_out(pool: Pool) -> dict[str, Any]:
        from sync import switch

        if dry_run:
            return await _tried(pool, account)
        return await switch.go(pool, actor=by or operator(), reason=reason, account_id=account)

    done = run_async(with_pool("go", carry_out))
    if dry_run:
        note(f"would let the writes of {_whose(account)} go on")
    elif not done["moved"]:
        note(f"the writes of {_whose(account)} were not stopped")
    _print(done, as_json=as_json)


async def _tried(pool: Pool, account: str | None) -> dict[str, Any]:
    from sync import switch

    await switch.require_known(pool, account)
    return {"moved": False, **await switch.status(pool)}


def _whose(account: str | None) -> str:
    return f"account {account}" if account else "all accounts"


def _print(status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(status)
        return
    from worker.cli.render import field_line

    everything = status["all_accounts"]
    lines = [field_line("all accounts", _stop_text(everything) if everything else "writes are allowed")]
    lines += [field_line(f"account {each['account_id']}", _stop_text(each)) for each in status["accounts"]]
    lines += [
        field_line("parked accounts", str(status["parked_accounts"])),
        field_line("changes that wait", str(status["waiting"])),
        field_line("calls on the wire", str(status["on_the_wire"])),
    ]
    typer.echo("\n".join(lines))


def _stop_text(stop: dict[str, Any]) -> str:
    return f"STOPPED since {stop['since']} by {stop['actor']}: {stop['reason']}"
