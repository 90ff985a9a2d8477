"""Findings: one row for each disagreement, from when it was first seen until it is gone or repaired."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sync import ids
from sync.rules.drift import Difference
from sync.store.db import Connection, Executor, Record, encode_json


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding, by column of table finding; it is over once it has a `closed_at`."""

    id: str
    kind: str
    severity: str
    account_id: str | None
    object_id: str
    about: str
    expected: Any
    found: Any
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    times_seen: int
    decided_by: str | None
    reason: str | None
    decided_at: datetime | None
    closed_at: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        """The same as that of the difference."""
        return (self.kind, self.object_id, self.about)


_COLUMNS = ", ".join(field.name for field in fields(FindingRow))
_SEEN = """
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
       AS seen (id, kind, severity, account_id, object_id, about, expected, found)
"""

# What was accepted stays so for as long as it is the same; another difference at the same place is open
# again, and who accepted the former one no longer says anything. What somebody saw after `$9`, when this look
# began, is newer than what it brings.
RECORD = f"""
INSERT INTO finding (id, kind, severity, account_id, object_id, about, expected, found, state)
SELECT id, kind, severity, account_id, object_id, about, expected::jsonb, found::jsonb, 'open'
{_SEEN}
 ORDER BY kind, object_id, about
    ON CONFLICT (kind, object_id, about) WHERE closed_at IS NULL DO UPDATE
   SET last_seen_at = clock_timestamp(), times_seen = finding.times_seen + 1,
       severity = excluded.severity, account_id = coalesce(excluded.account_id, finding.account_id),
       expected = CASE WHEN finding.last_seen_at < $9 THEN excluded.expected ELSE finding.expected END,
       found = CASE WHEN finding.last_seen_at < $9 THEN excluded.found ELSE finding.found END,
       state = CASE WHEN finding.state = 'accepted' AND finding.last_seen_at < $9
                     AND (finding.expected, finding.found)
                         IS DISTINCT FROM (excluded.expected, excluded.found)
                    THEN 'open' ELSE finding.state END
RETURNING {_COLUMNS}
"""
# Seen and over at the same moment: it stands in the history only.
RECORD_OVER = f"""
INSERT INTO finding (id, kind, severity, account_id, object_id, about, expected, found, state, closed_at)
SELECT id, kind, severity, account_id, object_id, about, expected::jsonb, found::jsonb, 'gone', now()
{_SEEN}
 ORDER BY kind, object_id, about
RETURNING {_COLUMNS}
"""
# What goes while it is being repaired went because of that. What was seen after `$2` is there.
CLOSE = """
UPDATE finding
   SET state = CASE WHEN state = 'repairing' THEN 'repaired' ELSE 'gone' END, closed_at = clock_timestamp()
 WHERE id = ANY ($1) AND closed_at IS NULL AND last_seen_at < $2
RETURNING id
"""
# In the order of the keys, like every write of several findings.
LOCK = f"""
SELECT {_COLUMNS} FROM finding
 WHERE closed_at IS NULL AND (id = ANY ($1) OR object_id = ANY ($2))
 ORDER BY kind, object_id, about FOR UPDATE
"""
SELECT_FINDING = f"SELECT {_COLUMNS} FROM finding WHERE id = $1"
SELECT_PAGE = f"""
SELECT {_COLUMNS} FROM finding
 WHERE ($2::text IS NULL OR account_id = $2)
   AND ($3::text IS NULL OR state = $3)
   AND ($4::text IS NULL OR kind = $4)
   AND ($5::text IS NULL
        OR (first_seen_at, id) < (SELECT last.first_seen_at, last.id FROM finding AS last WHERE last.id = $5))
 ORDER BY first_seen_at DESC, id DESC LIMIT $1
"""
SELECT_NOT_OVER_OF_KIND = f"""
SELECT {_COLUMNS} FROM finding WHERE kind = $1 AND closed_at IS NULL ORDER BY id
"""
SELECT_NOT_SEEN_SINCE = f"""
SELECT {_COLUMNS} FROM finding
 WHERE closed_at IS NULL AND last_seen_at < $1 AND id > $2 ORDER BY id LIMIT $3
"""
SELECT_NOT_OVER_OF_ACCOUNTS = f"""
SELECT {_COLUMNS} FROM finding WHERE account_id = ANY ($1) AND closed_at IS NULL ORDER BY id
"""
SELECT_OPEN_OF_ACCOUNTS = """
SELECT id, account_id, kind, severity FROM finding
 WHERE account_id = ANY ($1) AND state IN ('open', 'repairing') ORDER BY first_seen_at, id
"""
COUNT_OPEN = """
SELECT kind, count(*) FROM finding
 WHERE closed_at IS NULL AND state IN ('open', 'repairing') GROUP BY kind ORDER BY kind
"""


