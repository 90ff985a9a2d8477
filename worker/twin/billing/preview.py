"""Previews: what an update, a creation, a schedule or the next renewal would bill. Nothing is written.

The real code runs on copies (see `rehearsal`), and the first invoice it makes is the preview (Stripe docs
"Preview invoices"). It stays retrievable under its `upcoming_in_` id for 72 hours, outside the store.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import (
    change,
    creation,
    discounts,
    invoicing,
    lifecycle,
    pausing,
    preview_parts,
    spread,
)
from worker.twin.billing.calendar import advance
from worker.twin.billing.plan import recurring_line
from worker.twin.billing.rehearsal import Rehearsal
from worker.twin.billing.targets import Target
from worker.twin.errors import ApiError, invalid
from worker.twin.store import Doc
from worker.twin.world import World

KEPT = 500
KEPT_SECONDS = 72 * 3600
RENEWAL = "subscription_cycle"
# What a preview may say about a subscription without changing it.
NO_CHANGE = {"cancel_now", "resume_at", "pause", "start_date", "billing_mode"}


def create_preview(world: World, params: dict[str, Any]) -> Doc:
    """The invoice that would be made."""
    preview_parts.check(params)
    details = dict(params.get("subscription_details") or {})
    if params.get("schedule") or params.get("schedule_details"):
        invoice = _of_schedule(world, params)
    elif params.get("subscription"):
        invoice = _of_existing(world, params, details)
    elif details.get("items"):
        invoice = _of_new(world, params, details)
    else:
        params = {**params, "subscription": preview_parts.next_of_customer(world, params)}
        invoice = _of_existing(world, params, details)
    world.previews[invoice["id"]] = invoice
    if len(world.previews) > KEPT:
        world.previews.pop(next(iter(world.previews)))
    return invoice


def find(world: World, invoice_id: str) -> Doc | None:
    """A preview that was made within 72 hours."""
    invoice = world.previews.get(invoice_id)
    if invoice is None or world.clock.now(invoice["test_clock"] or "") < invoice["created"] + KEPT_SECONDS:
        return invoice
    del world.previews[invoice_id]
    return None


def _of_existing(world: World, params: dict[str, Any], details: dict[str, Any]) -> Doc:
    real = world.store.get("subscription", params["subscription"], "subscription")
    if params.get("customer") not in (None, real["customer"]):
        raise invalid("The subscription belongs to another customer.", "customer")
    if real["status"] in lifecycle.ENDED:
        raise _nothing_upcoming(real["customer"])
    _check_dates(details)
    if params.get("discounts") is not None:
        details["discounts"] = params["discounts"]
    with Rehearsal(world, world.store["customer"].docs[real["customer"]]) as stage:
        subscription = stage.bring(real["id"])
        preview_parts.dress(stage, params, subscription["currency"])
        return _rehearsed(stage, subscription, params, details)


def _rehearsed(stage: Rehearsal, subscription: Doc, params: dict[str, Any], details: dict[str, Any]) -> Doc:
    if params.get("preview_mode") == "recurring":
        _carry_out(stage, subscription, details)
        return _recurring(stage, subscription, params)
    world, customer, filed = stage.world, subscription["customer"], 0
    before = len(world.waiting.get(customer, {}))
    draft = stage.first_draft(lambda: _carry_out(stage, subscription, details))
    if draft is None:
        filed = max(0, len(world.waiting.get(customer, {})) - before)
        draft = stage.next_draft(subscription["id"])
    if draft is None:
        raise _nothing_upcoming(customer)
    lines = draft["lines"]["data"]
    lines[:filed] = reversed(lines[:filed])
    if draft["billing_reason"] != RENEWAL or any(_is_proration(line) for line in lines[:filed]):
        since = details.get("proration_date") or stage.real.now_for(subscription["customer"])
        draft["parent"]["subscription_details"]["subscription_proration_date"] = since
    return _shown(stage, draft)


def _carry_out(stage: Rehearsal, subscription: Doc, details: dict[str, Any]) -> None:
    """Do what is previewed."""
    world = stage.world
    if details.get("cancel_now"):
        prorate = details.get("proration_behavior") != "none"
        lifecycle.cancel(world, subscription, {"invoice_now": True, "prorate": prorate})
    elif details.get("resume_at") == "now":
        names = ("billing_cycle_anchor", "proration_behavior", "proration_date")
        pausing.resume(world, subscription, {n: details[n] for n in names if n in details})
    elif details.get("pause"):
        pausing.pause(world, subscription, details["pause"])
    else:
        asked = {name: value for name, value in details.items() if name not in NO_CHANGE}
        if asked:
            change.update(world, subscription, asked)


def _check_dates(details: dict[str, Any]) -> None:
    if (details.get("billing_cycle_anchor") or {}).get("type") == "timestamp":
        where = "subscription_details[billing_cycle_anchor][type]"
        raise invalid("An existing subscription can only be anchored `now` or `unchanged`.", where)
    if details.get("proration_date") is None:
        return
    where = "subscription_details[proration_date]"
    if details.get("proration_behavior") == "none":
        raise invalid("`proration_date` cannot be set when `proration_behavior=none`.", where)
    if not details.get("items") and details.get("trial_end") is None:
        raise invalid("`proration_date` needs `items` or `trial_end`.", where)


def _is_proration(line: Doc) -> bool:
    return bool(line["parent"][line["parent"]["type"]]["proration"])


def _of_new(world: World, params: dict[str, Any], details: dict[str, Any]) -> Doc:
    """A creation: with a customer, or for somebody who is only described."""
    if details.get("proration_date") is not None:
        where = "subscription_details[proration_date]"
        raise invalid("`proration_date` needs an existing subscription.", where)
    customer = preview_parts.customer_of(world, params)
    with Rehearsal(world, customer) as stage:
        return _begun(stage, params, details, customer["id"])


def _begun(stage: Rehearsal, params: dict[str, Any], details: dict[str, Any], customer_id: str) -> Doc:
    if (details.get("start_date") or 0) > stage.world.now_for(customer_id):
        stage.world.clock.frozen[stage.domain] = details["start_date"]
    preview_parts.dress(stage, params, None)
    asked = {k: v for k, v in details.items() if k not in ("start_date", "cancel_now", "resume_at", "pause")}
    anchor = asked.pop("billing_cycle_anchor", None) or {}
    if anchor.get("type") == "timestamp":
        if "timestamp" not in anchor:
            where = "subscription_details[billing_cycle_anchor][timestamp]"
            raise invalid(f"Missing required param: {where}.", where, "parameter_missing")
        asked["billing_cycle_anchor"] = anchor["timestamp"]
    if params.get("discounts") is not None:
        asked["discounts"] = params["discounts"]
    asked.update(customer=customer_id, payment_behavior="default_incomplete")
    subscription = creation.create(stage.world, asked)
    preview_parts.check_currency(params, subscription["currency"])
    if params.get("preview_mode") == "recurring":
        return _recurring(stage, subscription, params)
    invoice = _shown(stage, stage.drafts[0])
    if params.get("customer") is None:
        invoice["customer"] = None
    return invoice


def _of_schedule(world: World, params: dict[str, Any]) -> Doc:
    """The next invoice under a schedule as it is, as it would be after an update, or as it would begin."""
    with preview_parts.stage_of_schedule(world, params) as stage:
        return _scheduled(stage, params)


def _scheduled(stage: Rehearsal, params: dict[str, Any]) -> Doc:
    schedule, filed = preview_parts.plan_schedule(stage, params)
    draft = stage.next_draft()
    if draft is None:
        raise _nothing_upcoming(schedule["customer"])
    subscription_id = draft["parent"]["subscription_details"]["subscription"]
    preview_parts.check_currency(params, draft["currency"])
    if params.get("preview_mode") == "recurring":
        subscription = stage.world.store["subscription"].docs[subscription_id]
        return _recurring(stage, subscription, params)
    lines = draft["lines"]["data"]
    if filed and draft["billing_reason"] == RENEWAL:
        lines[:filed] = reversed(lines[:filed])
    return _shown(stage, draft)


def _recurring(stage: Rehearsal, subscription: Doc, params: dict[str, Any]) -> Doc:
    """What the items cost from their next period on: no prorations, nothing that happens once."""
    world = stage.world
    items = subscription["items"]["data"]
    first = min(i["current_period_end"] for i in items)
    anchor = subscription["billing_cycle_anchor"]
    lines = []
    for item in (i for i in items if i["current_period_end"] == first):
        target = Target(item["price"], item["quantity"], item)
        lines.append(
            recurring_line(world, subscription, target, first, advance(first, *target.interval, anchor))
        )
    customer = world.store["customer"].docs[subscription["customer"]]
    lasting = [
        d
        for d in discounts.active(world, subscription, customer["id"])
        if spread.coupon_of(world, d)["duration"] == "forever"
    ]
    invoice = invoicing.compose(
        world,
        customer,
        subscription["currency"],
        lines,
        subscription=subscription,
        reason="upcoming",
        ids=world.preview_ids,
        applied=lasting,
    )
    return _shown(stage, invoice)


def _shown(stage: Rehearsal, draft: Doc) -> Doc:
    """A draft as a preview: another id, and nothing will happen to it."""
    renews = draft["billing_reason"] == RENEWAL
    draft["id"] = stage.real.preview_ids.new("upcoming_in", 20)
    for line in draft["lines"]["data"]:
        line["invoice"] = draft["id"]
    draft["lines"]["url"] = f"/v1/invoices/{draft['id']}/lines"
    draft.update(billing_reason="upcoming", auto_advance=False, automatically_finalizes_at=None)
    draft["created"] = stage.real.clock.now(stage.domain)
    if renews:
        draft["next_payment_attempt"] = draft["period_end"] + 3600
    return draft


def _nothing_upcoming(customer_id: str) -> ApiError:
    text = f"No upcoming invoices for customer: {customer_id}"
    return ApiError(404, text, code="invoice_upcoming_none")
