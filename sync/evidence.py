"""Reading back: what did a change that was sent really do at Stripe?

The same question is answered for a fresh answer and for an outcome that nobody knows, always from Stripe's
own objects: the mark in the metadata, the pending update, the invoice and its payment intent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sync.gateway import Gateway
from sync.requests import CHANGE_METADATA
from sync.stripe_objects import Invoice, PaymentIntent, Subscription, ref_id

FIRST_PAYMENT_HOURS = 23  # Stripe drops an unpaid first purchase, like a pending update, after that


class Seen(StrEnum):
    """What Stripe's objects say about one change."""

    APPLIED = "applied"
    """The items changed and are paid for."""
    WAITING = "waiting"
    """Held back until the payer confirms with the bank."""
    DECLINED = "declined"
    """Held back with an open invoice that could still be paid: it must be voided."""
    DROPPED = "dropped"
    """It was held back, and Stripe or somebody has discarded it."""
    NOTHING = "nothing"
    """No trace of it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen, with the objects that prove it."""

    seen: Seen
    subscription: Subscription | None = None
    invoice: Invoice | None = None
    payable_until: datetime | None = None
    decline_code: str | None = None
    decline_message: str | None = None


async def read(
    gateway: Gateway,
    change_id: str,
    *,
    customer_id: str,
    subscription_id: str | None,
    since_unix: int,
    invoice_id: str | None,
) -> Evidence:
    """Read back one change.

    `since_unix` is the quote's instant on Stripe's clock; `invoice_id` the invoice that was seen to hold the
    change back, if any: only its void proves that the change was dropped.
    """
    if subscription_id is not None:
        subscription = await gateway.subscription(subscription_id)
        return await of_update(gateway, change_id, subscription, since_unix, invoice_id)
    for subscription in await gateway.subscriptions_of(customer_id):
        if subscription.metadata.get(CHANGE_METADATA) == change_id:
            return await of_creation(gateway, await gateway.subscription(subscription.id))
    return Evidence(Seen.NOTHING)


async def of_update(
    gateway: Gateway,
    change_id: str,
    subscription: Subscription,
    since_unix: int,
    invoice_id: str | None = None,
) -> Evidence:
    """What an update did, from the subscription as it is now."""
    pending = subscription.pending_update
    if pending is not None and (pending.metadata or {}).get(CHANGE_METADATA) == change_id:
        until = datetime.fromtimestamp(pending.expires_at, UTC)
        return await _held_back(gateway, subscription, until)
    if subscription.metadata.get(CHANGE_METADATA) == change_id:
        invoice = await _invoice_of_update(gateway, subscription, since_unix)
        return Evidence(Seen.APPLIED, subscription, invoice)
    if invoice_id is not None:
        invoice = await gateway.invoice(invoice_id)
        if invoice.status == "void":
            return Evidence(Seen.DROPPED, subscription, invoice)
    return Evidence(Seen.NOTHING, subscription)


async def of_creation(gateway: Gateway, subscription: Subscription) -> Evidence:
    """What a first purchase did; the subscription carries its mark."""
    if subscription.status in ("incomplete_expired", "canceled"):
        return Evidence(Seen.DROPPED, subscription)
    if subscription.status == "incomplete":
        until = datetime.fromtimestamp(subscription.created, UTC) + timedelta(hours=FIRST_PAYMENT_HOURS)
        return await _held_back(gateway, subscription, until)
    invoice = subscription.latest_invoice
    return Evidence(Seen.APPLIED, subscription, invoice if isinstance(invoice, Invoice) else None)


async def _invoice_of_update(gateway: Gateway, subscription: Subscription, since_unix: int) -> Invoice | None:
    """The update's own invoice: usually the latest; after a renewal, one of those made since the quote."""
    latest = subscription.latest_invoice
    if isinstance(latest, Invoice) and _made_by_update(latest, since_unix):
        return latest
    invoices = await gateway.invoices_since(subscription.id, since_unix)
    return next((invoice for invoice in reversed(invoices) if _made_by_update(invoice, since_unix)), None)


def _made_by_update(invoice: Invoice, since_unix: int) -> bool:
    return invoice.billing_reason == "subscription_update" and invoice.created >= since_unix


async def _held_back(gateway: Gateway, subscription: Subscription, until: datetime) -> Evidence:
    """The invoice of a change that is not paid yet: does it wait for the payer, or was it declined?"""
    invoice_id = ref_id(subscription.latest_invoice)
    if invoice_id is None:
        return Evidence(Seen.NOTHING, subscription)
    invoice = await gateway.invoice(invoice_id)
    if invoice.status == "void":
        return Evidence(Seen.DROPPED, subscription, invoice)
    intent = _payment_intent(invoice)
    if intent is not None and intent.status in ("requires_action", "processing"):
        return Evidence(Seen.WAITING, subscription, invoice, until)
    error = intent.last_payment_error if intent else None
    return Evidence(
        Seen.DECLINED,
        subscription,
        invoice,
        until,
        decline_code=(error.decline_code or error.code) if error else None,
        decline_message=error.message if error else None,
    )


def _payment_intent(invoice: Invoice) -> PaymentIntent | None:
    for payment in reversed(invoice.payments.data if invoice.payments else []):
        if isinstance(payment.payment.payment_intent, PaymentIntent):
            return payment.payment.payment_intent
    return None
