"""Where our copy was out of date: seen first, and believed only when no event came to explain it.

A read may be ahead of its event by seconds, and an event that was not delivered is found by catch-up within
minutes. What neither brings in that time was lost, or was applied wrongly: then the copy was stale, and the
read has mended it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sync.mirror import Refreshed
from sync.reconcile.record import tell
from sync.rules.drift import Difference, FindingKind
from sync.snapshot import Snapshot
from sync.store import findings as store
from sync.store import sweeps
from sync.store.db import Pool, transaction
from sync.store.sweeps import PAGE, Sighting

GRACE_SECONDS: Final = 900.0
# An event that was committed a moment before the read may not have been applied by then.
MARGIN_SECONDS: Final = 30.0
_CHILD_COLUMNS: Final = ("id", "price_id", "quantity", "amount_minor", "phase")


def sightings(taken: Mapping[str, Refreshed], accounts: Mapping[str, str]) -> list[Sighting]:
    """What the reads replaced in the mirror, by column; `accounts` are ours by Stripe customer."""
    return [
        _sighting(object_id, each.held, each.shown, accounts)
        for object_id, each in taken.items()
        if each.was_stale and each.held is not None
    ]


def _sighting(
    object_id: str, held: Snapshot, shown: Snapshot | None, accounts: Mapping[str, str]
) -> Sighting:
    account_id = accounts.get(getattr(held.row, "customer_id", None) or "")
    if shown is None:
        return Sighting(object_id, account_id, {"exists": False}, {"exists": True})
    ours, theirs = _columns(held), _columns(shown)
    names = [name for name, value in theirs.items() if ours[name] != value]
    return Sighting(object_id, account_id, {n: theirs[n] for n in names}, {n: ours[n] for n in names})


def _columns(shown: Snapshot) -> dict[str, Any]:
    children = [
        {name: getattr(child, name) for name in _CHILD_COLUMNS if hasattr(child, name)}
        for child in shown.children
    ]
    return {**shown.row._asdict(), "parts": children}


async def judge(pool: Pool) -> int:
    """Turn sightings whose time is over, and that no event explains, into findings that are over already.

    Returns how many sightings were looked at, PAGE at most.
    """
    async with transaction(pool) as conn:
        due = await sweeps.take_due_sightings(conn, PAGE, MARGIN_SECONDS)
        found = await store.record_over(conn, list(_stale(due)))
    tell(store.Recorded(found, found, []))
    return len(due)


def _stale(due: Iterable[tuple[Sighting, bool]]) -> Iterable[Difference]:
    for each, explained in due:
        if not explained:
            yield Difference(
                FindingKind.MIRROR_STALE, each.object_id, "", each.account_id, each.expected, each.found
            )
