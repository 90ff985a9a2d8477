"""Stripe's limits per subscription: 10 new invoices a minute, 20 a day, 200 quantity updates an hour.

Off unless `/_twin/account` sets `enforce_subscription_limits`; counted from then on, in the twin's time.
Source: Stripe docs "Rate limits".
"""

from __future__ import annotations

from worker.twin.billing.plan import Plan
from worker.twin.errors import ApiError
from worker.twin.world import World

DAY_SECONDS = 86400
LIMITS = {"invoices": ((60, 10), (DAY_SECONDS, 20)), "quantity updates": ((3600, 200),)}


def check(world: World, plan: Plan) -> None:
    """Raise Stripe's 429 with `Stripe-Rate-Limited-Reason: resource-specific`; it is never stored."""
    if not world.account.enforce_subscription_limits:
        return
    uses = []
    if plan.invoices_now:
        uses.append("invoices")
    if any(t.item is not None and t.quantity != t.item["quantity"] for t in plan.targets):
        uses.append("quantity updates")
    now, logs = world.clock.now(), {use: _recent(world, plan, use) for use in uses}
    for use, log in logs.items():
        if any(sum(at > now - seconds for at in log) >= most for seconds, most in LIMITS[use]):
            raise _limited(use)
    for log in logs.values():
        log.append(now)


def _recent(world: World, plan: Plan, use: str) -> list[int]:
    log = world.rate_log.setdefault((plan.subscription["id"], use), [])
    log[:] = [at for at in log if at > world.clock.now() - DAY_SECONDS]
    return log


def _limited(what: str) -> ApiError:
    error = ApiError(429, f"Too many {what} for this subscription.", code="rate_limit", executed=False)
    error.headers.update({"Stripe-Rate-Limited-Reason": "resource-specific", "Stripe-Should-Retry": "false"})
    return error
