"""`prorata catalog`: check the file, compare it with Stripe, push what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sync.rules.money import format_minor
from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, DryRun, Why, Yes, confirmed, emit_json, note
from worker.cli.runtime import progress_bar, run_async, settings_for, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing
    from sync.catalog_push import PushPlan

catalog = typer.Typer(help="What is sold, here and at Stripe.", no_args_is_help=True, rich_markup_mode=None)

Currencies = Annotated[
    list[str] | None, typer.Option("--currency", help="Only this currency; may be repeated. Default: all.")
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(catalog, name="catalog")


@catalog.command("check")
def check(as_json: AsJson = False) -> None:
    """Check the catalog and the policy files. Exits 4 when something is wrong."""
    from worker.billing import load_catalog, load_policy

    settings = settings_for("catalog check")
    sold = load_catalog(settings)
    problems = [*sold.check(), *load_policy(settings).check(sold)]
    if as_json:
        emit_json({"problems": problems, "prices": len(sold.amounts)})
    else:
        for problem in problems:
            note(problem)
        typer.echo(f"{len(sold.amounts)} prices, {len(problems)} problems")
    if problems:
        raise typer.Exit(ExitCode.REFUSED)


@catalog.command("diff")
def diff(currency: Currencies = None, as_json: AsJson = False) -> None:
    """Show what a push would create; reads only."""
    plan = run_async(with_billing("catalog diff", lambda billing: _plan(billing, currency)))
    _print(plan, as_json=as_json)


@catalog.command("push")
def push(
    currency: Currencies = None,
    reason: Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Create the products and prices that Stripe lacks. A changed amount becomes a new price."""

    async def carry_out(billing: Billing) -> PushPlan:
        from sync.catalog_push import push as push_plan

        plan = await _plan(billing, currency)
        total = len(plan.products) + len(plan.prices)
        question = f"Create {len(plan.products)} products and {len(plan.prices)} prices at Stripe?"
        if dry_run:
            return plan
        if total and not confirmed(question, yes=yes):
            raise typer.Exit(ExitCode.USAGE)
        with progress_bar("pushing the catalog", total) as progress:
            await push_plan(billing, plan, progress)
        return plan

    plan = run_async(with_billing("catalog push", carry_out, reason))
    _print(plan, as_json=as_json, pushed=not dry_run)


async def _plan(billing: Billing, currencies: list[str] | None) -> PushPlan:
    from sync.catalog_push import diff as compare

    known = list(billing.catalog.currencies)
    unknown = sorted(set(currencies or []) - set(known))
    if unknown:
        raise usage(f"--currency {unknown[0]}: the catalog sells in {', '.join(known)}")
    return await compare(billing, currencies or known)


def _print(plan: PushPlan, *, as_json: bool, pushed: bool = False) -> None:
    """What is missing at Stripe, or what was created there."""
    if as_json:
        emit_json(
            {
                "new_products": [body["id"] for body in plan.products],
                "new_prices": [body["lookup_key"] for body in plan.prices],
                "existing_prices": len(plan.existing),
                "pushed": pushed,
            }
        )
        return
    if not pushed:
        for body in plan.prices:
            typer.echo(
                f"+ {body['lookup_key']:<60} {format_minor(body['unit_amount'], body['currency']):>14}"
            )
    done = "created" if pushed else "to create"
    typer.echo(
        f"{len(plan.prices)} prices and {len(plan.products)} products {done}, "
        f"{len(plan.existing)} prices at Stripe already"
    )
