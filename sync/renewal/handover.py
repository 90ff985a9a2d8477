"""One promise for the renewal takes over from another."""

from __future__ import annotations

from datetime import datetime

from sync import audit_acts
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import changes as store
from sync.store import promises as promise_store
from sync.store.changes import ChangeRow
from sync.store.db import Connection
from sync.store.jobs import Job, enqueue


async def hand_over(
    conn: Connection, change: ChangeRow, terms: Terms | None, effective_on: datetime, standing: str | None
) -> None:
    """Make `terms` the account's promise for `effective_on`, inside the caller's transaction.

    `standing` names the change whose promise stands so far; its schedule is taken over as it is. Without
    `terms` nothing is left to promise, and the schedule has to go. The caller holds the account's lock.
    """
    if terms is not None:
        if (replaced := await promise_store.replace_promise(conn, change.account_id)) is not None:
            note = {"by": change.id}
            await store.add_step(conn, replaced, Leg.AT_RENEWAL, Step.REPLACE, LegState.REPLACED, note)
            await audit_acts.replaced(conn, change.account_id, replaced, change)
        await _promise(conn, change, terms, effective_on)
    elif standing is not None and await store.ask_to_end(conn, standing, Leg.AT_RENEWAL, LegState.REPLACED):
        await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": standing}])


async def _promise(conn: Connection, change: ChangeRow, terms: Terms, effective_on: datetime) -> None:
    await store.insert_leg(
        conn,
        change,
        leg=Leg.AT_RENEWAL,
        state=LegState.CONFIRMED,
        terms=terms.to_json(),
        quoted_minor=None,
        apply_deadline_at=effective_on,
        effective_on=effective_on,
    )
    note = {"terms": terms.to_json()}
    await store.add_step(conn, change.id, Leg.AT_RENEWAL, Step.PROMISE, LegState.CONFIRMED, note)
    await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change.id}])
