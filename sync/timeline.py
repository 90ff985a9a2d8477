"""An account's timeline: who did what, and what came of it, step by step."""

from __future__ import annotations

import re
from typing import Any

from sync.audit import Act
from sync.billing import Billing
from sync.contract import iso
from sync.quotes import require_account
from sync.store import timeline as store

SENTENCES = {act.value: act.sentence for act in Act}
_ENTRY = re.compile(r"(act|step)_(\d{1,18})")


async def entries(
    billing: Billing, account_id: str, *, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of the timeline, newest first, and whether there is more. Raises NotFound (account_unknown).

    A `starting_after` that names no entry of the account gives an empty page, as in every list.
    """
    await require_account(billing, account_id)
    after = None
    if starting_after is not None:
        if (named := _ENTRY.fullmatch(starting_after)) is None:
            return [], False
        after = (named[1], int(named[2]))
    rows = await store.page(billing.pool, account_id, after, limit + 1)
    return [_json(row) for row in rows[:limit]], len(rows) > limit


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{row['what']}_{row['number']}",
        "at": iso(row["at"]),
        "kind": row["what"],
        "name": row["name"],
        "sentence": _sentence(row),
        "actor": row["actor"],
        "role": row["role"],
        "door": row["door"],
        "api_key_id": row["key_id"],
        "change_id": row["change_id"],
        "detail": row["detail"],
    }


def _sentence(row: dict[str, Any]) -> str | None:
    """What an act means; an act of another release is shown by its name alone."""
    return SENTENCES.get(row["name"]) if row["what"] == "act" else None
