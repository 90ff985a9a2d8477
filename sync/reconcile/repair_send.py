"""Carrying a repair to Stripe: its key and body are stored, so any process can go on where one died.

A repair never charges, but it is sent like what does: the lease keeps other processes away, the fence makes a
late one's writes fail, and lease, time and stop switch are asked in the statement before the wire. Before
each send Stripe is read: what is right already is done, and where the stored bytes are no longer what would
be sent now, nothing is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog

from sync import clock, failpoints
from sync.apply import CLEAN_READS_APART
from sync.audit import PRORATA, Act, write
from sync.billing import Billing
from sync.errors import NotFound, Refused, StripeTrouble
from sync.gateway import Failure, StripeCallFailed, Verdict
from sync.reconcile import repair_plan
from sync.reconcile.repair_plan import Plan
from sync.reconcile.repair_sides import Side
from sync.renewal.calls import is_burnt, is_forgotten
from sync.rules.drift import FindingKind
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import findings as finding_store
from sync.store import promises, switches
from sync.store import repairs as store
from sync.store.calls import CallRow
from sync.store.db import Connection
from sync.store.findings import FindingRow
from sync.store.repairs import RepairRow
from sync.telemetry import STRIPE_UNKNOWN_OUTCOMES, LogEvent
from sync.work import backoff_seconds, renewed

log = structlog.get_logger()

REPAIRED: Final = "repaired"
FAILED: Final = "failed"
STEP: Final = "repair"
# The status of a stored call that was not needed after all.
NEVER_LEFT: Final = 0

# Somebody may be waiting for it, and a repair lives for minutes only.
AGAIN_SECONDS_MOST: Final = 15.0
STOPPED_SECONDS: Final = 30.0
# A read may lag behind a write that was answered.
LAG: Final = timedelta(seconds=5)
LOOK_SECONDS: Final = 0.5

_NO: Final = (Verdict.REFUSED, Verdict.MISSING, Verdict.DECLINED)
_NOT_EXECUTED: Final = (Verdict.REPEAT, Verdict.DENIED, Verdict.LIMITED)
_NOTHING: Final = "Nothing was charged."


@dataclass(frozen=True, slots=True)
class Ended:
    """How a repair ended."""

    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Waits:
    """It goes on after so many seconds; `detail` says what it waits for."""

    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class _Work:
    """A repair that we hold."""

    billing: Billing
    row: RepairRow
    finding: FindingRow
    call: CallRow

    async def may_send(self) -> bool:
        return await store.may_send(self.billing.pool, self.row)


async def advance(billing: Billing, repair_id: str) -> None:
    """Carry a repair as far as it goes now. Safe to call at any time, by anybody, any number of times."""
    async with _held(billing, repair_id) as work:
        if work is None:
            return
        try:
            found = await _step(work)
        except Exception as error:
            # Left alone for longer each time, so that it keeps nobody else waiting.
            await store.free(billing.pool, work.row, backoff_seconds(work.row.attempts), str(error)[:200])
            raise
        if isinstance(found, Ended):
            await _end(work, found)
        else:
            await store.free(billing.pool, work.row, found.seconds, found.detail)


async def resume_due(billing: Billing, limit: int = 20) -> int:
    """Carry on what a process left behind, or what has waited; returns how many repairs were looked at."""
    ids = await store.due(billing.pool, limit)
    for repair_id in ids:
        try:
            await advance(billing, repair_id)
        except StripeTrouble as error:
            log.warning(LogEvent.JOB_FAILED, repair_id=repair_id, error=str(error))
    return len(ids)


@asynccontextmanager
async def _held(billing: Billing, repair_id: str) -> AsyncIterator[_Work | None]:
    row = await store.lease(billing.pool, repair_id)
    if row is None:
        yield None
        return
    finding = await finding_store.get(billing.pool, row.finding_id)
    call = await call_store.get(billing.pool, row.call_key or "")
    if finding is None or call is None:
        raise AssertionError("foreign keys keep a repair's finding and call")
    async with renewed(lambda: store.renew(billing.pool, row), repair_id=row.id):
        yield _Work(billing, row, finding, call)


async def _step(work: _Work) -> Ended | Waits:
    """Look, then send what is stored, or say why not."""
    try:
        plan = await repair_plan.make(work.billing, work.finding, Side(work.row.side))
    except (Refused, NotFound) as error:
        return _give_up(work, error.detail)
    except StripeCallFailed as error:
        return _unread(work, error.failure.message, is_final=error.failure.verdict in _NO)
    except msgspec.MsgspecError as error:
        return _unread(work, f"Stripe shows it in a form that is not known here: {error}.", is_final=False)
    if not plan.calls:
        if work.call.answered_at is None:
            status = 200 if work.call.sends else NEVER_LEFT
            await call_store.mark_answered(work.billing.pool, work.call.call.key, status, None)
        return Ended(REPAIRED, f"Stripe shows no difference any more. {_NOTHING}")
    if work.call.answered_at is not None:
        return _ineffective(work)
    if not _is_the_same(plan, work.call):
        return _give_up(work, "The subscription has moved since the repair was asked for.")
    if clock.wall() >= work.row.expires_at or is_forgotten(work.call):
        return _give_up(work, "It had to wait until its time was over.")
    if (stop := await switches.stop_of(work.billing.pool, work.row.account_id)) is not None:
        return Waits(STOPPED_SECONDS, f"All writes are stopped: {stop.reason}")
    return await _send(work)


def _unread(work: _Work, why: str, *, is_final: bool) -> Ended | Waits:
    """Without a read nothing is sent, and nobody waits for one beyond the repair's time."""
    if not is_final and clock.wall() < work.row.expires_at:
        return Waits(_pause(work), why)
    unknown = " Whether its call took effect could not be read." if _left(work.call) else ""
    return _give_up(work, f"The subscription could not be read: {why}{unknown}")


