"""`prorata quote`, `prorata confirm`, `prorata changes`: the main job, from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.output import AsJson, Yes, confirmed, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

COLUMNS = ("id", "account_id", "state", "actor", "created_at", "settled_at")
INTEGERS = ("contact_limit", "seats")

changes = typer.Typer(help="Changes: confirmed quotes.", no_args_is_help=True, rich_markup_mode=None)

As = Annotated[str, typer.Option("--as", metavar="USER", help="The primary admin in whose name you act.")]
Wait = Annotated[float, typer.Option(min=0, max=120, help="Seconds to wait for the outcome.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("quote")(quote)
    app.command("confirm")(confirm)
    app.add_typer(changes, name="changes")


def quote(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    actor: As,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Such as seats=8 or tier=pro.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="ADDON[=N]", help="An add-on, 1 piece or N.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what a change costs, today and from now on. Changes nothing."""
    from sync.quotes import create
    from sync.rules.terms import parse_partial

    wanted = parse_partial(wish(settings or [], add or []))
    made = run_async(with_billing("quote", lambda billing: create(billing, account_id, actor, wanted)))
    if as_json:
        emit_json(made)
    else:
        from worker.cli.render import quote_text

        typer.echo(quote_text(made))
    if made["refusals"]:
        raise typer.Exit(4)


def confirm(
    quote_id: Annotated[str, typer.Argument(metavar="QUOTE")],
    actor: As,
    wait: Wait = 20,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Confirm a quote: charges exactly what it says. A quote is used once; repeating this is safe."""
    from sync.changes import confirm as confirm_quote
    from sync.quotes import get

    async def ask(billing: Billing) -> dict[str, Any]:
        return await get(billing, quote_id)

    from worker.cli.render import money_text

    due = run_async(with_billing("confirm", ask))["due_today"]
    if not confirmed(f"Charge {money_text(due)} now?", yes=yes):
        raise typer.Exit(2)

    async def carry_out(billing: Billing) -> dict[str, Any]:
        return await confirm_quote(billing, quote_id, actor, wait_seconds=wait)

    _print(run_async(with_billing("confirm", carry_out)), as_json=as_json)


@changes.command("list")
def list_changes(
    account: Annotated[str | None, typer.Option(help="Of this account only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    after: Annotated[str | None, typer.Option(help="Start after this id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List changes, newest first."""
    from sync.change_views import list_changes as page

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        return await page(billing, account_id=account, limit=limit, starting_after=after)

    rows, more = run_async(with_billing("changes list", read))
    emit_rows(rows, COLUMNS, as_json=as_json)
    if more:
        note(f"there are more: --after {rows[-1]['id']}")


@changes.command("show")
def show(
    change_id: Annotated[str, typer.Argument(metavar="ID")], wait: Wait = 0, as_json: AsJson = False
) -> None:
    """Show one change with its steps."""
    from sync.change_views import get

    _print(
        run_async(with_billing("changes show", lambda billing: get(billing, change_id, wait_seconds=wait))),
        as_json=as_json,
    )


@changes.command("withdraw")
def withdraw(
    change_id: Annotated[str, typer.Argument(metavar="ID")], actor: As, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Take back a change that waits for its payment; its open invoice is voided."""
    from sync.changes import withdraw as take_back

    if not confirmed(f"Withdraw {change_id} and void its open invoice?", yes=yes):
        raise typer.Exit(2)
    done = run_async(with_billing("changes withdraw", lambda billing: take_back(billing, change_id, actor)))
    _print(done, as_json=as_json)


def wish(settings: list[str], add: list[str]) -> dict[str, Any]:
    """`["seats=8", "tier=pro"]` and `["sms=2"]` as the `terms` of a request. Raises BadParameter."""
    terms: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {text}: write NAME=VALUE, such as seats=8")
        terms[name] = _number(name, value) if name in INTEGERS else value
    if add:
        pairs = [text.partition("=") for text in add]
        terms["add_ons"] = {name: _number(name, value) if equals else 1 for name, equals, value in pairs}
    return terms


def _number(name: str, value: str) -> int:
    try:
        return int(value.replace(",", ""))
    except ValueError as error:
        raise typer.BadParameter(f"{name}={value}: must be a whole number") from error


def _print(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(change)
    else:
        from worker.cli.render import change_text

        typer.echo(change_text(change))
    state = (change["now"] or change)["state"]
    if state in ("failed", "expired", "withdrawn", "superseded"):
        raise typer.Exit(4)
    if state in ("confirmed", "applying"):
        raise typer.Exit(9)
