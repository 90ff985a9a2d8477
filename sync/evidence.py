"""Reading back: what did a change that was sent really do at Stripe?

The same question is answered for a fresh answer and for an outcome that nobody knows, always from Stripe's
own objects. The invoice is believed first: a read of the subscription may lag behind, a paid invoice is paid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sync.gateway import Gateway
from sync.requests import CHANGE_METADATA
from sync.stripe_objects import Invoice, PaymentIntent, Subscription, ref_id

CREATED = "subscription_create"
FIRST_PAYMENT_HOURS = 23  # Stripe drops an unpaid first purchase, like a pending update, after that


class Seen(StrEnum):
    """What Stripe's objects say about one change."""

    APPLIED = "applied"
    """It is paid, or the items changed without a charge."""
    WAITING = "waiting"
    """Held back until the payer confirms with the bank."""
    DECLINED = "declined"
    """Held back with an open invoice that could still be paid: it must be voided."""
    DROPPED = "dropped"
    """It was held back, and its invoice is void: it can never be applied."""
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


@dataclass(frozen=True, slots=True)
class Trail:
    """What to look for. `since_unix` is the quote's instant on Stripe's clock; `invoice_id` the invoice that
    was seen before, if any; `is_promised` whether an invoice has exactly the lines of the quote."""

    change_id: str
    customer_id: str
    subscription_id: str | None
    since_unix: int
    invoice_id: str | None
    is_promised: Callable[[Invoice], bool]


async def read(gateway: Gateway, trail: Trail) -> Evidence:
    """Read back one change."""
    if trail.subscription_id is not None:
        return await of_update(gateway, trail, await gateway.subscription(trail.subscription_id))
    for subscription in await gateway.subscriptions_of(trail.customer_id):
        if subscription.metadata.get(CHANGE_METADATA) == trail.change_id:
            return await of_creation(gateway, await gateway.subscription(subscription.id))
    return Evidence(Seen.NOTHING)


async def of_update(gateway: Gateway, trail: Trail, subscription: Subscription) -> Evidence:
    """What an update did, from the subscription as it was read or answered."""
    pending = subscription.pending_update
    until = datetime.fromtimestamp(pending.expires_at, UTC) if pending else None
    if trail.invoice_id is not None:
        return of_invoice(subscription, await gateway.invoice(trail.invoice_id), until)
    if pending is not None and (pending.metadata or {}).get(CHANGE_METADATA) == trail.change_id:
        return await _of_latest_invoice(gateway, subscription, until)
    invoice = await _invoice_of_update(gateway, trail, subscription)
    if subscription.metadata.get(CHANGE_METADATA) == trail.change_id:
        return Evidence(Seen.APPLIED, subscription, invoice)
    if invoice is not None and trail.is_promised(invoice):
        # The mark is not there (yet, or any more), but this invoice has our very lines.
        return of_invoice(subscription, await gateway.invoice(invoice.id), until)
    return Evidence(Seen.NOTHING, subscription)


async def of_creation(gateway: Gateway, subscription: Subscription) -> Evidence:
    """What a first purchase did; the subscription carries its mark."""
    invoice = await _first_invoice(gateway, subscription)
    if subscription.status not in ("incomplete", "incomplete_expired", "canceled"):
        return Evidence(Seen.APPLIED, subscription, invoice)
    if invoice is None:
        return Evidence(Seen.NOTHING, subscription)
    until = datetime.fromtimestamp(subscription.created, UTC) + timedelta(hours=FIRST_PAYMENT_HOURS)
    return of_invoice(subscription, await gateway.invoice(invoice.id), until)


async def _first_invoice(gateway: Gateway, subscription: Subscription) -> Invoice | None:
    """The invoice of the creation: whoever reads back late may find another one to be the latest."""
    latest = subscription.latest_invoice
    if isinstance(latest, Invoice) and latest.billing_reason == CREATED:
        return latest
    since = await gateway.invoices_since(subscription.id, subscription.created)
    return next((invoice for invoice in since if invoice.billing_reason == CREATED), None)


async def _of_latest_invoice(
    gateway: Gateway, subscription: Subscription, until: datetime | None
) -> Evidence:
    invoice_id = ref_id(subscription.latest_invoice)
    if invoice_id is None:
        return Evidence(Seen.NOTHING, subscription)
    return of_invoice(subscription, await gateway.invoice(invoice_id), until)


def of_invoice(subscription: Subscription, invoice: Invoice, until: datetime | None) -> Evidence:
    """What the change's own invoice says: paid, void, waiting for the payer, or declined."""
    if invoice.status == "paid":
        return Evidence(Seen.APPLIED, subscription, invoice)
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


async def _invoice_of_update(gateway: Gateway, trail: Trail, subscription: Subscription) -> Invoice | None:
    """The update's own invoice: one with our very lines, else the latest that an update made since."""
    latest = subscription.latest_invoice
    if isinstance(latest, Invoice) and _made_by_update(latest, trail) and trail.is_promised(latest):
        return latest
    since = await gateway.invoices_since(subscription.id, trail.since_unix)
    made = [invoice for invoice in since if _made_by_update(invoice, trail)]
    return next((invoice for invoice in made if trail.is_promised(invoice)), made[0] if made else None)


def _made_by_update(invoice: Invoice, trail: Trail) -> bool:
    return invoice.billing_reason == "subscription_update" and invoice.created >= trail.since_unix


def _payment_intent(invoice: Invoice) -> PaymentIntent | None:
    for payment in reversed(invoice.payments.data if invoice.payments else []):
        if isinstance(payment.payment.payment_intent, PaymentIntent):
            return payment.payment.payment_intent
    return None
