"""Stripe's limits per subscription: 10 new invoices a minute, 20 a day, 200 quantity updates an hour.

Off unless `/_twin/account` sets `enforce_subscription_limits`. Source: Stripe docs "Rate limits".
"""

from __future__ import annotations

from worker.twin.billing.plan import Plan
from worker.twin.errors import ApiError
from worker.twin.world import World

INVOICES = ((60, 10), (86400, 20))
QUANTITY_UPDATES = (3600, 200)


def check(world: World, plan: Plan) -> None:
    """Raise Stripe's 429 with `Stripe-Rate-Limited-Reason: resource-specific`; it is never stored."""
    if not world.account.enforce_subscription_limits:
        return
    subscription_id, now = plan.subscription["id"], world.clock.now()
    if plan.invoices_now:
        made = [i["created"] for i in world.store["invoice"].by("subscription", subscription_id)]
        for seconds, most in INVOICES:
            if sum(at > now - seconds for at in made) >= most:
                raise _limited("invoices")
    if any(t.item is not None and t.quantity != t.item["quantity"] for t in plan.targets):
        seconds, most = QUANTITY_UPDATES
        times = [at for at in world.quantity_updates.get(subscription_id, []) if at > now - seconds]
        if len(times) >= most:
            raise _limited("quantity updates")
        world.quantity_updates[subscription_id] = [*times, now]


def _limited(what: str) -> ApiError:
    error = ApiError(429, f"Too many {what} for this subscription.", code="rate_limit", executed=False)
    error.headers.update({"Stripe-Rate-Limited-Reason": "resource-specific", "Stripe-Should-Retry": "false"})
    return error
