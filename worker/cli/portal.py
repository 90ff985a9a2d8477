"""`prorata portal-link`: Stripe's page where an account's primary admin changes the payment method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import AsJson, emit_json
from worker.cli.runtime import run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("portal-link")(portal_link)


def portal_link(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    user: Annotated[str, typer.Option(metavar="USER", help="The primary admin who opens it.")],
    return_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the page leads back to.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Link to Stripe's page for the payment method. It opens once, within minutes; charges nothing."""

    async def ask(billing: Billing) -> dict[str, str]:
        from sync.portal import payment_method_link

        return await payment_method_link(billing, account_id, user, return_url)

    made = run_async(with_billing("portal-link", ask))
    if as_json:
        emit_json(made)
    else:
        typer.echo(made["url"])
