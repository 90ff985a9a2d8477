"""Quotes and estimates: what a change costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handlers.views.base import Amount, Given, Moment, ProblemEntry, Terms


class Period(Given):
    """From when to when a line is for, in Unix seconds."""

    start: int
    end: int


class QuoteLine(Given):
    """One line of the invoice that the change makes."""

    description: str
    amount_minor: int
    currency: str
    quantity: int | None
    price_lookup_key: str | None
    period: Period | None
    kind: Literal["credit", "charge", "pending", "tax", "discount", "balance"]


class Recurring(Given):
    """What repeats, and how often."""

    amount: Amount
    interval: Literal["month", "year"]


class NextInvoice(Given):
    """The next invoice as it will be if nothing else changes."""

    amount: Amount
    on: Moment
    why: str


class Quote(Given):
    """The price of a change today and from now on. A quote that was refused has no amounts."""

    id: str
    account_id: str
    current: Terms | None
    now: Terms | None
    at_renewal: Terms | None
    self_serve: bool
    refusals: list[ProblemEntry]
    warnings: Annotated[
        list[ProblemEntry], Field(description="Said although it can be confirmed, such as change_limit_near.")
    ]
    due_today: Annotated[Amount | None, Field(description="What is really collected today.")]
    to_balance: Annotated[
        Amount | None, Field(description="What moves on the customer's balance; negative is credit gained.")
    ]
    due_today_lines: list[QuoteLine]
    from_now_on: Recurring | None
    next_invoice: NextInvoice | None
    estimate_difference_minor: int | None
    proration_date: Annotated[int | None, Field(description="Stripe's pinned instant, in Unix seconds.")]
    expires_at: Moment
    created_at: Moment
    fingerprint: str


class EstimateLine(Given):
    """One line of an estimate: the whole quantity of one price for the rest of the period."""

    kind: Literal["credit", "charge"]
    price_lookup_key: str
    quantity: int
    amount_minor: int
    currency: str


class Estimate(Given):
    """About what a change costs, without tax, discounts and balance. Only a quote is a promise."""

    account_id: str
    current: Terms | None
    now: Terms | None
    at_renewal: Terms | None
    self_serve: bool
    refusals: list[ProblemEntry]
    due_today: Amount | None
    due_today_lines: list[EstimateLine]
    from_now_on: Recurring | None
