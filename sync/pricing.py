"""Pricing a plan with Stripe: preview it, and turn invoices into lines that people confirm.

An amount that is shown or charged always comes from Stripe's own preview; nothing here computes money,
it only sorts and adds up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sync import requests
from sync.billing import Billing
from sync.errors import Code, Conflict
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal.phases import Promise, bodies, common
from sync.requests import Body
from sync.rules import money
from sync.rules.items import Amendment, amend
from sync.rules.planner import Plan
from sync.rules.policy_rule import PaymentBehavior
from sync.rules.price_book import PriceBook
from sync.rules.terms import Interval
from sync.state_at_stripe import State, read_state
from sync.store.quotes import QuoteRow
from sync.stripe_objects import Invoice, InvoiceLine, Span, Subscription, exclusive_minor, ref_id

__all__ = [
    "Offer",
    "Priced",
    "State",
    "collected_minor",
    "line_key",
    "offer_creation",
    "offer_update",
    "priced",
    "promised",
    "read_state",
    "repeat_preview",
]


@dataclass(frozen=True, slots=True)
class Priced:
    """One immediate invoice, in minor units: total = due today + what moves to the customer's balance.

    Stripe's sign: a negative balance is credit, so a negative `to_balance_minor` is credit gained, a positive
    one is credit drawn, or a sum too small to be charged that the next invoice collects.
    """

    total_minor: int
    due_today_minor: int
    to_balance_minor: int
    starting_balance_minor: int
    lines: list[dict[str, Any]]

    def differs_from(self, other: Priced) -> str | None:
        """What is not the same, or None."""
        if [line_key(line) for line in self.lines] != [line_key(line) for line in other.lines]:
            return "lines"
        names = ("total_minor", "due_today_minor", "starting_balance_minor")
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)


def promised(quote: QuoteRow) -> Priced:
    """What the quote promised, in the shape of a priced invoice."""
    return Priced(
        quote.total_minor or 0,
        quote.due_today_minor or 0,
        quote.to_balance_minor or 0,
        quote.starting_balance_minor or 0,
        quote.lines,
    )


# What Stripe adds up itself; everything else in `kind` only says whose a line is.
_SUMMARIES = ("discount", "tax", "balance")


def line_key(line: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two lines the same one in a preview, its repetition and the invoice.

    Line ids are temporary, a first purchase begins at the second of its creation, and whether a line is of
    this change or an older item is known only while that item waits: none of it counts.
    """
    period = line["period"] if line.get("pinned") else None
    span = (period["start"], period["end"]) if period else None
    summary = line["kind"] if line["kind"] in _SUMMARIES else None
    return (summary, line["price_id"], line["amount_minor"], line["quantity"], span)


def priced(
    invoice: Invoice, book: PriceBook, proration_unix: int | None, waiting: Collection[str] = ()
) -> Priced:
    """Sort a preview's or an invoice's lines into kinds; taxes, discounts and balance become own lines.

    `waiting` are the ids of the invoice items that waited when the state was read; without it, older items
    are told by their period alone, which misses those of the very second.
    """
    due = collected_minor(invoice)
    lines = [_line(line, book, proration_unix, waiting) for line in invoice.lines.data]
    lines.sort(key=_order)
    lines += _summary_lines(invoice, due)
    return Priced(invoice.total, due, invoice.total - due, invoice.starting_balance, lines)


def _order(line: dict[str, Any]) -> tuple[Any, ...]:
    """Credits first; the same in a preview and in the invoice, which order their lines differently."""
    period = line["period"] if line["pinned"] else {"start": 0, "end": 0}
    amount = line["amount_minor"]
    return (amount > 0, str(line["price_id"]), amount, line["quantity"] or 0, period["start"], period["end"])


def collected_minor(invoice: Invoice) -> int:
    """What is really collected: a sum below the currency's minimum goes to the balance instead."""
    due = invoice.amount_due
    return due if due >= money.minimum_charge_minor(invoice.currency) else 0


