"""Repairing a finding: said by a person, for one side, and never with a charge or a credit.

A repair of items and an open change exclude each other in both directions: both are decided on the locked
account row. A parked account may be repaired, because that is what staff do when they look; the stop switch
holds everything.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog

from sync import clock, failpoints, ids, switch
from sync.advance import advance
from sync.audit import Act, write
from sync.billing import Billing
from sync.errors import Code, Conflict, Refused, StripeTrouble
from sync.gateway import StoredCall
from sync.reconcile import repair_plan, repair_send
from sync.reconcile.anew import look_again
from sync.reconcile.finding_views import finding_json
from sync.reconcile.repair_items import needs_staff
from sync.reconcile.repair_plan import Plan
from sync.reconcile.repair_send import FAILED, REPAIRED, STEP
from sync.reconcile.repair_sides import Side, advice
from sync.reconcile.shown import OPEN, closed, require, require_open, require_shown
from sync.states import Leg, LegState
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import promises as promise_store
from sync.store import repairs as store
from sync.store import switches
from sync.store.db import Connection
from sync.store.findings import FindingRow
from sync.store.repairs import RepairRow
from sync.switch import check_words
from sync.telemetry import LogEvent

log = structlog.get_logger()

# Somebody said yes to what was there at that moment; what waits longer ends honestly.
LIFE: Final = timedelta(minutes=15)
LOOK_SECONDS: Final = 0.2
GONE_STATE: Final = "gone"
GONE: Final = "A fresh look does not find it any more. Nothing was charged."
STILL: Final = "A fresh look finds it still; what was begun may take a moment. Nothing was charged."
UNJUDGED: Final = (
    "Something of it moved all the while, so nobody can say whether it is still there; ask again in a "
    "moment. Nothing was charged."
)


async def repair(
    billing: Billing,
    finding_id: str,
    *,
    actor: str,
    reason: str,
    side: Side | None = None,
    expect: str | None = None,
    wait_seconds: float = 20,
) -> dict[str, Any]:
    """Repair a finding and wait a little for the end; returns the finding with its repairs.

    Without `side` it is the suggested one. `expect` is the digest of the dry run that was shown, needed for
    whatever changes something here or at Stripe. Raises BadInput, NotFound, Refused (repair_needs_staff,
    writes_stopped), Conflict (finding_closed, finding_changed, change_in_progress), StripeTrouble. On any of
    them nothing was changed, and nothing is ever charged.
    """
    check_words(actor, reason)
    finding = await require(billing, finding_id)
    require_open(finding)
    wanted = side or advice(finding.kind).side
    if wanted is Side.STAFF:
        raise needs_staff(advice(finding.kind).what)
    plan = await repair_plan.make(billing, finding, wanted)
    row = _row(finding, wanted, actor, reason)
    if plan.acts:
        require_shown(plan, expect)
        await _carry_out(billing, row, finding, plan, wait_seconds)
    else:
        await _look(billing, row, finding)
    return await finding_json(billing, await require(billing, finding_id))


async def _carry_out(
    billing: Billing, row: RepairRow, finding: FindingRow, plan: Plan, wait_seconds: float
) -> None:
    """Do what was planned, if a fresh look finds a reason for it still."""
    if not await _confirm(billing, finding):
        await _conclude(billing, row, GONE)
        return
    if plan.promise_id is not None:
        await _wake(billing, row, plan.promise_id)
    elif plan.calls:
        await _begin(billing, row, plan)
        await _carry_on(billing, row.id, wait_seconds)
    elif plan.terms is not None:
        await _take_over(billing, row, plan)
    await _look(billing, row, finding)


def _row(finding: FindingRow, side: Side, actor: str, reason: str) -> RepairRow:
    now: datetime = clock.wall()
    return RepairRow(
        id=ids.new_id("rep"),
        finding_id=finding.id,
        account_id=finding.account_id,
        side=side,
        actor=actor,
        reason=reason,
        call_key=None,
        outcome=None,
        detail=None,
        expires_at=now + LIFE,
        attempts=0,
        next_attempt_at=now,
        fence=0,
        created_at=now,
        ended_at=None,
    )


# ---- ours: the items


async def _begin(billing: Billing, row: RepairRow, plan: Plan) -> None:
    """Intent, key and body in one transaction, on the locked account row."""
    [wanted] = plan.calls
    try:
        async with failpoints.committing(billing.pool, [Chore.BEGIN_REPAIR]) as conn:
            await _require_alone(conn, row)
            await switch.require_go(conn, row.account_id)
            key = f"repair:{row.finding_id}:{await store.count(conn, row.finding_id) + 1}"
            call = StoredCall(key, STEP, "POST", wanted.path, wanted.body)
            await call_store.insert(conn, call, row.id)
            await store.insert(conn, replace(row, call_key=key))
            if not await store.begin_finding(conn, row.finding_id, row.actor, row.reason):
                raise closed("being repaired, or over")
            detail = {"finding_id": row.finding_id, "key": key, "path": wanted.path, "body": wanted.body}
            detail |= {"reason": row.reason}
            await write(conn, row.account_id, Act.REPAIR_BEGUN, row.actor, detail)
    except asyncpg.UniqueViolationError as error:
        raise _in_progress("Another repair of this account is under way.") from error


async def _require_alone(conn: Connection, row: RepairRow) -> None:
    """Nothing else may be about to write to the subscription. Raises Conflict."""
    account_id = row.account_id or ""
    await account_store.lock(conn, account_id)
    promise = await promise_store.promise_of(conn, account_id)
    is_busy = promise is not None and (promise.state != LegState.SCHEDULED or promise.ending is not None)
    if is_busy or await promise_store.has_open_now_leg(conn, account_id):
        raise _in_progress("A change or another repair of this account is under way.")


def _in_progress(why: str) -> Conflict:
    detail = f"{why} Nothing was changed; repeat it when that is over."
    return Conflict(Code.CHANGE_IN_PROGRESS, detail, retryable=True)


async def _carry_on(billing: Billing, repair_id: str, wait_seconds: float) -> None:
    """Take the steps ourselves; what does not end in time is carried on by a worker."""
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        await repair_send.advance(billing, repair_id)
        row = await store.get(billing.pool, repair_id)
        if row is None or row.ended_at is not None or asyncio.get_running_loop().time() >= deadline:
            return
        if row.next_attempt_at > clock.wall() + timedelta(seconds=wait_seconds):
            return
        await asyncio.sleep(LOOK_SECONDS)


# ---- ours: the promise; Stripe's: the terms


async def _wake(billing: Billing, row: RepairRow, change_id: str) -> None:
    """The promise's own steps write it, under their own keys; what would hold them is said before."""
    found = await switches.hold_of(billing.pool, row.account_id or "")
    if found is not None:
        what = "All writes are stopped" if found.code == Code.WRITES_STOPPED else "The account is parked"
        detail = f"{what} ({found.reason}), and its promise waits with it. Nothing was changed."
        raise Refused(found.code, detail, retryable=True)
    async with failpoints.committing(billing.pool, [Chore.BEGIN_REPAIR]) as conn:
        begun = {"finding_id": row.finding_id, "change_id": change_id, "reason": row.reason}
        await write(conn, row.account_id, Act.REPAIR_BEGUN, row.actor, begun)
    await advance(billing, change_id)


