"""`prorata policy`: check the file, show its table, explain what it says about a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, emit_json, emit_rows, note
from worker.cli.runtime import run_async, settings_for, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing
    from sync.rules.catalog import Catalog
    from sync.rules.policy import Policy
    from sync.rules.policy_explain import Explanation
    from sync.rules.terms import Terms

policy = typer.Typer(
    help="Who may change what, when, and how it is billed.", no_args_is_help=True, rich_markup_mode=None
)

RULE_COLUMNS = (
    "dimension", "direction", "product", "decision", "on_approval", "proration_behavior", "payment_behavior",
)  # fmt: skip
ENTITLEMENT_COLUMNS = ("status", "level", "reason")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(policy, name="policy")


@policy.command("check")
def check(as_json: AsJson = False) -> None:
    """Check the policy file. Exits 4 when something is wrong."""
    catalog, rules = _files("policy check")
    problems = rules.check(catalog)
    if as_json:
        emit_json({"problems": problems, "rules": len(rules.rules), "entitlements": len(rules.entitlements)})
    else:
        for problem in problems:
            note(problem)
        said = f"{len(rules.rules)} rules, {len(rules.entitlements)} entitlements, {len(problems)} problems"
        typer.echo(said)
    if problems:
        raise typer.Exit(ExitCode.REFUSED)


@policy.command("show")
def show(as_json: AsJson = False) -> None:
    """Show the table of changes, and what each state leaves."""
    _, policy_file = _files("policy show")
    rules = [
        {
            **{name: getattr(rule, name) for name in RULE_COLUMNS if name != "on_approval"},
            "on_approval": list(rule.on_approval) or None,
            "reason": rule.reason,
        }
        for rule in policy_file.rules
    ]
    granted = [
        {name: getattr(rule, name) for name in ENTITLEMENT_COLUMNS} for rule in policy_file.entitlements
    ]
    who = {str(action): list(roles) for action, roles in policy_file.who.items()}
    if as_json:
        emit_json({"who": who, "rules": rules, "entitlements": granted})
        return
    for action, roles in who.items():
        typer.echo(f"{action}: {', '.join(roles)}")
    typer.echo()
    emit_rows(rules, RULE_COLUMNS, as_json=False)
    typer.echo()
    emit_rows(granted, ENTITLEMENT_COLUMNS, as_json=False)


@policy.command("explain")
def explain(
    to: Annotated[
        str, typer.Option("--to", metavar="TERMS", help="What should change, such as tier=plus,seats=3.")
    ],
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TERMS", help="The present terms, such as product=marketing,tier=pro,"
            "contact_limit=2500,seats=5,sms=1. Without them: a first purchase.",
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="Take the present terms and use of this account.")
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Explain what the policy says about a change. Changes nothing, asks nobody."""
    if start is not None and account is not None:
        raise usage("--from and --account: give one of them")
    wanted = _wish(to, "--to")
    if account is not None:
        found = run_async(
            with_billing("policy explain --account", lambda billing: _of_account(billing, account, wanted))
        )
    else:
        found = _of_terms(start, wanted)
    if as_json:
        emit_json(found.to_json())
        return
    from worker.cli.render_policy import explanation_text

    typer.echo(explanation_text(found))


def _of_terms(start: str | None, wanted: dict[str, Any]) -> Explanation:
    from sync.rules.policy_explain import explain as ask
    from sync.rules.terms import merge, parse_partial

    catalog, rules = _files("policy explain")
    current: Terms | None = None
    if start is not None:
        current = merge(None, parse_partial(_wish(start, "--from")), catalog)
    complete = merge(current, parse_partial(wanted), catalog)
    return ask(current, complete, catalog=catalog, policy=rules, currency=catalog.currencies[0])


async def _of_account(billing: Billing, account_id: str, wanted: dict[str, Any]) -> Explanation:
    """With what the account uses, and with what is promised for its renewal."""
    from sync.entitlements import granted_to
    from sync.quotes import require_account
    from sync.rules.differences import targets_of
    from sync.rules.planner import Usage
    from sync.rules.policy_explain import explain as ask
    from sync.rules.terms import Terms, merge, parse_partial
    from sync.store import promises as promise_store

    account = await require_account(billing, account_id)
    granted = await granted_to(billing, account)
    # What has ended is history: the same words describe a first purchase.
    current = granted.terms
    promise = await promise_store.promise_of(billing.pool, account_id) if current else None
    partial = parse_partial(wanted)
    return ask(
        current,
        merge(current, partial, billing.catalog),
        catalog=billing.catalog,
        policy=billing.policy,
        currency=account.currency,
        usage=Usage(account.contacts_in_use or 0, account.seats_in_use or 0),
        scheduled=Terms.from_json(promise.terms) if promise else None,
        named=targets_of(partial),
    )


def _files(command: str) -> tuple[Catalog, Policy]:
    from worker.billing import load_catalog, load_policy

    settings = settings_for(command)
    return load_catalog(settings), load_policy(settings)


def _wish(text: str, option: str) -> dict[str, Any]:
    """`tier=plus,seats=3,sms=2` as the `terms` of a request: what is no part of terms is an add-on."""
    from worker.cli.changes import NAMES, wish

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if odd := [part for part in parts if "=" not in part]:
        raise usage(f"{option} {odd[0]}: write NAME=VALUE, separated by commas")
    settings = [part for part in parts if part.partition("=")[0] in NAMES]
    add_ons = [part for part in parts if part not in settings]
    if not parts:
        raise usage(f"{option}: say at least one NAME=VALUE")
    return wish(settings, add_ons)
