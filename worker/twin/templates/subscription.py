"""Subscriptions, their items, schedules."""

from __future__ import annotations

from typing import Any

from worker.twin.store import Doc
from worker.twin.templates import fresh, frozen

AUTOMATIC_TAX = {"disabled_reason": None, "enabled": False, "liability": None}
SUBSCRIPTION = frozen(
    {
        "id": None,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": None,
        "billing_cycle_anchor": None,
        "billing_cycle_anchor_config": None,
        "billing_mode": None,
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": None,
        "currency": None,
        "customer": None,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": None,
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": None,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": None,
        "status": "active",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {
            "end_behavior": {"billing_cycle_anchor": "now", "missing_payment_method": "create_invoice"}
        },
        "trial_start": None,
    }
)
SCHEDULE = frozen(
    {
        "id": None,
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": None,
        "canceled_at": None,
        "completed_at": None,
        "created": None,
        "current_phase": None,
        "customer": None,
        "customer_account": None,
        "default_settings": None,
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": None,
        "test_clock": None,
    }
)


def subscription(object_id: str, created: int, customer: Doc, currency: str) -> Doc:
    """An active subscription without items, in flexible mode (the default since 2025-09-30.clover)."""
    return fresh(
        SUBSCRIPTION,
        id=object_id,
        automatic_tax=dict(AUTOMATIC_TAX),
        billing_cycle_anchor=created,
        billing_mode={
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": created,
        },
        created=created,
        currency=currency,
        customer=customer["id"],
        items={
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/subscription_items?subscription={object_id}",
        },
        start_date=created,
        test_clock=customer["test_clock"],
    )


def item(object_id: str, created: int, subscription_id: str, price: Doc, plan: Doc) -> Doc:
    """One priced line of a subscription; the period stands on items only, since 2025-03-31.basil."""
    return {
        "id": object_id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_end": 0,
        "current_period_start": 0,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": plan,
        "price": price,
        "quantity": 1,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def pending_update(expires_at: int, items: list[Doc], metadata: dict[str, str] | None) -> dict[str, Any]:
    """An unpaid change. Fields: the SDK's `Subscription.PendingUpdate` (metadata since 2026-05-27.dahlia)."""
    return {
        "billing_cycle_anchor": None,
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": expires_at,
        "metadata": metadata,
        "subscription_items": items,
        "trial_end": None,
        "trial_from_plan": None,
    }


def schedule(object_id: str, created: int, customer: Doc, billing_mode: dict[str, Any]) -> Doc:
    """An active schedule without phases and without a subscription."""
    return fresh(
        SCHEDULE,
        id=object_id,
        billing_mode=billing_mode,
        created=created,
        customer=customer["id"],
        default_settings={
            "application_fee_percent": None,
            "automatic_tax": dict(AUTOMATIC_TAX),
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
            "on_behalf_of": None,
            "transfer_data": None,
        },
        test_clock=customer["test_clock"],
    )


def phase(start: int, end: int, currency: str, items: list[Doc]) -> Doc:
    """One phase of a schedule with Stripe's defaults."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": dict(AUTOMATIC_TAX),
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial": None,
        "trial_end": None,
    }


def phase_item(price_id: str, quantity: int) -> Doc:
    """One item of a phase; prices are ids here (expandable)."""
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": {},
        "plan": price_id,
        "price": price_id,
        "quantity": quantity,
        "tax_rates": [],
    }


def phase_invoice_item(price_id: str, quantity: int) -> Doc:
    """A one-time item that entering a phase adds to the next invoice."""
    return {
        "discountable": None,
        "discounts": [],
        "metadata": {},
        "period": {"end": {"type": "min_item_period_end"}, "start": {"type": "max_item_period_start"}},
        "price": price_id,
        "quantity": quantity,
        "tax_rates": [],
    }


def phase_invoice_settings() -> Doc:
    """How a phase's invoices look, with nothing said."""
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": None,
        "description": None,
        "footer": None,
        "issuer": None,
    }
