"""What a person is shown of a finding before deciding, so that only that is carried out."""

from __future__ import annotations

from typing import Any, Final

from sync.billing import Billing
from sync.errors import BadInput, Code, Conflict, NotFound, Problem, Refused, StripeTrouble
from sync.reconcile import repair_plan
from sync.reconcile.finding_views import finding_json
from sync.reconcile.repair_items import needs_staff
from sync.reconcile.repair_plan import Plan
from sync.reconcile.repair_sides import Side, advice
from sync.store import findings as store
from sync.store.findings import FindingRow

OPEN: Final = ("open", "accepted")


async def require(billing: Billing, finding_id: str) -> FindingRow:
    """Raises NotFound."""
    found = await store.get(billing.pool, finding_id)
    if found is None:
        raise NotFound(Code.NOT_FOUND, f"There is no finding {finding_id!r}.")
    return found


def require_open(finding: FindingRow) -> None:
    """Raises Conflict (finding_closed)."""
    if finding.state not in OPEN:
        raise closed(finding.state)


def closed(state: str) -> Conflict:
    """The refusal to decide about what is not open."""
    return Conflict(
        Code.FINDING_CLOSED, f"The finding is {state}: there is nothing to decide. Nothing was changed."
    )


async def try_out(billing: Billing, finding_id: str, side: Side | None = None) -> dict[str, Any]:
    """One finding with what a repair would do now; nothing is stored or sent. Raises NotFound."""
    finding = await require(billing, finding_id)
    return {**await finding_json(billing, finding), "dry_run": await _tried(billing, finding, side)}


async def show(billing: Billing, finding_id: str) -> dict[str, Any]:
    """One finding, with the dry run of its suggested repair while it is open. Raises NotFound."""
    finding = await require(billing, finding_id)
    tried = await _tried(billing, finding, None) if finding.state in OPEN else None
    return {**await finding_json(billing, finding), "dry_run": tried}


async def _tried(billing: Billing, finding: FindingRow, side: Side | None) -> dict[str, Any]:
    wanted = side or advice(finding.kind).side
    try:
        if wanted is Side.STAFF:
            raise needs_staff(advice(finding.kind).what)
        return (await repair_plan.make(billing, finding, wanted)).to_json()
    except (Refused, NotFound, StripeTrouble) as error:
        return repair_plan.refused(wanted, error)


def require_shown(plan: Plan, expect: str | None) -> None:
    """Raises BadInput without the digest of a dry run, Conflict (finding_changed) with another one's."""
    require_said(expect, "the dry run")
    if expect != plan.digest:
        detail = (
            "A repair would do something else by now than what was shown. Nothing was changed; `dry_run` "
        )
        detail += "has what it would do now."
        raise Conflict(Code.FINDING_CHANGED, detail, extra={"dry_run": plan.to_json()})


def require_said(expect: str | None, of: str) -> None:
    """Raises BadInput where nobody says what was shown."""
    if expect is None:
        detail = f"`expect` must name the `digest` of {of} that was looked at. Nothing was changed."
        problem = Problem("/expect", Code.BAD_REQUEST, detail)
        raise BadInput(Code.BAD_REQUEST, detail, [problem])
