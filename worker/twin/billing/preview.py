"""Previews: what an update, a creation or the next renewal would bill. Nothing is written.

It uses the same plan and the same composition as the real thing (Stripe docs "Preview invoices"). A preview
stays retrievable under its `upcoming_in_` id, outside the store.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts, invoicing
from worker.twin.billing.calendar import advance
from worker.twin.billing.creation import draft_subscription
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import Plan, plan_change, recurring_line
from worker.twin.billing.targets import Target
from worker.twin.errors import ApiError, invalid
from worker.twin.store import Doc
from worker.twin.world import World

KEPT = 500


def create_preview(world: World, params: dict[str, Any]) -> Doc:
    """The invoice that would be made."""
    details = dict(params.get("subscription_details") or {})
    if params.get("schedule") or params.get("schedule_details"):
        raise invalid("Previews of schedules are not modelled by the twin.", "schedule")
    if params.get("subscription"):
        invoice = _of_existing(world, params, details)
    else:
        invoice = _of_new(world, params, details)
    world.previews[invoice["id"]] = invoice
    if len(world.previews) > KEPT:
        world.previews.pop(next(iter(world.previews)))
    return invoice


def _compose(
    world: World,
    lines: list[Line],
    subscription: Doc,
    params: dict[str, Any],
    proration_date: int | None = None,
) -> Doc:
    customer = world.store["customer"].docs[subscription["customer"]]
    invoice = invoicing.compose(
        world,
        customer,
        subscription["currency"],
        lines,
        subscription=subscription,
        reason="upcoming",
        ids=world.preview_ids,
        prefix="upcoming_in",
        proration_date=proration_date,
        applied=discounts.sketch(world, params.get("discounts"), customer["id"]),
    )
    invoice["auto_advance"] = False
    return invoice


def _of_new(world: World, params: dict[str, Any], details: dict[str, Any]) -> Doc:
    customer_id = params.get("customer")
    if customer_id is None:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.store.get("customer", customer_id, "customer")
    if details.get("proration_date") is not None:
        raise invalid(
            "`proration_date` needs an existing subscription.", "subscription_details[proration_date]"
        )
    plan = draft_subscription(world, customer, details, world.preview_ids)
    if params.get("preview_mode") == "recurring":
        return _compose(world, _next_cycle(world, plan), plan.subscription, params)
    return _compose(world, [*plan.lines, *_waiting(world, plan.subscription)], plan.subscription, params)


def _of_existing(world: World, params: dict[str, Any], details: dict[str, Any]) -> Doc:
    subscription = world.store.get("subscription", params["subscription"], "subscription")
    if params.get("customer") not in (None, subscription["customer"]):
        raise invalid("The subscription belongs to another customer.", "customer")
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise _nothing_upcoming(subscription)
    _check(details)
    now = world.now_for(subscription["customer"])
    if params.get("discounts") is not None:
        details["discounts"] = params["discounts"]
    plan = plan_change(world, subscription, details, now)
    if params.get("preview_mode") == "recurring":
        return _compose(world, _next_cycle(world, plan), subscription, params)
    if plan.invoices_now:
        invoice = _compose(world, invoicing.lines_now(world, plan), subscription, params, plan.at)
        invoice["period_end"] = now
        return invoice
    return _upcoming(world, plan, details, params)


def _check(details: dict[str, Any]) -> None:
    if details.get("proration_date") is None:
        return
    where = "subscription_details[proration_date]"
    if details.get("proration_behavior") == "none":
        raise invalid("`proration_date` cannot be set when `proration_behavior=none`.", where)
    if not details.get("items") and details.get("trial_end") is None:
        raise invalid("`proration_date` needs `items` or `trial_end`.", where)


def _upcoming(world: World, plan: Plan, details: dict[str, Any], params: dict[str, Any]) -> Doc:
    """The next renewal: this change's prorations, what is waiting, and the next period of every item."""
    subscription = plan.subscription
    lines = [*plan.lines, *_waiting(world, subscription)]
    if _renews(subscription, details):
        lines += _next_cycle(world, plan)
    elif not lines:
        raise _nothing_upcoming(subscription)
    prorated = plan.at if plan.credits or plan.debits else None
    invoice = _compose(world, lines, subscription, params, prorated)
    invoice["period_end"] = min(t.end for t in plan.targets if not t.deleted)
    invoice["next_payment_attempt"] = invoice["period_end"] + 3600
    return invoice


def _nothing_upcoming(subscription: Doc) -> ApiError:
    text = f"No upcoming invoices for customer: {subscription['customer']}"
    return ApiError(404, text, code="invoice_upcoming_none")


def _waiting(world: World, subscription: Doc) -> list[Line]:
    items = invoicing.pending_items(world, subscription["customer"], subscription["id"])
    return [invoicing.line_of_item(world, i) for i in items]


def _renews(subscription: Doc, details: dict[str, Any]) -> bool:
    if details.get("cancel_at_period_end") is not None:
        return not details["cancel_at_period_end"]
    if details.get("cancel_now"):
        return False
    end = subscription["cancel_at"]
    return end is None or end > min(i["current_period_end"] for i in subscription["items"]["data"])


def _next_cycle(world: World, plan: Plan) -> list[Line]:
    kept = [t for t in plan.targets if not t.deleted]
    first = min(t.end for t in kept)
    anchor = plan.at if plan.reset else plan.subscription["billing_cycle_anchor"]
    return [_next_period(world, plan.subscription, t, anchor) for t in kept if t.end == first]


def _next_period(world: World, subscription: Doc, target: Target, anchor: int) -> Line:
    return recurring_line(
        world, subscription, target, target.end, advance(target.end, *target.interval, anchor)
    )