def _left(call: CallRow) -> bool:
    return bool(call.sends) and call.answered_at is None


def _is_the_same(plan: Plan, call: CallRow) -> bool:
    [wanted] = plan.calls
    return (wanted.path, wanted.body) == (call.call.path, call.call.params)


def _give_up(work: _Work, why: str) -> Ended | Waits:
    """Nothing (more) is sent. What left without an answer may still arrive until its time-out is over."""
    sent_at = work.call.last_sent_at
    if _left(work.call) and sent_at is not None:
        remaining = (sent_at + CLEAN_READS_APART - clock.wall()).total_seconds()
        if remaining > 0:
            return Waits(min(remaining, AGAIN_SECONDS_MOST), f"Its answer was lost. {why}")
    return Ended(FAILED, f"{why.removesuffix(' Nothing was changed and nothing was charged.')} {_NOTHING}")


def _ineffective(work: _Work) -> Ended | Waits:
    """Stripe answered, and a later read shows the difference all the same."""
    status, answered_at = work.call.http_status, work.call.answered_at
    if answered_at is not None and clock.wall() < answered_at + LAG:
        return Waits(LOOK_SECONDS, "Stripe took it; a read does not show it yet.")
    if status == 200:
        return Ended(
            FAILED, f"Stripe took it, and shows the difference again: somebody else edits it. {_NOTHING}"
        )
    return Ended(FAILED, f"Stripe answered with the error {status}, and nothing has changed. {_NOTHING}")


async def _send(work: _Work) -> Ended | Waits:
    """Commit that it is about to leave, send it, store the answer; the next look says what it did."""
    key = work.call.call.key
    await call_store.mark_sent(work.billing.pool, key)
    try:
        answer = await work.billing.gateway.send(work.call.call, work.may_send)
    except StripeCallFailed as error:
        return await _without_answer(work, error.failure)
    await call_store.mark_answered(work.billing.pool, key, answer.http_status, answer.request_id)
    return await _look(work)


async def _look(work: _Work) -> Ended | Waits:
    """Believe what Stripe shows afterwards, not its answer."""
    call = await call_store.get(work.billing.pool, work.call.call.key)
    if call is None:
        raise AssertionError("a stored call stays")
    return await _step(_Work(work.billing, work.row, work.finding, call))


async def _without_answer(work: _Work, failure: Failure) -> Ended | Waits:
    """A definite no ends it, what was not executed is tried again, and the rest is read back."""
    key, pool = work.call.call.key, work.billing.pool
    if failure.verdict in _NO:
        status = failure.http_status or 0
        await call_store.mark_answered(pool, key, status, failure.request_id, failure.code)
        return Ended(FAILED, f"Stripe refused it: {failure.message} Nothing was changed or charged.")
    if failure.verdict in _NOT_EXECUTED:
        await call_store.mark_not_executed(pool, key)
        return Waits(_pause(work), failure.message)
    if is_burnt(failure):
        # Its key replays this error for a day, so only a look can tell what it did.
        status = failure.http_status or 0
        await call_store.mark_answered(pool, key, status, failure.request_id, failure.code)
        return await _look(work)
    STRIPE_UNKNOWN_OUTCOMES.inc()
    log.warning(LogEvent.STRIPE_UNKNOWN, repair_id=work.row.id, why=failure.message)
    return Waits(_pause(work), f"Its answer was lost: {failure.message}")


def _pause(work: _Work) -> float:
    return min(backoff_seconds(work.row.attempts), AGAIN_SECONDS_MOST)


async def _end(work: _Work, found: Ended) -> None:
    """Write how it ended, and with it the finding: repaired, or open as before."""
    row = work.row
    async with failpoints.committing(work.billing.pool, [Chore.END_REPAIR]) as conn:
        # Whoever begins the next one holds the account while asking for this row.
        await account_store.lock(conn, row.account_id or "")
        if not await store.end(conn, row, found.outcome, found.detail):
            return
        if found.outcome == REPAIRED:
            await _let_go(conn, work)
            await store.close_finding(conn, row.finding_id, row.actor, row.reason)
            await tell_repaired(conn, row, {})
        else:
            await store.reopen_finding(conn, row.finding_id)
            await tell_failed(conn, row, PRORATA, found.detail)
    event = LogEvent.DRIFT_REPAIRED if found.outcome == REPAIRED else LogEvent.DRIFT_REPAIR_FAILED
    log.info(event, finding_id=row.finding_id, account_id=row.account_id, why=found.detail)


async def _let_go(conn: Connection, work: _Work) -> None:
    """A schedule that was released is not the account's own any more."""
    if work.finding.kind == FindingKind.SCHEDULE_LEFT_OVER and work.row.account_id is not None:
        await promises.forget_schedule(conn, work.row.account_id, work.finding.object_id)


async def tell_failed(conn: Connection, row: RepairRow, actor: str, why: str) -> None:
    """Say in the audit log that a repair had no effect, as far as anybody can see."""
    detail = {"finding_id": row.finding_id, "key": row.call_key, "why": why}
    await write(conn, row.account_id, Act.REPAIR_FAILED, actor, detail)


async def tell_repaired(conn: Connection, row: RepairRow, more: dict[str, Any]) -> None:
    """Say in the audit log whose repair it was."""
    detail = {"finding_id": row.finding_id, "repair_id": row.id, "side": row.side, "reason": row.reason}
    await write(conn, row.account_id, Act.FINDING_REPAIRED, row.actor, {**detail, **more})
