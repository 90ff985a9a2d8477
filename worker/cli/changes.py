"""`prorata quote`, `prorata confirm`, `prorata changes`: the main job, from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, DryRun, Why, Yes, confirmed, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

COLUMNS = ("id", "account_id", "state", "reason", "quoted", "charged", "created_at", "settled_at")
INTEGERS = ("contact_limit", "seats")
NAMES = ("product", "tier", "contact_limit", "seats", "interval")

changes = typer.Typer(help="Changes: confirmed quotes.", no_args_is_help=True, rich_markup_mode=None)

As = Annotated[str, typer.Option("--as", metavar="USER", help="The primary admin in whose name you act.")]
Wait = Annotated[float, typer.Option(min=0, max=120, help="Seconds to wait for the outcome.")]
ChangeId = Annotated[str, typer.Argument(metavar="ID", help="The change's id (chg_...).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("quote")(quote)
    app.command("confirm")(confirm)
    app.add_typer(changes, name="changes")


def quote(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    actor: As,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Such as seats=8 or tier=pro.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="ADDON[=N]", help="An add-on, 1 piece or N.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what a change costs, today and from now on. Changes nothing; exits 4 when it is refused."""
    wanted = wish(settings or [], add or [])

    async def ask(billing: Billing) -> dict[str, Any]:
        from sync.quotes import create
        from sync.rules.terms import parse_partial

        return await create(billing, account_id, actor, parse_partial(wanted))

    made = run_async(with_billing("quote", ask))
    if as_json:
        emit_json(made)
    else:
        from worker.cli.render import quote_text

        typer.echo(quote_text(made))
    if made["refusals"]:
        raise typer.Exit(ExitCode.REFUSED)
    note(f"to buy it: prorata confirm {made['id']} --as {actor}")


