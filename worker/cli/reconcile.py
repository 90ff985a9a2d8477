"""`prorata reconcile`: intent, our copy and Stripe, compared now."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import operator, progress_bar, run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing

PAGE = 100


@dataclass(slots=True)
class _Report:
    """What was compared, what waits for somebody now, and what became of the repairs."""

    compared: dict[str, Any]
    findings: list[dict[str, Any]] = field(default_factory=list)
    repairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unjudged(self) -> int:
        """Of how many accounts, objects and lists nobody can say whether they differ."""
        return int(self.compared.get("unjudged", 0))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    account: Annotated[str | None, typer.Option(metavar="ID", help="This account only.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything at Stripe (the default).")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 8 while findings are open, 6 where not all could be judged.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Then repair what can be repaired without moving money.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare what was bought with Stripe, and list what differs.

    Our copy is brought up to date on the way. Safe at any time: it reads Stripe within the budget, and
    without --repair it writes nothing there.
    """
    if account is not None and everything:
        raise usage("--account and --all exclude each other")
    if check and repair:
        raise usage("--check and --repair exclude each other: check once more after the repair")

    async def work(billing: Billing) -> _Report:
        compared = await (_one(billing, account) if account else _all(billing))
        report = _Report(compared)
        if repair:
            report.repairs = await _repair(billing, account)
        report.findings = await _open(billing, account)
        return report

    report = run_async(with_billing("reconcile", work))
    _print(report, as_json=as_json)
    raise typer.Exit(_outcome(report) if check else ExitCode.DONE)


def _outcome(report: _Report) -> ExitCode:
    if report.findings:
        return ExitCode.DRIFT
    return ExitCode.STRIPE if report.unjudged else ExitCode.DONE


async def _one(billing: Billing, account_id: str) -> dict[str, Any]:
    from sync.errors import Code, Conflict
    from sync.quotes import require_account
    from sync.reconcile.anew import reconcile_account

    await require_account(billing, account_id)
    if await reconcile_account(billing, account_id) is None:
        detail = f"Something of {account_id} moved all the while: nothing was judged. Ask again in a moment."
        raise Conflict(Code.CHANGE_IN_PROGRESS, detail)
    return {"accounts": 1}


async def _all(billing: Billing) -> dict[str, Any]:
    from sync.errors import Code, Conflict
    from sync.reconcile.sweep import BY_HAND, Sweep
    from sync.store.sweeps import living_subscriptions

    expected = await living_subscriptions(billing.pool)
    with progress_bar("subscriptions compared", expected) as advanced:

        def told(_: str, compared: int) -> None:
            advanced(compared, expected)

        tally = await Sweep(billing, name=BY_HAND, told=told).run_anew()
    if tally is None:
        raise Conflict(Code.CHANGE_IN_PROGRESS, "Another `prorata reconcile` has begun meanwhile.")
    return asdict(tally)


async def _repair(billing: Billing, account_id: str | None) -> list[dict[str, Any]]:
    """Repair what our side may win; what a person has to decide stays open, with the reason."""
    from sync.errors import ProrataError
    from sync.reconcile.repair import repair
    from sync.reconcile.repair_sides import Side, advice
    from sync.reconcile.shown import try_out

    done = []
    for finding in await _open(billing, account_id):
        if advice(finding["kind"]).side is not Side.OURS:
            continue
        try:
            shown = await try_out(billing, finding["id"])
            after = await repair(
                billing,
                finding["id"],
                actor=operator(),
                reason="prorata reconcile --repair",
                expect=shown["dry_run"]["digest"],
            )
        except ProrataError as error:
            # Often it went with another one: all items of a subscription are set at once.
            done.append({"id": finding["id"], "code": str(error.code), "detail": error.detail})
        else:
            done.append({"id": finding["id"], "code": after["state"], "detail": None})
    return done


async def _open(billing: Billing, account_id: str | None) -> list[dict[str, Any]]:
    """Every finding that waits for somebody, page by page."""
    from sync.reconcile.finding_views import list_findings

    found: list[dict[str, Any]] = []
    for state in ("open", "repairing"):
        more, after = True, None
        while more:
            rows, more = await list_findings(
                billing, account_id=account_id, state=state, kind=None, limit=PAGE, starting_after=after
            )
            found += rows
            after = rows[-1]["id"] if rows else None
    return found


def _print(report: _Report, *, as_json: bool) -> None:
    if as_json:
        emit_json(asdict(report))
        return
    from worker.cli.render_drift import emit_list

    for each in report.repairs:
        note(f"{each['id']}: {each['detail'] or each['code']}")
    if report.findings:
        emit_list(report.findings)
    said = ", ".join(f"{count} {name}" for name, count in report.compared.items())
    note(f"compared: {said}; open findings: {len(report.findings)}")
    if report.unjudged:
        note(
            f"{report.unjudged} accounts, objects or lists could not be judged: Stripe did not show them, or "
            "in an unknown form. The log says which; nothing was changed."
        )