async def _take_over(billing: Billing, row: RepairRow, plan: Plan) -> None:
    """What Stripe bills is what was bought, from now on. Raises Conflict where something moved meanwhile."""
    if plan.terms is None or row.account_id is None:
        raise AssertionError("a plan that takes over has terms and an account")
    now = clock.wall()
    async with failpoints.committing(billing.pool, [Chore.TAKE_OVER]) as conn:
        await _require_alone(conn, row)
        present = await account_store.terms(conn, row.account_id)
        if present != plan.before or await promise_store.promise_of(conn, row.account_id) is not None:
            detail = "What was bought has moved meanwhile. Nothing was changed; look at it again."
            raise Conflict(Code.FINDING_CHANGED, detail)
        await account_store.begin_terms(conn, row.account_id, plan.terms, now, row.id, Leg.NOW)
        detail = "What Stripe bills counts as bought now. Nothing was charged."
        done = replace(row, outcome=REPAIRED, detail=detail, ended_at=now)
        await store.insert(conn, done)
        if not await store.close_finding(conn, row.finding_id, row.actor, row.reason):
            raise closed("being repaired, or over")
        before = plan.before.to_json() if plan.before else None
        terms = {"before": before, "after": plan.terms.to_json()}
        await repair_send.tell_repaired(conn, row, terms)
    log.info(LogEvent.DRIFT_REPAIRED, finding_id=row.finding_id, account_id=row.account_id, why=detail)


# ---- afterwards


async def _confirm(billing: Billing, finding: FindingRow) -> bool:
    """Whether a fresh look finds it still: what was found hours ago may be as it should be by now.

    Raises Refused where something of the account would not rest, StripeTrouble.
    """
    if not await look_again(billing, finding):
        detail = "Something of the account moved all the while, so it could not be looked at. Nothing was "
        raise Refused(Code.CHANGE_IN_PROGRESS, f"{detail}changed; repeat it in a moment.", retryable=True)
    state = (await require(billing, finding.id)).state
    if state not in (*OPEN, GONE_STATE):
        raise closed(state)
    return state != GONE_STATE


async def _look(billing: Billing, row: RepairRow, finding: FindingRow) -> None:
    """Compare anew: what is gone was repaired, by this or before; all else stays open, with the reason."""
    if (await require(billing, finding.id)).state == "repairing":
        return
    try:
        said = STILL if await look_again(billing, finding) else UNJUDGED
    except StripeTrouble as error:
        # Whatever was done is stored; the next sweep looks.
        log.warning(LogEvent.JOB_FAILED, finding_id=finding.id, error=error.detail)
        said = f"It could not be looked at afterwards: {error.detail} Nothing was charged."
    await _conclude(billing, row, said)


async def _conclude(billing: Billing, row: RepairRow, said: str) -> None:
    """Keep how a repair ended that has no row of its own so far; `said` is why, where it is not over."""
    state = (await require(billing, row.finding_id)).state
    if state == "repaired" or await store.get(billing.pool, row.id) is not None:
        return
    is_over = state == GONE_STATE
    done = replace(row, outcome=REPAIRED if is_over else FAILED, ended_at=clock.wall())
    async with failpoints.committing(billing.pool, [Chore.CLOSE_REPAIR]) as conn:
        await store.insert(conn, replace(done, detail=GONE if is_over else said))
        if is_over:
            await store.close_finding(conn, row.finding_id, row.actor, row.reason)
            await repair_send.tell_repaired(conn, row, {})
        else:
            await repair_send.tell_failed(conn, row, row.actor, said)
