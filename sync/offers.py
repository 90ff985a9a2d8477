"""Pricing a plan with Stripe: what it costs today, from now on, and with the next invoice.

All previews of an offer run at once, at one frozen instant, over a state that was read at once as well: a
person waits for two round trips, not for ten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sync import requests
from sync.billing import Billing
from sync.gateway import StripeCallFailed
from sync.pricing import Priced, priced
from sync.renewal.phases import Promise, bodies, common
from sync.requests import Body
from sync.rules.items import Amendment, amend
from sync.rules.planner import Plan
from sync.rules.policy_rule import PaymentBehavior
from sync.rules.price_book import PriceBook
from sync.rules.terms import Interval
from sync.state_at_stripe import State
from sync.stripe_objects import Invoice, Span, Subscription, ref_id


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything a quote says about money, and the body that apply will send (without its mark).

    `params` is None where nothing happens now, `from_now_on_minor` where nothing repeats.
    """

    now: Priced
    params: Body | None
    from_now_on_minor: int | None
    next_invoice: dict[str, Any]


async def offer_update(
    billing: Billing, state: State, subscription: Subscription, plan: Plan, book: PriceBook
) -> Offer:
    """Price a change of an existing subscription; all previews run at once, at one frozen instant."""
    at, entries = state.now_unix, plan.amendment.as_stripe_items()
    immediate, recurring, following = await asyncio.gather(
        _immediate(billing, subscription, entries, at),
        _preview_if_any(billing, _recurring_body(state, subscription, plan)),
        _preview_if_any(billing, _next_body(state, subscription, plan)),
    )
    if immediate is None:
        untouched = Priced(0, 0, 0, state.customer.balance, [])
        return Offer(
            untouched, None, _total(recurring), _next_after(subscription, None, following, untouched)
        )
    now = priced(immediate, book, at, state.waiting_ids)
    # A policy that leaves it out must not let a change happen unpaid: no payment, no change.
    payment_behavior = plan.payment_behavior or PaymentBehavior.ERROR_IF_INCOMPLETE
    rides_along = state.waiting or any(line["kind"] == "pending" for line in now.lines)
    if rides_along or subscription.collection_method != "charge_automatically":
        # A pending update's invoice, once voided, would swallow the older items that ride along; and Stripe
        # holds updates back only where it collects by itself.
        payment_behavior = PaymentBehavior.ERROR_IF_INCOMPLETE
    params = requests.update(entries, proration_unix=at, payment_behavior=payment_behavior.value)
    return Offer(now, params, _total(recurring), _next_after(subscription, immediate, following, now))


def _total(invoice: Invoice | None) -> int | None:
    return invoice.total if invoice else None


async def _immediate(
    billing: Billing, subscription: Subscription, entries: Sequence[Body], at: int
) -> Invoice | None:
    """The invoice of the part that happens now; None where that part is empty."""
    if not entries:
        return None
    return await billing.gateway.preview(requests.update_preview(subscription.id, entries, at))


def _after(plan: Plan) -> Amendment:
    """What the items become in the end: at the renewal, or now where nothing waits for it."""
    return plan.renewal_amendment if plan.at_renewal else plan.amendment


def _recurring_body(state: State, subscription: Subscription, plan: Plan) -> Body:
    """A schedule's own phases would win over the items of a preview, so it is asked without the schedule."""
    if state.own_schedule_id is None:
        return requests.recurring_preview(subscription.id, _after(plan).as_stripe_items())
    items = [
        {"price": item.price_id} if item.metered else {"price": item.price_id, "quantity": item.quantity}
        for item in amend(state.items(), _after(plan))
    ]
    return requests.recurring_items_preview(state.customer.id, items, common(subscription))


def _next_body(state: State, subscription: Subscription, plan: Plan) -> Body:
    """The next renewal with the items that it will have."""
    schedule_id = ref_id(subscription.schedule)
    if schedule_id is None:
        return requests.next_preview(subscription.id, _after(plan).as_stripe_items())
    running = state.own_schedule.current_phase if state.own_schedule else None
    start_unix = running.start_date if running else subscription.period_start
    terms = plan.at_renewal or plan.now
    promise = Promise("", amend(state.items(), _after(plan)), terms.interval if terms else Interval.MONTH)
    present = Span(start_date=start_unix, end_date=subscription.period_end)
    return requests.schedule_preview(schedule_id, bodies(subscription, present, promise))


async def _preview_if_any(billing: Billing, body: Body) -> Invoice | None:
    """A preview, or None where Stripe says that no further invoice comes."""
    try:
        return await billing.gateway.preview(body)
    except StripeCallFailed as error:
        if error.failure.code == "invoice_upcoming_none":
            return None
        raise


def _next_after(
    subscription: Subscription, immediate: Invoice | None, following: Invoice | None, now: Priced
) -> dict[str, Any]:
    """The next renewal without the older items that today's invoice takes; nothing where it ends."""
    if following is None:
        return _next(0, subscription.cancel_at or subscription.period_end, "subscription_ends")
    billed = immediate.lines.data if immediate else []
    taken = {line.invoice_item_id for line in billed} - {None}
    again = sum(line.billed_minor for line in following.lines.data if line.invoice_item_id in taken)
    owed = following.total - again + _balance_after(now)
    return _next(max(owed, 0), _renews_unix(subscription, following))


def _renews_unix(subscription: Subscription, following: Invoice) -> int:
    """When the next period begins: another interval moves that. What is billed late began before today."""
    starts = [line.period.start for line in following.lines.data if not line.proration]
    return max([subscription.period_end, *starts])


async def offer_staying(billing: Billing, state: State, subscription: Subscription) -> Offer:
    """Price the undoing of a cancellation: nothing now, and then as if it had never been asked for."""
    recurring, following = await asyncio.gather(
        _preview_if_any(billing, requests.staying_preview(subscription.id, "recurring")),
        _preview_if_any(billing, requests.staying_preview(subscription.id, "next")),
    )
    untouched = Priced(0, 0, 0, state.customer.balance, [])
    params = requests.cancellation(False)
    return Offer(untouched, params, _total(recurring), _next_after(subscription, None, following, untouched))


async def offer_creation(
    billing: Billing,
    account_id: str,
    state: State,
    entries: Sequence[Body],
    book: PriceBook,
    payment_behavior: PaymentBehavior,
) -> Offer:
    """Price a first purchase. Nothing waits for the customer's next invoice: the gates have seen to it."""
    customer_id = state.customer.id
    immediate, recurring = await asyncio.gather(
        billing.gateway.preview(requests.create_preview(customer_id, entries)),
        billing.gateway.preview(requests.create_preview(customer_id, entries, "recurring")),
    )
    now = priced(immediate, book, None)
    renews_unix = max(line.period.end for line in immediate.lines.data)
    params = requests.create(customer_id, account_id, entries, payment_behavior.value)
    owed = recurring.total + _balance_after(now)
    return Offer(now, params, recurring.total, _next(max(owed, 0), renews_unix))


def _balance_after(now: Priced) -> int:
    """The customer's balance after the immediate invoice; negative is credit."""
    return now.starting_balance_minor + now.to_balance_minor


def _next(amount_minor: int, on_unix: int, why: str = "renewal") -> dict[str, Any]:
    return {"amount_minor": amount_minor, "on_unix": on_unix, "why": why}
