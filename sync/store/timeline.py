"""What happened to an account, newest first: the acts of the audit log and the steps of its changes."""

from __future__ import annotations

from typing import Any

from sync.store.db import Executor

# Each side is read newest first and cut, then both are laid into one order. An account's history is short.
SELECT_TIMELINE = """
WITH cursor AS (
    SELECT at, 'act' AS what, seq AS number FROM audit_log WHERE chain = $1 AND $2 = 'act' AND seq = $3
     UNION ALL
    SELECT step.at, 'step', step.id
      FROM change_step AS step JOIN change ON change.id = step.change_id
     WHERE change.account_id = $1 AND $2 = 'step' AND step.id = $3
), acts AS (
    SELECT at, 'act' AS what, seq AS number, act AS name, actor, role, door, key_id,
           detail ->> 'change_id' AS change_id, detail
      FROM audit_log
     WHERE chain = $1 AND ($2 IS NULL OR (at, 'act', seq) < (SELECT at, what, number FROM cursor))
     ORDER BY at DESC, seq DESC LIMIT $4
), steps AS (
    SELECT step.at, 'step', step.id, step.step, NULL, NULL, NULL, NULL, step.change_id,
           jsonb_build_object('leg', step.leg, 'state', step.state, 'detail', step.detail)
      FROM change JOIN change_step AS step ON step.change_id = change.id
     WHERE change.account_id = $1
       AND ($2 IS NULL OR (step.at, 'step', step.id) < (SELECT at, what, number FROM cursor))
     ORDER BY step.at DESC, step.id DESC LIMIT $4
)
SELECT * FROM acts UNION ALL SELECT * FROM steps ORDER BY at DESC, what DESC, number DESC LIMIT $4
"""


async def page(
    conn: Executor, account_id: str, after: tuple[str, int] | None, limit: int
) -> list[dict[str, Any]]:
    """Entries before the one named by `after` (`act` or `step`, and its number), newest first."""
    what, number = after or (None, None)
    return [dict(row) for row in await conn.fetch(SELECT_TIMELINE, account_id, what, number, limit)]
