"""From differences to findings: in one transaction with the reads that show them, and told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from sync.gateway import ObjectRead
from sync.rules.drift import Difference, FindingKind
from sync.rules.drift_compare import NOT_STARTED
from sync.store import findings as store
from sync.store.accounts import AccountRow
from sync.store.db import Connection
from sync.store.findings import FindingRow
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """What there is now, what of it is new or something else than before, and what is over."""

    found: Sequence[FindingRow]
    news: Sequence[FindingRow]
    over: Sequence[FindingRow]

    def tell(self) -> None:
        """Log the news and what went; call it after the commit."""
        for row in self.news:
            log.warning(LogEvent.DRIFT_FOUND, **_fields(row))
        for row in self.over:
            log.info(LogEvent.DRIFT_CLOSED, **_fields(row))


def _fields(row: FindingRow) -> dict[str, str | None]:
    return {
        "finding_id": row.id,
        "kind": row.kind,
        "severity": row.severity,
        "object_id": row.object_id,
        "account_id": row.account_id,
    }


async def record(
    conn: Connection, former: Iterable[FindingRow], differences: Sequence[Difference], began: datetime
) -> Recorded:
    """Record what differs, and close what does not any more of `former`: the findings that were looked at.

    What was seen after this look `began` is newer than it: it is neither closed nor overwritten.
    """
    done = await store.replace(conn, list(former), differences, began)
    return Recorded(done.found, done.news, done.over)


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
