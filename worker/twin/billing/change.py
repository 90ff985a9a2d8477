"""Updating a subscription, with its four payment behaviours."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import cards, fields, invoicing, lifecycle, limits, pending, phases, settlement
from worker.twin.billing.applying import enact
from worker.twin.billing.creation import refuse_if_unpayable
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import Plan, plan_change
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World

CANCELED_MAY_SET = {"metadata", "cancellation_details", "expand"}
INCOMPLETE_MAY_SET = {"metadata", "default_source", "expand"}


def update(world: World, subscription: Doc, params: dict[str, Any], *, by_schedule: bool = False) -> None:
    """Carry out `POST /v1/subscriptions/{id}`, or what a schedule's phase does to its subscription."""
    _check_state(subscription, params)
    holds_back = params.get("payment_behavior") == "pending_if_incomplete"
    if holds_back:
        pending.check_parameters(subscription, params)
    fields.check(world, subscription["customer"], params)
    now = world.now_for(subscription["customer"])
    plan = plan_change(world, subscription, params, now)
    limits.check(world, plan)
    if plan.invoices_now:
        _check_payment(world, plan, params)
    changes_items = plan.changes_items
    if changes_items:
        pending.discard(world, subscription)
    before = snapshot(subscription)
    if not plan.invoices_now:
        _apply_quietly(world, plan, params)
    else:
        _apply_with_invoice(world, plan, params, now, holds_back)
    if changes_items and not by_schedule and subscription["pending_update"] is None:
        phases.split(world, subscription, now)
    world.events.updated("customer.subscription.updated", subscription, before)


def _check_state(subscription: Doc, params: dict[str, Any]) -> None:
    given = set(params)
    if subscription["status"] in ("canceled", "incomplete_expired") and given - CANCELED_MAY_SET:
        raise invalid(
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="invalid_canceled_subscription_fields",
        )
    if subscription["status"] == "incomplete" and given - INCOMPLETE_MAY_SET:
        raise invalid("This subscription is incomplete: only `metadata` and `default_source` can be updated.")
    if subscription["schedule"] and given & {"cancel_at", "cancel_at_period_end"}:
        raise invalid(
            "The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not allowed. "
            "Please update the schedule instead.",
            "cancel_at_period_end",
        )


def _apply_quietly(world: World, plan: Plan, params: dict[str, Any]) -> None:
    changed = plan.changes_items
    if plan.filed:
        invoicing.file_items(world, plan)
    enact(world, plan, params, None)
    if changed:
        world.effect("subscription_updated", plan.subscription, 0, None, plan.subscription["id"])


def _draft(world: World, plan: Plan, lines: list[Line], dry: bool) -> Doc:
    customer = world.store["customer"].docs[plan.subscription["customer"]]
    return invoicing.compose(
        world,
        customer,
        plan.subscription["currency"],
        lines,
        subscription=plan.subscription,
        reason="subscription_update",
        ids=world.preview_ids if dry else world.ids,
        proration_date=plan.proration_date,
    )


def _check_payment(world: World, plan: Plan, params: dict[str, Any]) -> None:
    """`error_if_incomplete`: find out what the bank would say before anything is written (402, no trace)."""
    if params.get("payment_behavior") != "error_if_incomplete":
        return
    draft = _draft(world, plan, invoicing.lines_now(world, plan), dry=True)
    if draft["amount_due"] and draft["collection_method"] == "charge_automatically":
        refuse_if_unpayable(world, cards.method_for(world, draft, plan.subscription))


def _apply_with_invoice(world: World, plan: Plan, params: dict[str, Any], now: int, holds_back: bool) -> None:
    subscription = plan.subscription
    invoicing.file_items(world, plan)
    lines = invoicing.lines_now(world, plan)
    invoice = invoicing.issue(world, _draft(world, plan, lines, dry=False), lines, subscription)
    settlement.finalize(world, invoice)
    outcome = _collect(world, invoice, subscription, params)
    subscription["latest_invoice"] = invoice["id"]
    if holds_back and outcome != settlement.PAID:
        pending.hold(world, plan, params, invoice, now)
        return
    enact(world, plan, params, invoice)
    world.effect("subscription_updated", subscription, invoice["total"], None, subscription["id"])
    if outcome != settlement.PAID and subscription["collection_method"] == "charge_automatically":
        subscription["status"] = "past_due"
        lifecycle.plan_retry(world, invoice)


def _collect(world: World, invoice: Doc, subscription: Doc, params: dict[str, Any]) -> str:
    if (
        invoice["collection_method"] == "send_invoice"
        or params.get("payment_behavior") == "default_incomplete"
    ):
        return settlement.PAID if invoice["status"] == "paid" else settlement.WAITS
    return settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
