"""Retention: what is too old to be kept is deleted, a little at a time, so that nobody waits for it.

Events go by whole months, and never while one of them waits or is buried. They are kept for longer than
Stripe can list or resend them, so that none is applied twice. The audit log, the changes with their steps and
calls, and the quotes that were confirmed are evidence: nothing here touches them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from sync import audit
from sync.audit import Act
from sync.store import retention as store
from sync.store.db import Connection, Executor, Pool, transaction
from sync.telemetry import PRUNED_TOTAL, RETENTION_LAST_SUCCESS, LogEvent

log = structlog.get_logger()

# Stripe lists 30 days of events; a copy that comes later than this cannot be told from a new one.
EVENTS_DAYS_LEAST = 36
ANSWERS_DAYS_LEAST = 2
QUOTES_DAYS_LEAST = 7
JOB_LOG_DAYS = 7
# So many rows are locked at once, for some milliseconds.
PIECE = 1000
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many days what is kept. Raises ValueError below what is safe."""

    events_days: int = 45
    answers_days: int = 30
    quotes_days: int = 90

    def __post_init__(self) -> None:
        """Refuse what would lose something that is needed."""
        for name, days, least in (
            ("events", self.events_days, EVENTS_DAYS_LEAST),
            ("answers", self.answers_days, ANSWERS_DAYS_LEAST),
            ("quotes", self.quotes_days, QUOTES_DAYS_LEAST),
        ):
            if days < least:
                raise ValueError(f"{name} must be kept for at least {least} days, not {days}")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of one heap: how many rows went, or would go, and why it stays if it has to."""

    what: str
    rows: int
    before: datetime
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class _Heap:
    what: str
    days: int
    count: store.Count
    delete: store.Delete


async def plan(pool: Pool, keep: Keep, now: datetime) -> list[Pruned]:
    """What `prune` would do at this moment; deletes nothing."""
    found = [await _plan_month(pool, name) for name in await _old_months(pool, keep, now)]
    return found + [await _plan_heap(pool, heap, now) for heap in _heaps(keep)]


async def prune(
    pool: Pool, keep: Keep, now: datetime, told: Callable[[int], None] = lambda _: None
) -> list[Pruned]:
    """Delete what is too old; returns what went, and what had to stay. `told` gets the rows so far.

    Can be interrupted anywhere, and run by several at once: each piece is a transaction of its own.
    """
    done: list[Pruned] = []
    for name in await _old_months(pool, keep, now):
        done.append(_tell(await _drop_month(pool, name)))
        told(sum(each.rows for each in done))
    for heap in _heaps(keep):
        done.append(_tell(await _delete_all(pool, heap, now)))
        told(sum(each.rows for each in done))
    RETENTION_LAST_SUCCESS.set_to_current_time()
    return done


def _heaps(keep: Keep) -> Sequence[_Heap]:
    return (
        _Heap("events of odd times", keep.events_days, *store.ODD_EVENTS),
        _Heap("answers under an Idempotency-Key", keep.answers_days, *store.ANSWERS),
        _Heap("quotes that nobody confirmed", keep.quotes_days, *store.QUOTES),
        _Heap("the queue's log of jobs", JOB_LOG_DAYS, *store.JOB_LOG),
    )


# ---- events, by the month


def month_of(partition: str) -> tuple[datetime, datetime]:
    """The first moment of a partition's month, and that of the next. Raises ValueError."""
    named = store.PARTITION.fullmatch(partition)
    if named is None:
        raise ValueError(f"{partition!r} is no partition of the inbox")
    first = datetime(int(named[1]), int(named[2]), 1, tzinfo=UTC)
    return first, (first + timedelta(days=32)).replace(day=1)


async def kept_from(pool: Pool) -> datetime | None:
    """The first moment from which on events are kept; None: no month was ever made."""
    names = await store.partitions(pool)
    return month_of(names[0])[0] if names else None


async def _old_months(pool: Pool, keep: Keep, now: datetime) -> list[str]:
    """The partitions that ended before anything in them has to be kept."""
    limit = now - timedelta(days=keep.events_days)
    return [name for name in await store.partitions(pool) if month_of(name)[1] <= limit]


async def _plan_month(conn: Executor, name: str) -> Pruned:
    before, kept = month_of(name)[1], await _why_kept(conn, name)
    return Pruned(_events_of(name), 0 if kept else await _count(conn, name), before, kept)


async def _count(conn: Executor, name: str) -> int:
    """How many events a month has; about how many, where counting them takes too long."""
    try:
        return await store.count_events(conn, *_span(name))
    except asyncpg.QueryCanceledError:
        return await store.estimate_events(conn, name)


async def _why_kept(conn: Executor, name: str) -> str | None:
    waiting = await store.count_open(conn, *_span(name))
    return f"{waiting} of its events still wait or are buried" if waiting else None


def _span(name: str) -> tuple[int, int]:
    first, after = month_of(name)
    return int(first.timestamp()), int(after.timestamp())


def _events_of(name: str) -> str:
    return f"events of {month_of(name)[0]:%Y-%m}"


async def _drop_month(pool: Pool, name: str) -> Pruned:
    """Drop a month, unless something in it is still open, or the inbox is too busy to be locked.

    Its rows are counted before the lock: under it everybody waits who has to do with any event.
    """
    try:
        planned = await _plan_month(pool, name)
        if planned.kept is not None:
            return planned
        async with transaction(pool) as conn:
            await store.lock_inbox(conn)
            # Nobody can put anything into it any more: what is true now stays true.
            planned = replace(planned, kept=await _why_kept(conn, name))
            if planned.kept is None:
                await store.drop_partition(conn, name)
                await _remember(conn, planned)
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.UndefinedTableError) as error:
        why = f"the inbox is busy ({type(error).__name__}); the next round tries it again"
        return Pruned(_events_of(name), 0, month_of(name)[1], why)
    return planned if planned.kept is None else replace(planned, rows=0)


# ---- rows


async def _plan_heap(pool: Pool, heap: _Heap, now: datetime) -> Pruned:
    before = now - timedelta(days=heap.days)
    return Pruned(heap.what, await heap.count(pool, before), before)


async def _delete_all(pool: Pool, heap: _Heap, now: datetime) -> Pruned:
    """Delete a heap in pieces; its entry in the audit log is in the transaction of the first one."""
    planned, rows = await _plan_heap(pool, heap, now), 0
    while True:
        async with transaction(pool) as conn:
            piece = await heap.delete(conn, planned.before, PIECE)
            if piece and not rows:
                await _remember(conn, planned)
        if not piece:
            return replace(planned, rows=rows)
        rows += piece
        await asyncio.sleep(PAUSE_SECONDS)


# ---- what is said of it


async def _remember(conn: Connection, pruned: Pruned) -> None:
    detail = {"what": pruned.what, "rows": pruned.rows, "before": pruned.before}
    await audit.write(conn, None, Act.DATA_PRUNED, None, detail)


def _tell(pruned: Pruned) -> Pruned:
    if pruned.kept is not None:
        log.warning(LogEvent.DATA_KEPT, what=pruned.what, why=pruned.kept)
    if pruned.rows:
        PRUNED_TOTAL.inc(pruned.rows)
        log.info(LogEvent.DATA_PRUNED, what=pruned.what, rows=pruned.rows)
    return pruned
