"""Updating a subscription, with its four payment behaviours."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import (
    cards,
    drafts,
    fields,
    invoicing,
    lifecycle,
    limits,
    pausing,
    pending,
    phases,
    sending,
    settlement,
    trials,
)
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


def update(
    world: World,
    subscription: Doc,
    params: dict[str, Any],
    *,
    by_schedule: bool = False,
    as_draft: bool = False,
) -> None:
    """Carry out `POST /v1/subscriptions/{id}`, or what a schedule's phase does to its subscription.

    `as_draft`: its invoice waits for an hour, as a renewal's does.
    """
    _check_state(subscription, params)
    holds_back = params.get("payment_behavior") == "pending_if_incomplete"
    if holds_back:
        pending.check_parameters(subscription, params)
    fields.check(world, subscription["customer"], params)
    fields.check_collection(params, subscription)
    now = world.now_for(subscription["customer"])
    plan = plan_change(world, subscription, params, now)
    limits.check(world, plan)
    if plan.invoices_now:
        _check_payment(world, plan, params)
    if holds_back and plan.invoices_now:
        pending.check_method(world, subscription)
    changes_items = plan.changes_items
    if changes_items:
        pending.discard(world, subscription)
    before = snapshot(subscription)
    if not plan.invoices_now:
        _apply_quietly(world, plan, params)
    else:
        _apply_with_invoice(world, plan, params, now, holds_back, as_draft)
    if changes_items and not by_schedule and subscription["pending_update"] is None:
        phases.split(world, subscription, now)
    world.events.updated("customer.subscription.updated", subscription, before)
    if subscription["pending_update"] is None and (plan.trial_end is not None or plan.ends_trial):
        trials.announce(world, subscription)


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
    if changed or plan.filed:
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
        applied=plan.discounts,
    )


def _check_payment(world: World, plan: Plan, params: dict[str, Any]) -> None:
    """`error_if_incomplete`: find out what the bank would say before anything is written (402, no trace)."""
    if params.get("payment_behavior") != "error_if_incomplete":
        return
    draft = _draft(world, plan, invoicing.lines_now(world, plan), dry=True)
    if draft["amount_due"] and draft["collection_method"] == "charge_automatically":
        refuse_if_unpayable(world, cards.method_for(world, draft, plan.subscription))


def _apply_with_invoice(
    world: World, plan: Plan, params: dict[str, Any], now: int, holds_back: bool, as_draft: bool
) -> None:
    subscription = plan.subscription
    invoicing.file_items(world, plan)
    lines = invoicing.lines_now(world, plan)
    invoice = _draft(world, plan, lines, dry=False)
    if as_draft:
        drafts.wait(world, invoice)
    invoicing.issue(world, invoice, lines, subscription)
    outcome = settlement.PAID
    if not as_draft:
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
    """Finalise the invoice, and collect it unless that is paused or up to somebody else."""
    behavior = params.get("payment_behavior")
    paused = subscription["pause_collection"]
    if paused and behavior != "pending_if_incomplete":
        pausing.finalize_uncollected(world, invoice, paused["behavior"])
        return settlement.PAID
    settlement.finalize(world, invoice)
    sending.send(world, invoice)
    if invoice["status"] == "paid":
        return settlement.PAID
    if paused or invoice["collection_method"] == "send_invoice" or behavior == "default_incomplete":
        return settlement.WAITS
    outcome = settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
    lifecycle.mark_delinquent(world, invoice["customer"], outcome != settlement.PAID)
    return outcome