async def record(conn: Connection, differences: Sequence[Difference], began: datetime) -> list[FindingRow]:
    """Make these differences findings, or let the findings that they are grow older.

    An accepted finding opens again when what is expected or found is something else now. `began` is when
    the look began that shows them.
    """
    columns = _columns(differences)
    return [_row(row) for row in await conn.fetch(RECORD, *columns, began)] if columns else []


async def record_over(conn: Connection, differences: Sequence[Difference]) -> list[FindingRow]:
    """Note differences that are gone by now, for the history."""
    columns = _columns(differences)
    return [_row(row) for row in await conn.fetch(RECORD_OVER, *columns)] if columns else []


def _columns(differences: Sequence[Difference]) -> list[list[str | None]]:
    """The arrays of a statement, one entry for each key, in the order in which rows are locked."""
    unique = {difference.key: difference for difference in differences}
    rows = [
        (
            ids.new_id("fnd"),
            str(each.kind),
            str(each.kind.severity),
            each.account_id,
            each.object_id,
            each.about,
            encode_json(each.expected),
            encode_json(each.found),
        )
        for _, each in sorted(unique.items())
    ]
    return [list(column) for column in zip(*rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What there is now, what of it is new or something else than before, and what is over."""

    found: Sequence[FindingRow]
    news: Sequence[FindingRow]
    over: Sequence[FindingRow]


async def replace(
    conn: Connection, former: Sequence[FindingRow], now: Sequence[Difference], began: datetime
) -> Recorded:
    """Record what a look shows that began then, and close what it does not show of these former findings.

    What was seen after it began is newer than it: it is neither closed nor overwritten.
    """
    still = {difference.key for difference in now}
    ids_over = [row.id for row in former if row.key not in still]
    locked = await conn.fetch(LOCK, [row.id for row in former], sorted({each.object_id for each in now}))
    before = {row.key: row for row in map(_row, locked)}
    found = await record(conn, now, began)
    closed = {row["id"] for row in await conn.fetch(CLOSE, ids_over, began)} if ids_over else set()
    news = [row for row in found if _is_news(before.get(row.key), row)]
    return Recorded(found, news, [row for row in former if row.id in closed])


def _is_news(before: FindingRow | None, row: FindingRow) -> bool:
    """Whether it is new, or says something else than before; opened again, it does."""
    if before is None:
        return row.times_seen == 1
    return (before.expected, before.found) != (row.expected, row.found)


async def get(conn: Executor, finding_id: str) -> FindingRow | None:
    row = await conn.fetchrow(SELECT_FINDING, finding_id)
    return _row(row) if row else None


async def list_(
    conn: Executor,
    *,
    account_id: str | None = None,
    state: str | None = None,
    kind: str | None = None,
    limit: int = 100,
    starting_after: str | None = None,
) -> list[FindingRow]:
    """Findings, the youngest first, after the finding `starting_after`."""
    rows = await conn.fetch(SELECT_PAGE, limit, account_id, state, kind, starting_after)
    return [_row(row) for row in rows]


async def not_over_of_kind(conn: Executor, kind: str) -> list[FindingRow]:
    """The findings of a kind that are open, accepted or being repaired."""
    return [_row(row) for row in await conn.fetch(SELECT_NOT_OVER_OF_KIND, kind)]


async def not_seen_since(conn: Executor, since: datetime, after: str, limit: int) -> list[FindingRow]:
    """A page of the findings that are not over and were not seen since, after the finding `after`."""
    return [_row(row) for row in await conn.fetch(SELECT_NOT_SEEN_SINCE, since, after, limit)]


async def not_over_of(conn: Executor, account_ids: Collection[str]) -> dict[str, list[FindingRow]]:
    """The findings of each account that are open, accepted or being repaired."""
    found: dict[str, list[FindingRow]] = {}
    for row in map(_row, await conn.fetch(SELECT_NOT_OVER_OF_ACCOUNTS, sorted(account_ids))):
        found.setdefault(row.account_id or "", []).append(row)
    return found


async def open_of(conn: Executor, account_ids: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """The findings of each account that wait for somebody, the oldest first: id, kind and severity."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in await conn.fetch(SELECT_OPEN_OF_ACCOUNTS, sorted(account_ids)):
        short = {name: row[name] for name in ("id", "kind", "severity")}
        found.setdefault(row["account_id"], []).append(short)
    return found


async def open_by_kind(conn: Executor) -> dict[str, int]:
    """How many findings of each kind wait for somebody."""
    return {row[0]: row[1] for row in await conn.fetch(COUNT_OPEN)}


def _row(record: Record) -> FindingRow:
    return FindingRow(**dict(record))
