"""What becomes of a stored notice: when it is tried again, when it is given up, and what a person may do.

SMTP has no exactly-once. A notice is marked as sent after the server took it, so a crash in between sends a
second copy; both carry the same Message-ID, made from the key, by which mail programs recognise the copy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from sync import audit_acts, clock
from sync.contract import iso
from sync.errors import Code, Conflict, NotFound
from sync.store import notices as store
from sync.store.db import Pool, transaction
from sync.store.notices import NoticeRow
from sync.telemetry import NOTICE_TOTAL, LogEvent

log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 60
LONGEST_PAUSE_SECONDS: Final = 6 * 3600
TRY_FOR: Final = timedelta(days=3)
LONGEST_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a notice could not be sent.

    `code` is short and names nobody, for logs; `text` may be the server's whole answer, for our tables.
    `final`: no repetition can help.
    """

    code: str
    text: str
    final: bool = False


def pause_seconds(attempts: int) -> int:
    """How long to wait after so many tries (1 or more): a minute, doubled each time, at most six hours."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS << min(attempts - 1, 10))


def is_over(first_attempt_at: datetime | None, now: datetime) -> bool:
    """Whether it was tried for long enough."""
    return first_attempt_at is not None and now - first_attempt_at >= TRY_FOR


def reference(key: str) -> str:
    """What stands for a notice in its Message-ID and in the logs: the key itself names an address."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


async def sent(pool: Pool, row: NoticeRow) -> None:
    """The mail server has taken it."""
    await store.mark_sent(pool, row.key)
    NOTICE_TOTAL.labels(kind=row.kind, outcome="sent").inc()
    log.info(LogEvent.NOTICE_SENT, **_ids(row))


async def failed(pool: Pool, row: NoticeRow, trouble: Trouble) -> None:
    """It is tried again later, or given up."""
    text = trouble.text[:LONGEST_ERROR]
    if trouble.final or is_over(row.first_attempt_at, clock.wall()):
        outcome = "given_up"
        await store.give_up(pool, row, text)
        log.error(LogEvent.NOTICE_FAILED, **_ids(row), error=trouble.code, outcome=outcome)
    else:
        outcome = "retried"
        await store.mark_failed(pool, row, pause_seconds(row.attempts), text)
        log.warning(LogEvent.NOTICE_FAILED, **_ids(row), error=trouble.code, outcome=outcome)
    NOTICE_TOTAL.labels(kind=row.kind, outcome=outcome).inc()


def _ids(row: NoticeRow) -> dict[str, Any]:
    return {
        "notice": reference(row.key),
        "kind": row.kind,
        "account_id": row.account_id,
        "attempt": row.attempts,
    }


async def list_newest(pool: Pool, limit: int, *, failed: bool) -> list[dict[str, Any]]:
    """Notices for a person, newest first; with `failed` only those that were given up."""
    return [notice_json(row) for row in await store.newest(pool, limit, failed=failed)]


async def retry(pool: Pool, key: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Let a notice be tried at once, with all its tries. Raises NotFound, Conflict (notice_sent)."""
    row = await store.get(pool, key)
    if row is None:
        raise NotFound(Code.NOT_FOUND, f"There is no notice {key!r}, so nothing was done.")
    was_sent = Conflict("notice_sent", f"The notice {key} was sent already. Nothing was done.")
    if row.sent_at is not None:
        raise was_sent
    if dry_run:
        return notice_json(row) | {"would_be": "waiting"}
    async with transaction(pool) as conn:
        if not await store.try_again(conn, key):
            raise was_sent
        await audit_acts.notice_retried(conn, row.account_id, reference(key), row.kind)
        again = await store.get(conn, key)
    return notice_json(again or row)


def notice_json(row: NoticeRow) -> dict[str, Any]:
    """A notice as commands print it; without its data, which may be anybody's words."""
    return {
        "key": row.key,
        "reference": reference(row.key),
        "account_id": row.account_id,
        "kind": row.kind,
        "recipient": row.recipient,
        "locale": row.locale,
        "state": "sent" if row.sent_at else "given_up" if row.given_up_at else "waiting",
        "attempts": row.attempts,
        "next_attempt_at": None if row.sent_at or row.given_up_at else iso(row.next_attempt_at),
        "last_error": row.last_error,
        "created_at": iso(row.created_at),
        "sent_at": iso(row.sent_at),
        "given_up_at": iso(row.given_up_at),
    }
