"""`prorata adopt`: existing subscriptions of the Stripe account become accounts with terms."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, DryRun, Why, emit_json, note
from worker.cli.runtime import operator, run_async, with_billing, with_pool
from worker.cli.switches import By

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.adopt import Adoption, Choice, Naming, Progress
    from sync.billing import Billing
    from sync.rules.adoption_prices import PriceMap
    from sync.store.adoptions import AdoptionRow
    from sync.store.db import Pool

METADATA = "metadata."
SUBSCRIPTION_ID = r"sub_[A-Za-z0-9_]+"
PAGE = 1000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("adopt")(adopt)


def adopt(
    everything: Annotated[bool, typer.Option("--all", help="Every living subscription.")] = False,
    subscription: Annotated[str | None, typer.Option(metavar="ID", help="Only this one (sub_...).")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Show what was refused so far; asks Stripe nothing.")
    ] = False,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help='A TOML file that names foreign prices: [prices.price_123] with slot = "addon:sms", or '
            'slot = "outside" for what the catalog does not sell.',
        ),
    ] = None,
    account_id_from: Annotated[
        str | None,
        typer.Option(
            metavar="metadata.KEY",
            help="The customer's metadata with the account's id. Default: prorata_account, account_id, "
            "or else the customer's id.",
        ),
    ] = None,
    admin: Annotated[
        str | None, typer.Option(metavar="USER", help="The primary admin of every account that is made.")
    ] = None,
    primary_admin_from: Annotated[
        str | None,
        typer.Option(
            metavar="metadata.KEY",
            help="The customer's metadata with its primary admin's user id. Default: "
            "metadata.primary_admin_user_id.",
        ),
    ] = None,
    by: By = None,
    reason: Why = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take existing subscriptions over as terms. Nothing is written to Stripe.

    What does not map exactly is reported with its reason and left alone. Safe to repeat at any time: what
    was taken over is not touched again. Exits 4 when the one --subscription was refused.
    """
    _check(subscription, everything=everything, report=report)
    if report:
        _print_report(run_async(with_pool("adopt report", _refused)), as_json=as_json)
        return
    from sync.adopt import Choice

    mapped, naming = _map(map_file), _naming(account_id_from, admin, primary_admin_from)
    choice = Choice(by or operator(), subscription, dry_run, mapped, naming)
    done = run_async(with_billing("adopt", partial(_carry_out, choice=choice), reason))
    _print(done, as_json=as_json)
    if subscription is not None and any(result.reasons for result in done.results):
        raise typer.Exit(ExitCode.REFUSED)


def _check(subscription: str | None, *, everything: bool, report: bool) -> None:
    if [everything, subscription is not None, report].count(True) != 1:
        raise usage("Give one of --all, --subscription ID, --report")
    if subscription is not None and re.fullmatch(SUBSCRIPTION_ID, subscription) is None:
        raise usage(f"--subscription {subscription!r} is no subscription's id (sub_...)")


async def _carry_out(billing: Billing, choice: Choice) -> Adoption:
    from sync import adopt

    with _bars() as progress:
        return await adopt.adopt(billing, choice, progress)


def _map(path: Path | None) -> PriceMap:
    from sync.errors import BadInput
    from sync.rules.adoption_prices import PriceMap

    if path is None:
        return PriceMap()
    try:
        return PriceMap.load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"--map {path} cannot be read ({type(error).__name__})") from error
    except BadInput as error:
        raise BadInput(error.code, f"--map {path}: {error.detail} Nothing was done.") from error


def _naming(account_id_from: str | None, admin: str | None, admin_from: str | None) -> Naming:
    from sync.adopt.owner import Naming

    if admin is not None and admin_from is not None:
        raise usage("Give either --admin or --primary-admin-from")
    given = Naming(_key("--account-id-from", account_id_from), admin)
    key = _key("--primary-admin-from", admin_from)
    return given if key is None else Naming(given.account_id_key, None, key)


def _key(option: str, value: str | None) -> str | None:
    """The metadata key behind `metadata.KEY`."""
    if value is None:
        return None
    key = value.removeprefix(METADATA)
    if not value.startswith(METADATA) or not key:
        raise usage(f"{option} {value}: write {METADATA}KEY")
    return key


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each part of the work, on stderr; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield progress


def _print(done: Adoption, *, as_json: bool) -> None:
    """One object or one line per subscription, and how many there were of each outcome."""
    from worker.cli.render import terms_text

    summary = done.summary()
    if as_json:
        emit_json({"subscriptions": [result.to_json() for result in done.results], "summary": summary})
        return
    for result in done.results:
        found = result.to_json()
        about = terms_text(found["terms"]) if found["terms"] else ""
        typer.echo(f"{found['outcome']:<11} {result.subscription_id}  {result.account_id or '-'}  {about}")
        for said in (*found["reasons"], *found["remarks"]):
            typer.echo(f"{'':<11} {said['code']}: {said['detail']}")
    counts = [f"{summary[name]} {name.replace('_', ' ')}" for name in _outcomes() if summary[name]]
    typer.echo(f"{summary['subscriptions']} subscriptions: {', '.join(counts) or 'none'}")


def _outcomes() -> list[str]:
    from sync.adopt import Outcome

    return [str(outcome) for outcome in Outcome]


async def _refused(pool: Pool) -> list[AdoptionRow]:
    from sync.store import adoptions

    found: list[AdoptionRow] = []
    while page := await adoptions.page(
        pool, outcome="refused", after=found[-1].subscription_id if found else None, limit=PAGE
    ):
        found += page
    return found


def _print_report(rows: list[AdoptionRow], *, as_json: bool) -> None:
    if as_json:
        names = ("subscription_id", "customer_id", "reasons", "first_tried_at", "decided_at")
        emit_json({"refused": [{name: getattr(row, name) for name in names} for row in rows]})
        return
    for row in rows:
        since = row.first_tried_at.strftime("%Y-%m-%d")
        typer.echo(f"{row.subscription_id}  {row.customer_id}  refused since {since}")
        for said in row.reasons:
            typer.echo(f"  {said['code']}: {said['detail']}")
    note(f"{len(rows)} subscriptions were refused, and live as far as is known")
