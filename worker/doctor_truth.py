"""The doctor's look at how fresh our picture of Stripe is, and at what was found to differ."""

from __future__ import annotations

from sync import clock
from sync.reconcile.freshness import CATCH_UP_LATE_SECONDS, SWEEP_LATE_SECONDS, freshness
from sync.rules.drift import FindingKind
from sync.store import findings
from sync.store.db import Pool
from worker.findings import Area, Finding, Status


async def catch_up(pool: Pool) -> Finding:
    """When the list of events was last read to its end."""
    found = await freshness(pool)
    age = found.catch_up_age_seconds(clock.wall())
    if age is None:
        return Finding("catch-up", Area.DATABASE, Status.OK, "not yet; a worker does it once a minute")
    said = ago(age) if found.caught_up_at else f"never; a worker first tried {ago(age)}"
    if age > CATCH_UP_LATE_SECONDS:
        advice = "look at the worker's log for catch_up; `prorata catch-up` does it now"
        return Finding("catch-up", Area.STRIPE, Status.WARN, said, advice)
    return Finding("catch-up", Area.STRIPE, Status.OK, said)


async def sweep(pool: Pool) -> Finding:
    """When everything at Stripe was last compared with what was meant."""
    found = await freshness(pool)
    age = found.sweep_age_seconds(clock.wall())
    said = "none yet" if found.swept_at is None or age is None else ago(age)
    if found.unjudged:
        said += f"; the last one could not judge {found.unjudged} accounts, objects or lists"
    if found.under_way is not None:
        said += f"; one is under way: {found.under_way['subscriptions']} subscriptions compared"
    if found.unjudged:
        advice = "look at the worker's log for sweep: Stripe did not show them, or the key may not read them"
        return Finding("sweep", Area.STRIPE, Status.WARN, said, advice)
    if age is not None and age > SWEEP_LATE_SECONDS:
        advice = "look at the worker's log for sweep; `prorata reconcile` does it now"
        return Finding("sweep", Area.STRIPE, Status.WARN, said, advice)
    return Finding("sweep", Area.STRIPE, Status.OK, said)


async def drift(pool: Pool) -> Finding:
    """What waits for somebody, by kind."""
    counts = await findings.open_by_kind(pool)
    if not counts:
        return Finding("drift", Area.DATABASE, Status.OK, "no open finding")
    worst_first = sorted(counts.items(), key=lambda each: (_rank(each[0]), each[0]))
    said = ", ".join(f"{count} {kind}" for kind, count in worst_first)
    return Finding("drift", Area.DATABASE, Status.WARN, said, "`prorata drift list --state open`")


def _rank(kind: str) -> int:
    return ("critical", "warning", "notice").index(FindingKind(kind).severity)


def ago(seconds: float) -> str:
    """A length of time in the unit that a person would use."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
