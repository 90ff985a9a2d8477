"""Accounts and their invoices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handlers.views.base import Amount, Given, Moment, Terms
from handlers.views.quotes import NextInvoice


class Admin(Given):
    """The one person who may change the account's billing."""

    user_id: str
    email: str


class Link(Given):
    """A page of Stripe's, to be opened once and soon."""

    url: str


class Usage(Given):
    """What is in use, as far as we were told."""

    contacts: int | None
    seats: int | None


class Entitlement(Given):
    """What may be used now, and why: all of the terms, to be read only, or none of them."""

    level: Literal["full", "read_only", "none"]
    reason: str
    terms: Terms | None


class TermsPeriod(Given):
    """What was in force from one moment to another, and the change that brought it; newest first."""

    effective_at: Moment
    ended_at: Moment | None
    change_id: str
    leg: Literal["now", "at_renewal"]
    terms: Terms


class OpenLeg(Given):
    """A part of a change that is not over."""

    change_id: str
    leg: Literal["now", "at_renewal"]
    state: str
    terms: Terms


class PaymentMethod(Given):
    """Whether Stripe has something to charge; null until we know."""

    present: bool | None


class Parked(Given):
    """Since when and why the account's billing changes are stopped."""

    at: Moment
    reason: str


class OpenFinding(Given):
    """A disagreement between terms, our copy and Stripe that waits for somebody."""

    id: str
    kind: str
    severity: Literal["notice", "warning", "critical"]


class Account(Given):
    """An account: what it bought, what it may use, what it uses, what comes next."""

    account_id: str
    email: str
    name: str
    locale: Literal["en", "fr"]
    currency: str
    primary_admin: Admin
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    subscription_status: str | None
    terms: Terms | None
    terms_after_renewal: Terms | None
    entitled: Annotated[Terms | None, Field(description="What may be used now: paid for and in force.")]
    entitlement: Entitlement
    usage: Usage
    next_invoice: NextInvoice | None
    open_legs: list[OpenLeg]
    findings: Annotated[list[OpenFinding], Field(description="The open ones, the oldest first.")]
    payment_method: PaymentMethod
    parked: Parked | None
    history: list[TermsPeriod]
    created_at: Moment


class InvoicePayment(Given):
    """How the invoice stands with its money, as we last heard of it."""

    state: Literal[
        "none", "unpaid", "processing", "action_required", "failed", "paid", "partly_refunded", "refunded"
    ]
    amount_refunded: Amount
    disputed: Annotated[bool, Field(description="A charge of it was disputed, whatever came of that.")]
    failure_code: Annotated[str | None, Field(description="Why the last attempt failed: the bank's reason.")]


class Invoice(Given):
    """An invoice of Stripe's, as we last heard of it."""

    id: str
    number: str | None
    status: str | None
    billing_reason: str | None
    total: Amount
    amount_due: Amount
    amount_paid: Amount
    payment: InvoicePayment
    hosted_invoice_url: str | None
    created_at: Moment
