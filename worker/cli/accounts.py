"""`prorata accounts`: link an account to a customer of Stripe, list them, show one, name its admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, DryRun, Why, Yes, confirmed, emit_json, emit_rows, note
from worker.cli.runtime import operator, run_async, with_billing
from worker.cli.switches import By

if TYPE_CHECKING:
    from sync.billing import Billing

COLUMNS = ("account_id", "name", "currency", "product", "tier", "contact_limit", "seats", "parked")

LOCALES = ("en", "fr")

accounts = typer.Typer(help="Accounts and who may change them.", no_args_is_help=True, rich_markup_mode=None)

Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept, and shown in the story.")]
AccountId = Annotated[str, typer.Argument(metavar="ID", help="The account's id in the host application.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(accounts, name="accounts")


@accounts.command("link")
def link(
    account_id: AccountId,
    email: Annotated[str, typer.Option(help="Where Stripe's messages go.")],
    name: Annotated[str, typer.Option(help="The customer's name.")],
    admin: Annotated[str, typer.Option(help="The primary admin's user id.")],
    admin_email: Annotated[
        str | None, typer.Option(help="The primary admin's address; default: --email.")
    ] = None,
    currency: Annotated[str, typer.Option(help="One currency for the account's life.")] = "usd",
    locale: Annotated[str, typer.Option(help="en or fr.")] = "en",
    customer: Annotated[str | None, typer.Option(help="An existing customer (cus_...) to link.")] = None,
    payment_method: Annotated[
        str | None, typer.Option(help="The new customer's payment method (pm_...).")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Create an account with its customer at Stripe, or link a customer. Safe to repeat."""
    if locale not in LOCALES:
        raise usage(f"--locale {locale}: the languages are {', '.join(LOCALES)}")
    _require_account_id(account_id)
    _require_person(admin, email, admin_email or email)

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync.accounts import NewAccount, create
        from sync.store import accounts as store

        if dry_run:
            known = await store.get(billing.pool, account_id) is not None
            return {
                "account_id": account_id,
                "exists": known,
                "would_link": None if known else customer or "new",
            }
        new = NewAccount(
            account_id, email, name, admin, admin_email or email, locale, currency, customer, payment_method
        )
        return await create(billing, new)

    done = run_async(with_billing("accounts link", carry_out))
    if not dry_run:
        _print(done, as_json=as_json)
    elif as_json:
        emit_json(done)
    else:
        what = "is there already" if done["exists"] else f"would get the customer: {done['would_link']}"
        typer.echo(f"{account_id} {what}")


@accounts.command("list")
def list_accounts(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Start after this account.")] = None,
    as_json: AsJson = False,
) -> None:
    """List accounts by id."""

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        from sync.account_views import list_accounts as page

        return await page(billing, limit=limit, starting_after=after)

    rows, more = run_async(with_billing("accounts list", read))
    flat = [{**row, **(row["terms"] or {}), "parked": "yes" if row["parked"] else "no"} for row in rows]
    emit_rows(rows if as_json else flat, COLUMNS, as_json=as_json)
    if more:
        note(f"there are more: --after {rows[-1]['account_id']}")


@accounts.command("show")
def show(
    account_id: AccountId,
    history: Annotated[bool, typer.Option("--history", help="With what was in force before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one account: what it buys, uses and pays next."""

    async def read(billing: Billing) -> dict[str, Any]:
        from sync.account_views import view

        return await view(billing, account_id)

    found = run_async(with_billing("accounts show", read))
    _print(found, as_json=as_json)
    if history and not as_json:
        from worker.cli.render import history_text

        typer.echo(f"\n{history_text(found['history'])}")


@accounts.command("admin")
def admin(
    account_id: AccountId,
    user: Annotated[str, typer.Argument(metavar="USER", help="The new primary admin's user id.")],
    email: Annotated[str, typer.Option(help="The new primary admin's address.")],
    reason: Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Name another primary admin. Only this user may change the account's billing."""
    _require_person(user, email)

    async def carry_out(billing: Billing) -> dict[str, Any] | None:
        from sync.account_views import view
        from sync.accounts import set_primary_admin

        before = (await view(billing, account_id))["primary_admin"]["user_id"]
        question = f"Let {user} instead of {before} change the billing of {account_id}?"
        if dry_run:
            note(f"{user} would take the place of {before}")
            return await view(billing, account_id)
        if not confirmed(question, yes=yes):
            return None
        return await set_primary_admin(billing, account_id, user, email)

    done = run_async(with_billing("accounts admin", carry_out, reason))
    if done is None:
        raise typer.Exit(ExitCode.USAGE)
    _print(done, as_json=as_json)


@accounts.command("park")
def park(
    account_id: AccountId,
    reason: Reason,
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Hold an account's billing changes until somebody has looked. Safe to repeat.

    Nothing is quoted or confirmed, and open changes wait; what is paid is still settled.
    """

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync import account_views, parking

        if dry_run:
            note(f"would hold the billing changes of {account_id}")
            return await account_views.view(billing, account_id)
        return await parking.park(billing, account_id, actor=by or operator(), reason=reason)

    _print(run_async(with_billing("accounts park", carry_out)), as_json=as_json)


@accounts.command("unpark")
def unpark(
    account_id: AccountId,
    reason: Reason,
    by: By = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a parked account's billing changes go on. Safe to repeat."""

    async def carry_out(billing: Billing) -> dict[str, Any]:
        from sync import account_views, parking

        found = await account_views.view(billing, account_id)
        if found["parked"] is None:
            note(f"{account_id} is not parked")
        if dry_run:
            note(f"would let the billing changes of {account_id} go on")
            return found
        return await parking.unpark(billing, account_id, actor=by or operator(), reason=reason)

    _print(run_async(with_billing("accounts unpark", carry_out)), as_json=as_json)


def _require_account_id(account_id: str) -> None:
    """What the API could not address is not made here either."""
    from sync.rules import identity

    if not identity.is_account_id(account_id):
        raise usage(
            f"{account_id!r} is no account's id: visible ASCII without a slash, at most "
            f"{identity.LONGEST_ID} characters"
        )


def _require_person(user_id: str, *emails: str) -> None:
    from sync.rules import identity

    if not identity.is_user_id(user_id):
        raise usage(f"{user_id!r} is no user's id: at most {identity.LONGEST_ID} printable characters")
    for email in emails:
        if not identity.is_email(email):
            raise usage(f"{email!r} is no e-mail address")


def _print(account: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(account)
        return
    from worker.cli.render import account_text

    typer.echo(account_text(account))
