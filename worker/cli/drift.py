"""`prorata drift`: what drifted apart between terms, our copy and Stripe, and what is decided about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, DryRun, Yes, confirmed, emit_json, note
from worker.cli.runtime import operator, run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

drift = typer.Typer(
    help="Findings: where terms, our copy and Stripe disagree.", no_args_is_help=True, rich_markup_mode=None
)


class Winner(StrEnum):
    """Whose state wins."""

    OURS = "ours"
    STRIPE = "stripe"
    REFRESH = "refresh"


class State(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REPAIRING = "repairing"
    REPAIRED = "repaired"
    GONE = "gone"


FindingId = Annotated[str, typer.Argument(metavar="ID", help="The finding's id (fnd_...).")]
By = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="Who decides; default: your user on this machine.")
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the finding.")]
Expect = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST",
        help="Only if it is still what was shown with this digest; default: what is shown now.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(drift, name="drift")


@drift.command("list")
def list_findings(
    account: Annotated[str | None, typer.Option(metavar="ID", help="Of this account only.")] = None,
    state: Annotated[State | None, typer.Option(help="In this state only.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Of this kind only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Start after this finding.")] = None,
    as_json: AsJson = False,
) -> None:
    """List findings, the youngest first. Reads our own tables only."""

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        from sync.reconcile.finding_views import list_findings as page

        wanted = str(state) if state else None
        return await page(
            billing, account_id=account, state=wanted, kind=kind, limit=limit, starting_after=after
        )

    rows, more = run_async(with_billing("drift list", read))
    if as_json:
        emit_json(rows)
    else:
        from worker.cli.render_drift import emit_list

        emit_list(rows)
    if more:
        note(f"there are more: --after {rows[-1]['id']}")


@drift.command("show")
def show(finding_id: FindingId, as_json: AsJson = False) -> None:
    """Show one finding. While it is open, with the exact calls of the suggested repair."""

    async def read(billing: Billing) -> dict[str, Any]:
        from sync.reconcile.shown import show as look

        return await look(billing, finding_id)

    _print(run_async(with_billing("drift show", read)), as_json=as_json)


@drift.command("accept")
def accept(
    finding_id: FindingId,
    reason: Why,
    by: By = None,
    expect: Expect = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let a finding stay as it is. It opens again by itself once something else is found."""

    async def carry_out(billing: Billing, found: dict[str, Any]) -> dict[str, Any]:
        from sync.reconcile.accept import accept as let_stay

        shown = expect or found["digest"]
        return await let_stay(billing, finding_id, actor=by or operator(), reason=reason, expect=shown)

    async def look(billing: Billing) -> dict[str, Any]:
        from sync.reconcile.finding_views import finding_json
        from sync.reconcile.shown import require, require_open

        finding = await require(billing, finding_id)
        require_open(finding)
        return await finding_json(billing, finding)

    def question(found: dict[str, Any]) -> str:
        from worker.cli.render_drift import finding_text

        return f"{finding_text(found)}\nAccept {finding_id} as it is?"

    _print(_decided("accept", carry_out, look, question, dry_run=dry_run, yes=yes), as_json=as_json)


@drift.command("repair")
def repair(
    finding_id: FindingId,
    reason: Why = "repaired by hand",
    side: Annotated[
        Winner | None, typer.Option(help="Whose state wins; else the side that is suggested.")
    ] = None,
    by: By = None,
    expect: Expect = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Repair a finding. It never charges or credits; --dry-run shows the exact calls and sends nothing.

    Exits 4 where only a person can put it right, 5 when it had no effect, 9 while it is under way.
    """

    async def carry_out(billing: Billing, found: dict[str, Any]) -> dict[str, Any]:
        from sync.reconcile.repair import repair as put_right
        from sync.reconcile.repair_sides import Side

        wanted, shown = Side(side.value) if side else None, expect or found["dry_run"]["digest"]
        by_whom = by or operator()
        return await put_right(billing, finding_id, actor=by_whom, reason=reason, side=wanted, expect=shown)

    async def look(billing: Billing) -> dict[str, Any]:
        from sync.reconcile.repair_sides import Side
        from sync.reconcile.shown import require, require_open, try_out

        require_open(await require(billing, finding_id))
        return await try_out(billing, finding_id, Side(side.value) if side else None)

    def question(found: dict[str, Any]) -> str:
        from worker.cli.render_drift import dry_run_text

        return f"{dry_run_text(found['dry_run'])}\nRepair {finding_id}?"

    found = _decided("repair", carry_out, look, question, dry_run=dry_run, yes=yes)
    _print(found, as_json=as_json)
    raise typer.Exit(_outcome(found, dry_run=dry_run))


def _decided(
    verb: str,
    carry_out: Callable[[Billing, dict[str, Any]], Awaitable[dict[str, Any]]],
    look: Callable[[Billing], Awaitable[dict[str, Any]]],
    question: Callable[[dict[str, Any]], str],
    *,
    dry_run: bool,
    yes: bool,
) -> dict[str, Any]:
    """Look, ask, decide: the finding afterwards, or as it is in a dry run. Without a yes the command ends.

    What is done is what was looked at.
    """

    async def work(billing: Billing) -> dict[str, Any] | None:
        found = await look(billing)
        if dry_run:
            return found
        return await carry_out(billing, found) if confirmed(question(found), yes=yes) else None

    decided = run_async(with_billing(f"drift {verb}", work))
    if decided is None:
        raise typer.Exit(ExitCode.USAGE)
    return decided


def _outcome(found: dict[str, Any], *, dry_run: bool) -> ExitCode:
    if dry_run:
        return ExitCode.REFUSED if found["dry_run"]["refusal"] else ExitCode.DONE
    if found["state"] == "repairing":
        note(f"{found['id']} is being repaired; see how it ends with: prorata drift show {found['id']}")
        return ExitCode.UNKNOWN_OUTCOME
    return ExitCode.DONE if found["state"] in ("repaired", "gone") else ExitCode.CONFLICT


def _print(finding: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(finding)
    else:
        from worker.cli.render_drift import finding_text

        typer.echo(finding_text(finding))