def _line(
    line: InvoiceLine, book: PriceBook, proration_unix: int | None, waiting: Collection[str]
) -> dict[str, Any]:
    slot = book.slot_of(line.price_id) if line.price_id else None
    return {
        "description": line.description or "",
        "amount_minor": line.amount,
        "quantity": line.quantity,
        "price_id": line.price_id,
        "price_lookup_key": slot.key if slot else None,
        "period": {"start": line.period.start, "end": line.period.end},
        "pinned": proration_unix is not None,
        "kind": _kind(line, proration_unix, waiting),
    }


def _kind(line: InvoiceLine, proration_unix: int | None, waiting: Collection[str]) -> str:
    """`pending` is an older item that rides along; the others belong to this change."""
    is_of_another_time = proration_unix is not None and line.period.start != proration_unix
    if is_of_another_time or line.invoice_item_id in waiting:
        return "pending"
    return "credit" if line.amount < 0 else "charge"


def _summary_lines(invoice: Invoice, due_minor: int) -> list[dict[str, Any]]:
    tax = exclusive_minor(invoice.total_taxes)
    discount = -sum(part.amount for part in invoice.total_discount_amounts or [])
    amounts = {"discount": discount, "tax": tax, "balance": due_minor - invoice.total}
    return [
        {
            "description": kind.capitalize(),
            "amount_minor": amount,
            "quantity": None,
            "price_id": None,
            "price_lookup_key": None,
            "period": None,
            "kind": kind,
        }
        for kind, amount in amounts.items()
        if amount
    ]


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
        _preview_if_any(billing, await _recurring_body(billing, state, subscription, plan)),
        _preview_if_any(billing, await _next_body(billing, state, subscription, plan)),
    )
    if immediate is None:
        untouched = Priced(0, 0, 0, state.customer.balance, [])
        return Offer(
            untouched, None, _total(recurring), _next_after(subscription, None, following, untouched)
        )
    now = priced(immediate, book, at, state.waiting_ids)
    # A policy that leaves it out must not let a change happen unpaid: no payment, no change.
    payment_behavior = plan.payment_behavior or PaymentBehavior.ERROR_IF_INCOMPLETE
    if state.waiting or any(line["kind"] == "pending" for line in now.lines):
        # A pending update's invoice, once voided, would swallow the older items that ride along.
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


async def _recurring_body(billing: Billing, state: State, subscription: Subscription, plan: Plan) -> Body:
    """A schedule's own phases would win over the items of a preview, so it is asked without the schedule."""
    if state.own_schedule_id is None:
        return requests.recurring_preview(subscription.id, _after(plan).as_stripe_items())
    items = [
        {"price": item.price_id} if item.metered else {"price": item.price_id, "quantity": item.quantity}
        for item in amend(state.items(), _after(plan))
    ]
    return requests.recurring_items_preview(state.customer.id, items, common(subscription))


async def _next_body(billing: Billing, state: State, subscription: Subscription, plan: Plan) -> Body:
    """The next renewal with the items that it will have."""
    schedule_id = ref_id(subscription.schedule)
    if schedule_id is None:
        return requests.next_preview(subscription.id, _after(plan).as_stripe_items())
    running = (await billing.gateway.schedule(schedule_id)).current_phase
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
    return _next(max(owed, 0), subscription.period_end)


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


async def repeat_preview(
    billing: Billing,
    book: PriceBook,
    *,
    subscription_id: str | None,
    params: Body,
    proration_unix: int | None,
) -> Priced:
    """The same immediate preview once more, for confirm. A refusal by Stripe means that the state moved."""
    if subscription_id and proration_unix is not None:
        body = requests.update_preview(subscription_id, params["items"], proration_unix)
    else:
        body = requests.create_preview(params["customer"], params["items"])
    try:
        return priced(await billing.gateway.preview(body), book, proration_unix)
    except StripeCallFailed as error:
        if error.failure.verdict in (Verdict.REFUSED, Verdict.MISSING):
            raise Conflict(
                Code.QUOTE_STALE, f"Stripe no longer prices this change: {error.failure.message}"
            ) from error
        raise
