"""What a random history begins with: the account's settings, and prices of every kind."""

from __future__ import annotations

from typing import Any

KINDS = {
    "price_create": "price",
    "customer_create": "customer",
    "subscription_create": "subscription",
    "test_helpers.test_clock_create": "test_clock",
}
SETTINGS: dict[str, tuple[Any, ...]] = {
    "after_last_retry": ("cancel", "unpaid", "past_due"),
    "retry_days": ([3, 5, 7], [1], []),
    "automatic_payouts": (False, True),
    "refuse_declining_cards_on_attach": (False, False, True),
}
TIERS = [
    {"up_to": 5, "unit_amount": 2000},
    {"up_to": 10, "unit_amount": 1500, "flat_amount": 300},
    {"up_to": "inf", "unit_amount_decimal": "1199.5"},
]
NAMED = {"currency": "usd", "product_data": {"name": "thing"}}
MONTHLY = {**NAMED, "recurring": {"interval": "month"}}
PRICES: tuple[dict[str, Any], ...] = (
    *({**MONTHLY, "unit_amount": amount} for amount in (999, 2000, 12345, 5, 0)),
    {**MONTHLY, "billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS},
    {**MONTHLY, "billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS},
    {**MONTHLY, "unit_amount": 700, "transform_quantity": {"divide_by": 10, "round": "up"}},
    {**NAMED, "unit_amount": 20000, "recurring": {"interval": "year"}},
)
