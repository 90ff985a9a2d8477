"""Whether a change ended as it may: once or not at all, by the local Stripe's own ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

EFFECTS = ("subscription_created", "subscription_updated")
WITHOUT_EFFECT = ("failed", "expired", "withdrawn", "superseded", "replaced")

# Stripe may bill a renewal an hour late, and ten minutes later a promise without it counts as missed.
LATE_SECONDS = 7_200

Entries = list[dict[str, Any]]


def by_change(entries: Entries) -> dict[str, Entries]:
    """The ledger's entries of each change."""
    found: dict[str, Entries] = {}
    for entry in entries:
        if entry["change_id"] is not None:
            found.setdefault(entry["change_id"], []).append(entry)
    return found


def doubled(change: dict[str, Any], entries: Iterable[dict[str, Any]]) -> list[str]:
    """What happened more than once for it."""
    seen = Counter(entry["kind"] for entry in entries)
    effects = sum(seen[kind] for kind in EFFECTS)
    return [
        f"{change['id']}: {count} {what}"
        for what, count in (("effects", effects), ("charges", seen["charge"]))
        if count > 1
    ]


def lost(change: dict[str, Any], entries: Entries) -> list[str]:
    """What should have happened for it, or ended, and did not."""
    legs = [leg for leg in (change["now"], change["at_renewal"]) if leg]
    problems = [f"{change['id']}: a leg is still {leg['state']}" for leg in legs if is_open(leg)]
    now = change["now"]
    if now and now["state"] == "settled" and not any(entry["kind"] in EFFECTS for entry in entries):
        problems.append(f"{change['id']}: settled without an effect")
    return problems


def is_open(leg: dict[str, Any]) -> bool:
    """Whether a leg is still on its way; a promise may stand for as long as its renewal is ahead."""
    return leg["state"] not in ("settled", "scheduled", *WITHOUT_EFFECT)


def missed(change: dict[str, Any], now_unix: int, *, is_parked: bool) -> list[str]:
    """A promise whose renewal is over, and that neither came true nor was told to people.

    `now_unix` is Stripe's clock. A promise is missed in the open where its account is parked for it; the end
    of a subscription ends its promises.
    """
    now, leg = change["now"], change["at_renewal"]
    if leg is None or (now and now["state"] in WITHOUT_EFFECT):
        return []
    due = datetime.fromisoformat(leg["effective_on"]).timestamp() + LATE_SECONDS < now_unix
    if leg["state"] == "scheduled" and due:
        return [f"{change['id']}: still scheduled for {leg['effective_on']}"]
    if leg["state"] == "failed" and leg["reason"] != "subscription_canceled" and not is_parked:
        return [f"{change['id']}: its promise failed ({leg['reason']}), and nobody was told"]
    return []


def unequal(change: dict[str, Any], entries: Entries) -> list[str]:
    """What was charged otherwise than promised."""
    problems = [
        f"{change['id']}: differs by {leg['difference_minor']}"
        for leg in (change["now"], change["at_renewal"])
        if leg and leg["difference_minor"]
    ]
    now = change["now"]
    if now is None:
        return problems
    charged = sum(entry["amount_minor"] for entry in entries if entry["kind"] == "charge")
    if now["state"] in WITHOUT_EFFECT:
        happened = [entry["kind"] for entry in entries if entry["kind"] in (*EFFECTS, "charge")]
        # A first purchase that failed leaves an incomplete subscription, which was never paid.
        if charged or "subscription_updated" in happened:
            problems.append(f"{change['id']}: {now['state']}, and yet {happened} for {charged}")
    elif now["state"] == "settled" and charged != now["quoted"]["amount_minor"]:
        problems.append(f"{change['id']}: {charged} charged for {now['quoted']['amount_minor']}")
    return problems


def faults(change: dict[str, Any], entries: Entries) -> list[str]:
    """Everything that is wrong with it."""
    return [*doubled(change, entries), *lost(change, entries), *unequal(change, entries)]


def is_on_its_way(change: dict[str, Any]) -> list[str]:
    """The states of its legs that have neither ended nor stand as a promise."""
    legs = [leg for leg in (change["now"], change["at_renewal"]) if leg]
    return [leg["state"] for leg in legs if is_open(leg) or leg["reason"] == "renewal_at_risk"]