def confirm(
    quote_id: Annotated[str, typer.Argument(metavar="QUOTE", help="The quote's id (quo_...).")],
    actor: As,
    wait: Wait = 20,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Confirm a quote: charges exactly what it says, once. Repeating it never charges again."""

    async def carry_out(billing: Billing) -> dict[str, Any] | None:
        from sync.changes import confirm as confirm_quote
        from sync.quotes import get
        from worker.cli.render import money_text

        due = (await get(billing, quote_id))["due_today"]
        # A refused quote has no amount; the flow itself says why.
        if due is not None and not confirmed(f"Charge {money_text(due)} now?", yes=yes):
            return None
        return await confirm_quote(billing, quote_id, actor, wait_seconds=wait)

    done = run_async(with_billing("confirm", carry_out))
    if done is None:
        raise typer.Exit(ExitCode.USAGE)
    _print(done, as_json=as_json)
    raise typer.Exit(outcome(done))


@changes.command("list")
def list_changes(
    account: Annotated[str | None, typer.Option(metavar="ID", help="Of this account only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Start after this change.")] = None,
    as_json: AsJson = False,
) -> None:
    """List changes, newest first."""

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        from sync.change_views import list_changes as page

        return await page(billing, account_id=account, limit=limit, starting_after=after)

    rows, more = run_async(with_billing("changes list", read))
    if as_json:
        emit_json(rows)
    else:
        emit_rows([_row(row) for row in rows], COLUMNS, as_json=False)
    if more:
        note(f"there are more: --after {rows[-1]['id']}")


@changes.command("show")
def show(change_id: ChangeId, wait: Wait = 0, as_json: AsJson = False) -> None:
    """Show one change with its steps. With --wait, the exit code tells how it ended."""

    async def read(billing: Billing) -> dict[str, Any]:
        from sync.change_views import get

        return await get(billing, change_id, wait_seconds=wait)

    found = run_async(with_billing("changes show", read))
    _print(found, as_json=as_json)
    raise typer.Exit(outcome(found) if wait else ExitCode.DONE)


@changes.command("resume")
def resume(change_id: ChangeId, reason: Why = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Have a worker take a change's next step now. Safe to repeat; it never charges twice."""

    async def carry_out(billing: Billing) -> tuple[dict[str, Any], bool]:
        from sync.change_views import get
        from sync.changes import resume as enqueue
        from sync.states import ENDED

        found = await get(billing, change_id)
        if dry_run:
            return found, found["state"] not in ENDED
        return found, await enqueue(billing, change_id)

    found, is_open = run_async(with_billing("changes resume", carry_out, reason))
    _print(found, as_json=as_json)
    if not is_open:
        note(f"{change_id} has ended ({found['state']}); there is nothing to resume")
    elif dry_run:
        note(f"{change_id} is {found['state']}: a worker would take its next step at once")
    else:
        note(f"{change_id} is queued; see how it ends with: prorata changes show {change_id} --wait 20")


@changes.command("withdraw")
def withdraw(
    change_id: ChangeId, actor: As, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Take back a change that waits for its payment. Its open invoice is voided."""

    async def carry_out(billing: Billing) -> dict[str, Any] | None:
        from sync.change_views import get
        from sync.withdrawal import withdraw as take_back

        found = await get(billing, change_id)
        if dry_run:
            can = "would be withdrawn" if found["state"] == "awaiting_payment" else "cannot be withdrawn"
            note(f"{change_id} is {found['state']}: it {can}")
            return found
        if not confirmed(f"Withdraw {change_id} and void its open invoice?", yes=yes):
            return None
        return await take_back(billing, change_id, actor)

    done = run_async(with_billing("changes withdraw", carry_out))
    if done is None:
        raise typer.Exit(ExitCode.USAGE)
    _print(done, as_json=as_json)
    withdrawn = dry_run or _state(done) == "withdrawn"
    raise typer.Exit(ExitCode.DONE if withdrawn else ExitCode.UNKNOWN_OUTCOME)


# How a change ended, for scripts; what is not listed is still on its way.
_ENDINGS = {
    "applied": ExitCode.DONE,
    "settled": ExitCode.DONE,
    "scheduled": ExitCode.DONE,
    "failed": ExitCode.REFUSED,
    "expired": ExitCode.CONFLICT,
    "withdrawn": ExitCode.CONFLICT,
    "superseded": ExitCode.CONFLICT,
    "replaced": ExitCode.CONFLICT,
}


def outcome(change: dict[str, Any]) -> ExitCode:
    """0 when the account has what was bought, 4 declined or refused, 5 ended otherwise, 9 not known yet."""
    return _ENDINGS.get(_state(change), ExitCode.UNKNOWN_OUTCOME)


def _state(change: dict[str, Any]) -> str:
    """The part that costs money decides, if there is one."""
    return str((change["now"] or change)["state"])


def wish(settings: list[str], add: list[str]) -> dict[str, Any]:
    """`["seats=8", "tier=pro"]` and `["sms=2"]` as the `terms` of a request. Raises BadInput."""
    terms: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or name not in NAMES:
            raise usage(f"--set {text}: write NAME=VALUE; the names are {', '.join(NAMES)}")
        terms[name] = _number(name, value) if name in INTEGERS else value
    if add:
        pairs = [text.partition("=") for text in add]
        terms["add_ons"] = {name: _number(name, value) if equals else 1 for name, equals, value in pairs}
    if not terms:
        raise usage("say what should change: --set seats=8, --set tier=pro, --add sms")
    return terms


def _number(name: str, value: str) -> int:
    try:
        return int(value.replace(",", ""))
    except ValueError as error:
        raise usage(f"{name}={value}: must be a whole number") from error


def _row(change: dict[str, Any]) -> dict[str, Any]:
    from worker.cli.render import money_text

    now = change["now"] or {}
    money = {name: money_text(now.get(name)) for name in ("quoted", "charged")}
    return {**change, **money, "reason": now.get("reason")}


def _print(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(change)
    else:
        from worker.cli.render import change_text

        typer.echo(change_text(change))
