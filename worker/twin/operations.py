"""Every request the twin answers: name -> (method, path template).

A name is also where the SDK keeps the request's parameters: `subscription_update` is
`SubscriptionUpdateParams` in `stripe/params/_subscription_update_params.py`.
"""

from __future__ import annotations

import functools
import re

OPERATIONS: dict[str, tuple[str, str]] = {
    "customer_create": ("POST", "/v1/customers"),
    "customer_list": ("GET", "/v1/customers"),
    "customer_retrieve": ("GET", "/v1/customers/{id}"),
    "customer_update": ("POST", "/v1/customers/{id}"),
    "customer_delete": ("DELETE", "/v1/customers/{id}"),
    "customer_payment_method_list": ("GET", "/v1/customers/{id}/payment_methods"),
    "customer_payment_method_retrieve": ("GET", "/v1/customers/{id}/payment_methods/{pm}"),
    "customer_balance_transaction_list": ("GET", "/v1/customers/{id}/balance_transactions"),
    "customer_balance_transaction_create": ("POST", "/v1/customers/{id}/balance_transactions"),
    "customer_balance_transaction_retrieve": ("GET", "/v1/customers/{id}/balance_transactions/{txn}"),
    "customer_balance_transaction_update": ("POST", "/v1/customers/{id}/balance_transactions/{txn}"),
    "customer_delete_discount": ("DELETE", "/v1/customers/{id}/discount"),
    "payment_method_create": ("POST", "/v1/payment_methods"),
    "payment_method_list": ("GET", "/v1/payment_methods"),
    "payment_method_retrieve": ("GET", "/v1/payment_methods/{id}"),
    "payment_method_attach": ("POST", "/v1/payment_methods/{id}/attach"),
    "payment_method_update": ("POST", "/v1/payment_methods/{id}"),
    "payment_method_detach": ("POST", "/v1/payment_methods/{id}/detach"),
    "product_create": ("POST", "/v1/products"),
    "product_list": ("GET", "/v1/products"),
    "product_retrieve": ("GET", "/v1/products/{id}"),
    "product_update": ("POST", "/v1/products/{id}"),
    "price_create": ("POST", "/v1/prices"),
    "price_list": ("GET", "/v1/prices"),
    "price_retrieve": ("GET", "/v1/prices/{id}"),
    "price_update": ("POST", "/v1/prices/{id}"),
    "coupon_create": ("POST", "/v1/coupons"),
    "coupon_list": ("GET", "/v1/coupons"),
    "coupon_retrieve": ("GET", "/v1/coupons/{id}"),
    "coupon_update": ("POST", "/v1/coupons/{id}"),
    "coupon_delete": ("DELETE", "/v1/coupons/{id}"),
    "promotion_code_create": ("POST", "/v1/promotion_codes"),
    "promotion_code_list": ("GET", "/v1/promotion_codes"),
    "promotion_code_retrieve": ("GET", "/v1/promotion_codes/{id}"),
    "promotion_code_update": ("POST", "/v1/promotion_codes/{id}"),
    "tax_rate_create": ("POST", "/v1/tax_rates"),
    "tax_rate_list": ("GET", "/v1/tax_rates"),
    "tax_rate_retrieve": ("GET", "/v1/tax_rates/{id}"),
    "tax_rate_update": ("POST", "/v1/tax_rates/{id}"),
    "subscription_create": ("POST", "/v1/subscriptions"),
    "subscription_list": ("GET", "/v1/subscriptions"),
    "subscription_retrieve": ("GET", "/v1/subscriptions/{id}"),
    "subscription_update": ("POST", "/v1/subscriptions/{id}"),
    "subscription_cancel": ("DELETE", "/v1/subscriptions/{id}"),
    "subscription_pause": ("POST", "/v1/subscriptions/{id}/pause"),
    "subscription_resume": ("POST", "/v1/subscriptions/{id}/resume"),
    "subscription_migrate": ("POST", "/v1/subscriptions/{id}/migrate"),
    "subscription_delete_discount": ("DELETE", "/v1/subscriptions/{id}/discount"),
    "subscription_item_create": ("POST", "/v1/subscription_items"),
    "subscription_item_list": ("GET", "/v1/subscription_items"),
    "subscription_item_retrieve": ("GET", "/v1/subscription_items/{id}"),
    "subscription_item_update": ("POST", "/v1/subscription_items/{id}"),
    "subscription_item_delete": ("DELETE", "/v1/subscription_items/{id}"),
    "subscription_schedule_create": ("POST", "/v1/subscription_schedules"),
    "subscription_schedule_list": ("GET", "/v1/subscription_schedules"),
    "subscription_schedule_retrieve": ("GET", "/v1/subscription_schedules/{id}"),
    "subscription_schedule_update": ("POST", "/v1/subscription_schedules/{id}"),
    "subscription_schedule_release": ("POST", "/v1/subscription_schedules/{id}/release"),
    "subscription_schedule_cancel": ("POST", "/v1/subscription_schedules/{id}/cancel"),
    "invoice_create_preview": ("POST", "/v1/invoices/create_preview"),
    "invoice_create": ("POST", "/v1/invoices"),
    "invoice_list": ("GET", "/v1/invoices"),
    "invoice_retrieve": ("GET", "/v1/invoices/{id}"),
    "invoice_update": ("POST", "/v1/invoices/{id}"),
    "invoice_delete": ("DELETE", "/v1/invoices/{id}"),
    "invoice_send_invoice": ("POST", "/v1/invoices/{id}/send"),
    "invoice_line_item_list": ("GET", "/v1/invoices/{id}/lines"),
    "invoice_pay": ("POST", "/v1/invoices/{id}/pay"),
    "invoice_void_invoice": ("POST", "/v1/invoices/{id}/void"),
    "invoice_finalize_invoice": ("POST", "/v1/invoices/{id}/finalize"),
    "invoice_mark_uncollectible": ("POST", "/v1/invoices/{id}/mark_uncollectible"),
    "invoice_payment_list": ("GET", "/v1/invoice_payments"),
    "invoice_payment_retrieve": ("GET", "/v1/invoice_payments/{id}"),
    "invoice_item_create": ("POST", "/v1/invoiceitems"),
    "invoice_item_list": ("GET", "/v1/invoiceitems"),
    "invoice_item_retrieve": ("GET", "/v1/invoiceitems/{id}"),
    "invoice_item_update": ("POST", "/v1/invoiceitems/{id}"),
    "invoice_item_delete": ("DELETE", "/v1/invoiceitems/{id}"),
    "payment_intent_list": ("GET", "/v1/payment_intents"),
    "payment_intent_retrieve": ("GET", "/v1/payment_intents/{id}"),
    "payment_intent_confirm": ("POST", "/v1/payment_intents/{id}/confirm"),
    "payment_intent_cancel": ("POST", "/v1/payment_intents/{id}/cancel"),
    "charge_list": ("GET", "/v1/charges"),
    "charge_retrieve": ("GET", "/v1/charges/{id}"),
    "refund_create": ("POST", "/v1/refunds"),
    "refund_list": ("GET", "/v1/refunds"),
    "refund_retrieve": ("GET", "/v1/refunds/{id}"),
    "refund_update": ("POST", "/v1/refunds/{id}"),
    "refund_cancel": ("POST", "/v1/refunds/{id}/cancel"),
    "credit_note_create": ("POST", "/v1/credit_notes"),
    "credit_note_list": ("GET", "/v1/credit_notes"),
    "credit_note_preview": ("GET", "/v1/credit_notes/preview"),
    "credit_note_preview_lines_list": ("GET", "/v1/credit_notes/preview/lines"),
    "credit_note_retrieve": ("GET", "/v1/credit_notes/{id}"),
    "credit_note_update": ("POST", "/v1/credit_notes/{id}"),
    "credit_note_void_credit_note": ("POST", "/v1/credit_notes/{id}/void"),
    "credit_note_line_item_list": ("GET", "/v1/credit_notes/{id}/lines"),
    "dispute_list": ("GET", "/v1/disputes"),
    "dispute_retrieve": ("GET", "/v1/disputes/{id}"),
    "dispute_update": ("POST", "/v1/disputes/{id}"),
    "dispute_close": ("POST", "/v1/disputes/{id}/close"),
    "balance_retrieve": ("GET", "/v1/balance"),
    "balance_transaction_list": ("GET", "/v1/balance_transactions"),
    "balance_transaction_retrieve": ("GET", "/v1/balance_transactions/{id}"),
    "payout_create": ("POST", "/v1/payouts"),
    "payout_list": ("GET", "/v1/payouts"),
    "payout_retrieve": ("GET", "/v1/payouts/{id}"),
    "payout_update": ("POST", "/v1/payouts/{id}"),
    "payout_cancel": ("POST", "/v1/payouts/{id}/cancel"),
    "event_list": ("GET", "/v1/events"),
    "event_retrieve": ("GET", "/v1/events/{id}"),
    "webhook_endpoint_create": ("POST", "/v1/webhook_endpoints"),
    "webhook_endpoint_list": ("GET", "/v1/webhook_endpoints"),
    "webhook_endpoint_retrieve": ("GET", "/v1/webhook_endpoints/{id}"),
    "webhook_endpoint_update": ("POST", "/v1/webhook_endpoints/{id}"),
    "webhook_endpoint_delete": ("DELETE", "/v1/webhook_endpoints/{id}"),
    "v2.core.event_list": ("GET", "/v2/core/events"),
    "v2.core.event_retrieve": ("GET", "/v2/core/events/{id}"),
    "v2.core.event_destination_create": ("POST", "/v2/core/event_destinations"),
    "v2.core.event_destination_list": ("GET", "/v2/core/event_destinations"),
    "v2.core.event_destination_retrieve": ("GET", "/v2/core/event_destinations/{id}"),
    "v2.core.event_destination_update": ("POST", "/v2/core/event_destinations/{id}"),
    "v2.core.event_destination_delete": ("DELETE", "/v2/core/event_destinations/{id}"),
    "v2.core.event_destination_disable": ("POST", "/v2/core/event_destinations/{id}/disable"),
    "v2.core.event_destination_enable": ("POST", "/v2/core/event_destinations/{id}/enable"),
    "account_retrieve_current": ("GET", "/v1/account"),
    "billing_portal.session_create": ("POST", "/v1/billing_portal/sessions"),
    "billing_portal.configuration_list": ("GET", "/v1/billing_portal/configurations"),
    "test_helpers.test_clock_create": ("POST", "/v1/test_helpers/test_clocks"),
    "test_helpers.test_clock_list": ("GET", "/v1/test_helpers/test_clocks"),
    "test_helpers.test_clock_retrieve": ("GET", "/v1/test_helpers/test_clocks/{id}"),
    "test_helpers.test_clock_delete": ("DELETE", "/v1/test_helpers/test_clocks/{id}"),
    "test_helpers.test_clock_advance": ("POST", "/v1/test_helpers/test_clocks/{id}/advance"),
}


@functools.cache
def _patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Templates without a placeholder first, so that `/v1/invoices/create_preview` is not an invoice id."""
    ordered = sorted(OPERATIONS.items(), key=lambda entry: "{" in entry[1][1])
    return [(name, method, re.compile(_regex(path))) for name, (method, path) in ordered]


def _regex(template: str) -> str:
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)


@functools.lru_cache(maxsize=4096)
def find(method: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The operation of a real path and the ids in it, or None."""
    for name, verb, pattern in _patterns():
        match = pattern.fullmatch(path) if verb == method else None
        if match:
            return name, match.groups()
    return None
