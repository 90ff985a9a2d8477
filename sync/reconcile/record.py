"""Findings against differences: which of them a comparison decides about, and telling what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from sync.gateway import ObjectRead
from sync.rules.drift import Difference, FindingKind
from sync.rules.drift_compare import NOT_STARTED
from sync.store.accounts import AccountRow
from sync.store.findings import FindingRow, Recorded
from sync.telemetry import LogEvent

log = structlog.get_logger()

# What a comparison with the account's own subscription says nothing about.
_ELSEWHERE = frozenset(
    {
        FindingKind.SECOND_SUBSCRIPTION,
        FindingKind.INVOICE_UNEXPLAINED,
        FindingKind.MIRROR_STALE,
        FindingKind.PORTAL_ALLOWS_UPDATES,
    }
)


def tell(recorded: Recorded) -> None:
    """Log the news and what went; call it after the commit."""
    for row in recorded.news:
        log.warning(LogEvent.DRIFT_FOUND, **_fields(row))
    for row in recorded.over:
        log.info(LogEvent.DRIFT_CLOSED, **_fields(row))


def _fields(row: FindingRow) -> dict[str, str | None]:
    return {
        "finding_id": row.id,
        "kind": row.kind,
        "severity": row.severity,
        "object_id": row.object_id,
        "account_id": row.account_id,
    }


def of_own(account: AccountRow, rows: Iterable[FindingRow]) -> list[FindingRow]:
    """The findings that a comparison with the account's own subscription decides about."""
    return [row for row in rows if not _is_elsewhere(account, row)]


def _is_elsewhere(account: AccountRow, row: FindingRow) -> bool:
    if row.kind == FindingKind.TERMS_MISSING:
        return row.object_id != account.stripe_subscription_id
    return row.kind in _ELSEWHERE or row.about == NOT_STARTED


def same(rows: Iterable[FindingRow], differences: Sequence[Difference]) -> bool:
    """Whether these differences are exactly what the findings say already."""
    known = {row.key: (row.expected, row.found) for row in rows}
    return known == {each.key: (each.expected, each.found) for each in differences}


def unique(reads: Iterable[ObjectRead]) -> list[ObjectRead]:
    """One read for each object: the last one."""
    return list({read.object_id: read for read in reads}.values())
