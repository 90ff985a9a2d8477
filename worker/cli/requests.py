"""`prorata requests`: what is not self-serve, looked at and decided by support."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, DryRun, Yes, confirmed, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

COLUMNS = ("id", "account_id", "state", "wants", "effective", "decided_by", "change_id", "created_at")

requests = typer.Typer(
    help="Change requests: what support decides.", no_args_is_help=True, rich_markup_mode=None
)


class When(StrEnum):
    """When an approved change takes effect."""

    NOW = "now"
    RENEWAL = "renewal"


class State(StrEnum):
    """Where a request stands."""

    SUBMITTED = "submitted"
    AWAITING_ADMIN_CONFIRM = "awaiting_admin_confirm"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


RequestId = Annotated[str, typer.Argument(metavar="ID", help="The request's id (req_...).")]
Helper = Annotated[str, typer.Option("--as", metavar="USER", help="The person of support who decides.")]
Admin = Annotated[str, typer.Option("--as", metavar="USER", help="The primary admin in whose name you act.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(requests, name="requests")


@requests.command("list")
def list_requests(
    account: Annotated[str | None, typer.Option(metavar="ID", help="Of this account only.")] = None,
    state: Annotated[State | None, typer.Option(help="In this state only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Start after this request.")] = None,
    as_json: AsJson = False,
) -> None:
    """List change requests, newest first."""

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        from sync.change_requests import list_requests as page

        wanted = str(state) if state else None
        return await page(billing, account_id=account, state=wanted, limit=limit, starting_after=after)

    rows, more = run_async(with_billing("requests list", read))
    if as_json:
        emit_json(rows)
    else:
        from worker.cli.render_requests import wish_text

        emit_rows([{**row, "wants": wish_text(row)} for row in rows], COLUMNS, as_json=False)
    if more:
        note(f"there are more: --after {rows[-1]['id']}")


@requests.command("show")
def show(request_id: RequestId, as_json: AsJson = False) -> None:
    """Show one request. While it waits, with a dry run of both timings: now, and at the renewal."""
    _print(run_async(with_billing("requests show", _reading(request_id))), as_json=as_json)


@requests.command("approve")
def approve(
    request_id: RequestId,
    actor: Helper,
    effective: Annotated[
        When | None, typer.Option(help="When it takes effect; else the moment that was asked for.")
    ] = None,
    text: Annotated[str | None, typer.Option("--note", help="What the admin reads with it.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say yes. What costs something now waits for the admin's confirm; the rest is carried out."""

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync.request_decisions import approve as say_yes
        from sync.rules.policy_rule import Effective

        when = Effective(effective.value) if effective else None
        return await say_yes(billing, request_id, actor, effective=when, note=text)

    def question(found: dict[str, Any]) -> str:
        from worker.cli.render_requests import outcome_text

        return f"Approve {request_id}? {outcome_text(found, effective or found['effective'])}"

    def refused(found: dict[str, Any]) -> bool:
        run = (found["dry_run"] or {}).get(str(effective or found["effective"]))
        return bool(run and run["refusals"])

    _decide("approve", request_id, carry_out, question, dry_run=dry_run, yes=yes, as_json=as_json, no=refused)


@requests.command("decline")
def decline(
    request_id: RequestId,
    actor: Helper,
    text: Annotated[str, typer.Option("--note", help="Why; the admin reads it.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say no, with a reason. Nothing changes."""

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync.request_decisions import decline as say_no

        return await say_no(billing, request_id, actor, text)

    def question(_: dict[str, Any]) -> str:
        return f"Decline {request_id}? The admin is told why."

    _decide("decline", request_id, carry_out, question, dry_run=dry_run, yes=yes, as_json=as_json)


@requests.command("withdraw")
def withdraw(
    request_id: RequestId, actor: Admin, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Take a request back, in the name of the primary admin. Nothing changes."""

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync.request_decisions import withdraw as take_back

        return await take_back(billing, request_id, actor)

    def question(_: dict[str, Any]) -> str:
        return f"Withdraw {request_id}?"

    _decide("withdraw", request_id, carry_out, question, dry_run=dry_run, yes=yes, as_json=as_json)


def _reading(request_id: str) -> Callable[[Billing], Awaitable[dict[str, Any]]]:
    async def read(billing: Billing) -> dict[str, Any]:
        from sync.change_requests import show as look

        return await look(billing, request_id)

    return read


def _decide(
    verb: str,
    request_id: str,
    carry_out: Callable[[Billing], Awaitable[dict[str, Any]]],
    question: Callable[[dict[str, Any]], str],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    no: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> None:
    """Look, ask, decide, print. Without a yes nothing is done, and the code is 2."""

    async def work(billing: Billing) -> tuple[dict[str, Any], bool]:
        from sync.change_requests import require, require_open

        if yes and not dry_run:
            return await carry_out(billing), True
        require_open(await require(billing, request_id))
        found = await _reading(request_id)(billing)
        if dry_run or not confirmed(question(found), yes=False):
            return found, False
        return await carry_out(billing), True

    found, done = run_async(with_billing(f"requests {verb}", work))
    if done or dry_run:
        _print(found, as_json=as_json)
    if dry_run:
        note(f"dry run: {question(found)} Nothing was done.")
        raise typer.Exit(ExitCode.REFUSED if no(found) else ExitCode.DONE)
    raise typer.Exit(ExitCode.DONE if done else ExitCode.USAGE)


def _print(request: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(request)
    else:
        from worker.cli.render_requests import request_text

        typer.echo(request_text(request))
