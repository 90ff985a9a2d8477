"""Pricing a plan with Stripe: read the state, preview, and turn invoices into lines that people confirm.

An amount that is shown or charged always comes from Stripe's own preview; nothing here computes money,
it only sorts and adds up.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sync import requests
from sync.billing import Billing
from sync.errors import Code, Conflict
from sync.gateway import StripeCallFailed, Verdict
from sync.requests import Body
from sync.rules import money
from sync.rules.planner import Item
from sync.rules.price_book import PriceBook
from sync.store.accounts import AccountRow
from sync.store.quotes import QuoteRow
from sync.stripe_objects import Customer, Invoice, InvoiceLine, Subscription, ref_id


@dataclass(frozen=True, slots=True)
class State:
    """An account at Stripe, read fresh. `now_unix` is the clock that bills it."""

    customer: Customer
    subscription: Subscription | None
    now_unix: int

    @property
    def latest_invoice(self) -> Invoice | None:
        invoice = self.subscription.latest_invoice if self.subscription else None
        return invoice if isinstance(invoice, Invoice) else None

    def items(self) -> tuple[Item, ...]:
        """The subscription's items as the planner wants them."""
        if self.subscription is None:
            return ()
        return tuple(
            Item(
                item.id,
                item.price.id,
                item.quantity or 0,
                metered=item.price.recurring is not None and item.price.recurring.usage_type == "metered",
            )
            for item in self.subscription.items.data
        )

    def fingerprint(self) -> str:
        """A hash of everything that an amount depends on; equal prints mean that nothing moved."""
        return hashlib.sha256(msgspec.json.encode(self._facts(), order="deterministic")).hexdigest()

    def _facts(self) -> dict[str, Any]:
        subscription, invoice = self.subscription, self.latest_invoice
        facts: dict[str, Any] = {
            "customer": [self.customer.id, self.customer.deleted, self.customer.balance],
        }
        if subscription is not None:
            facts["subscription"] = [
                subscription.id,
                subscription.status,
                subscription.cancel_at,
                subscription.trial_end,
                subscription.collection_method,
                subscription.discounts,
                subscription.pause_collection,
                ref_id(subscription.schedule),
                subscription.pending_update is not None,
            ]
            facts["items"] = sorted(
                [item.id, item.price.id, item.quantity, item.current_period_start, item.current_period_end]
                for item in subscription.items.data
            )
        if invoice is not None:
            facts["invoice"] = [invoice.id, invoice.status]
        return facts


async def read_state(billing: Billing, account: AccountRow, customer_id: str) -> State:
    """Read customer and subscription at once. Whatever decides about money starts here."""
    customer, subscription = await asyncio.gather(
        billing.gateway.customer(customer_id), _subscription(billing, account.stripe_subscription_id)
    )
    now = await billing.gateway.billing_now(ref_id(customer.test_clock))
    return State(customer, subscription, now)


async def _subscription(billing: Billing, subscription_id: str | None) -> Subscription | None:
    return await billing.gateway.subscription(subscription_id) if subscription_id else None


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


def line_key(line: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two lines the same one in a preview, its repetition and the invoice.

    Line ids are temporary, and a first purchase begins at the second of its creation: neither counts.
    """
    period = line["period"] if line.get("pinned") else None
    span = (period["start"], period["end"]) if period else None
    return (line["kind"], line["price_id"], line["amount_minor"], line["quantity"], span)


def priced(invoice: Invoice, book: PriceBook, proration_unix: int | None) -> Priced:
    """Sort a preview's or an invoice's lines into kinds; taxes, discounts and balance become own lines."""
    due = collected_minor(invoice)
    lines = [_line(line, book, proration_unix) for line in invoice.lines.data]
    lines.sort(key=lambda line: (line["amount_minor"] > 0, str(line["price_id"]), line["amount_minor"]))
    lines += _summary_lines(invoice, due)
    return Priced(invoice.total, due, invoice.total - due, invoice.starting_balance, lines)


def collected_minor(invoice: Invoice) -> int:
    """What is really collected: a sum below the currency's minimum goes to the balance instead."""
    due = invoice.amount_due
    return due if due >= money.minimum_charge_minor(invoice.currency) else 0


def _line(line: InvoiceLine, book: PriceBook, proration_unix: int | None) -> dict[str, Any]:
    slot = book.slot_of(line.price_id) if line.price_id else None
    return {
        "description": line.description or "",
        "amount_minor": line.amount,
        "quantity": line.quantity,
        "price_id": line.price_id,
        "price_lookup_key": slot.key if slot else None,
        "period": {"start": line.period.start, "end": line.period.end},
        "pinned": proration_unix is not None,
        "kind": _kind(line, proration_unix),
    }


def _kind(line: InvoiceLine, proration_unix: int | None) -> str:
    """`pending` is an older item that rides along; the others belong to this change."""
    if proration_unix is not None and line.period.start != proration_unix:
        return "pending"
    return "credit" if line.amount < 0 else "charge"


def _summary_lines(invoice: Invoice, due_minor: int) -> list[dict[str, Any]]:
    tax = sum(tax.amount for tax in invoice.total_taxes or [] if tax.tax_behavior == "exclusive")
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
    """Everything a quote says about money, and the body that apply will send (without its mark)."""

    now: Priced
    params: Body
    from_now_on_minor: int
    next_invoice: dict[str, Any]


async def offer_update(
    billing: Billing,
    state: State,
    subscription: Subscription,
    entries: Sequence[Body],
    book: PriceBook,
    payment_behavior: str,
) -> Offer:
    """Price a change of an existing subscription; all previews run at once, at one frozen instant."""
    at = state.now_unix
    immediate, recurring, following = await asyncio.gather(
        billing.gateway.preview(requests.update_preview(subscription.id, entries, at)),
        billing.gateway.preview(requests.recurring_preview(subscription.id, entries)),
        billing.gateway.preview(requests.next_preview(subscription.id, entries)),
    )
    now = priced(immediate, book, at)
    if any(line["kind"] == "pending" for line in now.lines):
        # A pending update's invoice, once voided, would swallow the older items that ride along.
        payment_behavior = "error_if_incomplete"
    params = requests.update(entries, proration_unix=at, payment_behavior=payment_behavior)
    owed = following.total + _balance_after(now)
    return Offer(now, params, recurring.total, _next(max(owed, 0), subscription.period_end))


async def offer_creation(
    billing: Billing, account_id: str, state: State, entries: Sequence[Body], book: PriceBook, behavior: str
) -> Offer:
    """Price a first purchase."""
    customer_id = state.customer.id
    immediate, recurring = await asyncio.gather(
        billing.gateway.preview(requests.create_preview(customer_id, entries)),
        billing.gateway.preview(requests.create_preview(customer_id, entries, "recurring")),
    )
    now = priced(immediate, book, None)
    renews_unix = max(line.period.end for line in immediate.lines.data)
    params = requests.create(customer_id, account_id, entries, behavior)
    owed = recurring.total + _balance_after(now)
    return Offer(now, params, recurring.total, _next(max(owed, 0), renews_unix))


def _balance_after(now: Priced) -> int:
    """The customer's balance after the immediate invoice; negative is credit."""
    return now.starting_balance_minor + now.to_balance_minor


def _next(amount_minor: int, on_unix: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "on_unix": on_unix, "why": "renewal"}


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
