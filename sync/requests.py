"""The bodies that we send to Stripe, each in one place, so that a preview and its charge cannot differ.

Every function returns plain data in the shape of API version 2026-10-28.endive; tests hold them against
the SDK's own parameter types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Body = dict[str, Any]

CHANGE_METADATA = "prorata_change"
ACCOUNT_METADATA = "prorata_account"


# ---- changing a subscription


def update(entries: Sequence[Body], *, proration_unix: int, payment_behavior: str) -> Body:
    """The change itself, without its mark: what a quote stores."""
    return {
        "items": list(entries),
        "proration_behavior": "always_invoice",
        "proration_date": proration_unix,
        "payment_behavior": payment_behavior,
        "expand": ["latest_invoice"],
    }


def update_preview(subscription_id: str, entries: Sequence[Body], proration_unix: int) -> Body:
    """The immediate invoice of that change."""
    return {
        "subscription": subscription_id,
        "subscription_details": {
            "items": list(entries),
            "proration_behavior": "always_invoice",
            "proration_date": proration_unix,
        },
    }


def recurring_preview(subscription_id: str, entries: Sequence[Body]) -> Body:
    """What repeats from now on: one-time lines and temporary discounts left out."""
    return {
        "subscription": subscription_id,
        "preview_mode": "recurring",
        "subscription_details": {"items": list(entries)},
    }


def next_preview(subscription_id: str, entries: Sequence[Body]) -> Body:
    """The next renewal's invoice once the change has been paid by itself."""
    return {
        "subscription": subscription_id,
        "subscription_details": {"items": list(entries), "proration_behavior": "none"},
    }


def cancellation(at_period_end: bool) -> Body:
    """The end with the present period, asked for or taken back. Charges and credits nothing."""
    return {"cancel_at_period_end": at_period_end, "expand": ["latest_invoice"]}


def staying_preview(subscription_id: str, mode: str) -> Body:
    """The next renewal (`next`), or what repeats (`recurring`), once a planned end is taken back."""
    return {
        "subscription": subscription_id,
        "preview_mode": mode,
        "subscription_details": {"cancel_at_period_end": False},
    }


# ---- what happens at renewal


def schedule_from(subscription_id: str) -> Body:
    """A schedule with the subscription as it is; Stripe takes nothing else in this call."""
    return {"from_subscription": subscription_id}


def schedule_phases(phases: Sequence[Body]) -> Body:
    """The present and the next phase, in full: what is left out is lost. No phase charges or credits."""
    return {"end_behavior": "release", "proration_behavior": "none", "phases": list(phases)}


def schedule_release() -> Body:
    """The subscription goes on without its schedule; an end that was planned stays planned."""
    return {"preserve_cancel_date": True}


def recurring_items_preview(customer_id: str, entries: Sequence[Body], shared: Body) -> Body:
    """What items would cost from period to period, apart from any subscription; `shared` has its taxes."""
    details = {"items": list(entries), "billing_mode": {"type": "flexible"}}
    return {
        "customer": customer_id,
        "preview_mode": "recurring",
        "subscription_details": {**details, **{k: v for k, v in shared.items() if k != "discounts"}},
        **{k: v for k, v in shared.items() if k == "discounts"},
    }


def schedule_preview(schedule_id: str, phases: Sequence[Body]) -> Body:
    """The next invoice of a subscription that a schedule drives: its items alone would not be honoured."""
    return {"schedule": schedule_id, "schedule_details": schedule_phases(phases)}


# ---- creating a subscription


def create(customer_id: str, account_id: str, entries: Sequence[Body], payment_behavior: str) -> Body:
    """The first purchase; the billing mode is sent because defaults move between API versions."""
    return {
        "customer": customer_id,
        "items": list(entries),
        "billing_mode": {"type": "flexible"},
        "payment_behavior": payment_behavior,
        "metadata": {ACCOUNT_METADATA: account_id},
        "expand": ["latest_invoice"],
    }


def create_preview(customer_id: str, entries: Sequence[Body], mode: str = "next") -> Body:
    """The first invoice (`next`) or what repeats (`recurring`) of a subscription that does not exist yet."""
    return {
        "customer": customer_id,
        "preview_mode": mode,
        "subscription_details": {"items": list(entries), "billing_mode": {"type": "flexible"}},
    }


def marked(body: Body, change_id: str) -> Body:
    """The body with the change's mark, which outlives every idempotency key."""
    return {**body, "metadata": {**body.get("metadata", {}), CHANGE_METADATA: change_id}}


# ---- accounts


def customer(account_id: str, *, email: str, name: str, locale: str, payment_method: str | None) -> Body:
    """A new customer; a payment method becomes its default at once."""
    body: Body = {
        "email": email,
        "name": name,
        "preferred_locales": [locale],
        "metadata": {ACCOUNT_METADATA: account_id},
    }
    if payment_method:
        body["payment_method"] = payment_method
        body["invoice_settings"] = {"default_payment_method": payment_method}
    return body
