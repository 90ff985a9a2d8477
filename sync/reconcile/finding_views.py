"""Findings as HTTP and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sync import clock
from sync.billing import Billing
from sync.contract import iso
from sync.reconcile.digests import digest
from sync.reconcile.repair_sides import advice
from sync.rules.drift import FindingKind
from sync.store import findings as store
from sync.store import repairs as repair_store
from sync.store.findings import FindingRow
from sync.store.repairs import RepairRow

# The newest of each finding.
REPAIRS_MOST = 20


async def list_findings(
    billing: Billing,
    *,
    account_id: str | None,
    state: str | None,
    kind: str | None,
    limit: int,
    starting_after: str | None,
) -> tuple[list[dict[str, Any]], bool]:
    """A page of findings, the youngest first, and whether there are more. Asks nobody but our tables."""
    rows = await store.list_(
        billing.pool,
        account_id=account_id,
        state=state,
        kind=kind,
        limit=limit + 1,
        starting_after=starting_after,
    )
    repairs = await repair_store.of_findings(billing.pool, [row.id for row in rows[:limit]], REPAIRS_MOST)
    return [_view(row, repairs.get(row.id, ())) for row in rows[:limit]], len(rows) > limit


async def finding_json(billing: Billing, finding: FindingRow) -> dict[str, Any]:
    """One finding with its suggestion and what was done about it."""
    repairs = await repair_store.of_findings(billing.pool, [finding.id], REPAIRS_MOST)
    return _view(finding, repairs.get(finding.id, ()))


def digest_of(row: FindingRow) -> str:
    """What it says, for whoever accepts it."""
    return digest([row.expected, row.found])


def _view(row: FindingRow, repairs: Sequence[RepairRow]) -> dict[str, Any]:
    given = advice(row.kind)
    until = row.closed_at or clock.wall()
    return {
        "id": row.id,
        "kind": row.kind,
        "severity": row.severity,
        "says": FindingKind(row.kind).sentence,
        "account_id": row.account_id,
        "object_id": row.object_id,
        "about": row.about or None,
        "expected": row.expected,
        "found": row.found,
        "digest": digest_of(row),
        "state": row.state,
        "first_seen_at": iso(row.first_seen_at),
        "last_seen_at": iso(row.last_seen_at),
        "times_seen": row.times_seen,
        "age_seconds": max(0, int((until - row.first_seen_at).total_seconds())),
        "suggestion": {
            "side": str(given.side),
            "what": given.what,
            "sides": [str(s) for s in given.possible],
        },
        "decided_by": row.decided_by,
        "reason": row.reason,
        "decided_at": iso(row.decided_at),
        "closed_at": iso(row.closed_at),
        "repairs": [_repair_json(each) for each in repairs],
    }


def _repair_json(row: RepairRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "side": row.side,
        "actor": row.actor,
        "reason": row.reason,
        "outcome": row.outcome,
        "detail": row.detail,
        "created_at": iso(row.created_at),
        "ended_at": iso(row.ended_at),
    }
