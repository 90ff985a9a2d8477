"""Products, prices (and the plan that each price drags along), coupons, codes, discounts, tax rates."""

from __future__ import annotations

from typing import Any

from worker.twin.store import Doc


def product(object_id: str, created: int, name: str) -> Doc:
    """An active service."""
    return {
        "id": object_id,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "tax_details": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }


def price(object_id: str, created: int, product_id: str, currency: str) -> Doc:
    """A one-time price without an amount. `unit_amount` is in minor units, `unit_amount_decimal` text."""
    return {
        "id": object_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product_id,
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def plan(price_doc: Doc) -> Doc:
    """The legacy view of a recurring price."""
    recurring: dict[str, Any] = price_doc["recurring"]
    return {
        "id": price_doc["id"],
        "object": "plan",
        "active": price_doc["active"],
        "amount": price_doc["unit_amount"],
        "amount_decimal": price_doc["unit_amount_decimal"],
        "billing_scheme": price_doc["billing_scheme"],
        "created": price_doc["created"],
        "currency": price_doc["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price_doc["metadata"],
        "meter": recurring["meter"],
        "nickname": price_doc["nickname"],
        "product": price_doc["product"],
        "tiers_mode": price_doc["tiers_mode"],
        "transform_usage": price_doc["transform_quantity"],
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def coupon(object_id: str, created: int) -> Doc:
    """A coupon that takes nothing off."""
    return {
        "id": object_id,
        "object": "coupon",
        "amount_off": None,
        "created": created,
        "currency": None,
        "duration": "once",
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "name": None,
        "percent_off": None,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def promotion_code(object_id: str, created: int, code: str, coupon_id: str) -> Doc:
    """An active code that anybody may redeem (the coupon is at `promotion.coupon`)."""
    return {
        "id": object_id,
        "object": "promotion_code",
        "active": True,
        "code": code,
        "created": created,
        "customer": None,
        "customer_account": None,
        "expires_at": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "promotion": {"coupon": coupon_id, "type": "coupon"},
        "restrictions": {
            "first_time_transaction": False,
            "minimum_amount": None,
            "minimum_amount_currency": None,
        },
        "times_redeemed": 0,
    }


def discount(object_id: str, start: int, end: int | None, coupon_id: str, customer: str | None) -> Doc:
    """A coupon as it hangs on a customer, a subscription or an item (the coupon is at `source.coupon`)."""
    return {
        "id": object_id,
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": start,
        "subscription": None,
        "subscription_item": None,
    }


def tax_rate(object_id: str, created: int, display_name: str, percentage: float, inclusive: bool) -> Doc:
    """A manual tax rate in percent."""
    return {
        "id": object_id,
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": created,
        "description": None,
        "display_name": display_name,
        "effective_percentage": percentage,
        "flat_amount": None,
        "inclusive": inclusive,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": percentage,
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
