"""`invoice.upcoming`: the notice of a renewal, some days before it (docs "Subscription invoices").

Its object is a preview without an id, and nothing is stored. `/_twin/account` sets the days; 0 sends none.
"""

from __future__ import annotations

from worker.twin.billing.preview import create_preview
from worker.twin.errors import ApiError
from worker.twin.world import World


def upcoming(world: World, subscription_id: str, due: int) -> None:
    """Due work: announce the next renewal if it still is the one that was planned."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if subscription is None or subscription["status"] not in ("active", "trialing", "past_due", "unpaid"):
        return
    end = min(i["current_period_end"] for i in subscription["items"]["data"])
    if due != end - 86400 * world.account.upcoming_invoice_days:
        return
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= end:
        return
    try:
        preview = create_preview(world, {"subscription": subscription_id})
    except ApiError:
        return
    del world.previews[preview["id"]]
    world.events.emit("invoice.upcoming", {k: v for k, v in preview.items() if k != "id"})
