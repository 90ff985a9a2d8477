"""Accepting a finding: a person says that it may stay, for as long as it stays the same."""

from __future__ import annotations

from typing import Any

import structlog

from sync.audit import Act, write
from sync.billing import Billing
from sync.errors import Code, Conflict
from sync.reconcile.finding_views import digest_of, finding_json
from sync.reconcile.shown import require, require_open, require_said
from sync.store import repairs as store
from sync.store.db import transaction
from sync.store.findings import FindingRow
from sync.switch import check_words
from sync.telemetry import LogEvent

log = structlog.get_logger()


async def accept(
    billing: Billing, finding_id: str, *, actor: str, reason: str, expect: str | None
) -> dict[str, Any]:
    """Accept a finding; returns it. It opens again by itself once something else is found or expected.

    `expect` is the digest of the finding that was looked at. Once more says another reason. Raises BadInput,
    NotFound, Conflict (finding_closed, finding_changed).
    """
    check_words(actor, reason)
    finding = await require(billing, finding_id)
    require_open(finding)
    require_said(expect, "the finding")
    if expect != digest_of(finding):
        raise await _changed(billing, finding)
    async with transaction(billing.pool) as conn:
        accepted = await store.accept_finding(conn, finding, actor, reason)
        if accepted:
            detail = {"finding_id": finding.id, "kind": finding.kind, "object_id": finding.object_id}
            detail |= {"about": finding.about, "found": finding.found, "reason": reason}
            await write(conn, finding.account_id, Act.FINDING_ACCEPTED, actor, detail)
    finding = await require(billing, finding_id)
    if not accepted:
        require_open(finding)
        raise await _changed(billing, finding)
    log.info(LogEvent.DRIFT_ACCEPTED, finding_id=finding_id, account_id=finding.account_id, actor=actor)
    return await finding_json(billing, finding)


async def _changed(billing: Billing, finding: FindingRow) -> Conflict:
    """The refusal of something else than what was looked at."""
    detail = (
        "Something else is found by now than what was looked at. Nothing was changed; `finding` says what."
    )
    return Conflict(Code.FINDING_CHANGED, detail, extra={"finding": await finding_json(billing, finding)})
