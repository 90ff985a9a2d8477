"""`prorata accounts`: link an account to a customer of Stripe, list them, show one, name its admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.output import AsJson, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

COLUMNS = ("account_id", "name", "currency", "product", "tier", "contact_limit", "seats", "parked")

accounts = typer.Typer(help="Accounts and who may change them.", no_args_is_help=True, rich_markup_mode=None)

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
    admin_email: Annotated[str | None, typer.Option(help="The primary admin's address; default: --email.")] = None,
    currency: Annotated[str, typer.Option(help="One currency for the account's life.")] = "usd",
    locale: Annotated[str, typer.Option(help="en or fr.")] = "en",
    customer: Annotated[str | None, typer.Option(help="An existing customer (cus_...) to link.")] = None,
    payment_method: Annotated[str | None, typer.Option(help="The new customer's payment method (pm_...).")] = None,
    as_json: AsJson = False,
) -> None:
    """Create an account and its customer at Stripe, or link an existing customer."""
    from sync.accounts import NewAccount, create

    new = NewAccount(
        account_id, email, name, admin, admin_email or email, locale, currency, customer, payment_method
    )
    _print(run_async(with_billing("accounts link", lambda billing: create(billing, new))), as_json=as_json)


@accounts.command("list")
def list_accounts(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    after: Annotated[str | None, typer.Option(help="Start after this id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List accounts by id."""
    from sync.accounts import list_accounts as page

    async def read(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
        return await page(billing, limit=limit, starting_after=after)

    rows, more = run_async(with_billing("accounts list", read))
    flat = [{**row, **(row["terms"] or {}), "parked": bool(row["parked"])} for row in rows]
    emit_rows(rows if as_json else flat, COLUMNS, as_json=as_json)
    if more:
        note(f"there are more: --after {rows[-1]['account_id']}")


@accounts.command("show")
def show(account_id: AccountId, as_json: AsJson = False) -> None:
    """Show one account: what it buys, uses and pays next."""
    from sync.accounts import view

    _print(run_async(with_billing("accounts show", lambda billing: view(billing, account_id))), as_json=as_json)


@accounts.command("admin")
def admin(
    account_id: AccountId,
    user: Annotated[str, typer.Argument(help="The new primary admin's user id.")],
    email: Annotated[str, typer.Option(help="The new primary admin's address.")],
    as_json: AsJson = False,
) -> None:
    """Name another primary admin: the only one who may change the account's billing."""
    from sync.accounts import set_primary_admin

    done = run_async(
        with_billing("accounts admin", lambda billing: set_primary_admin(billing, account_id, user, email))
    )
    _print(done, as_json=as_json)


def _print(account: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(account)
        return
    from worker.cli.render import account_text

    typer.echo(account_text(account))
