"""Fields that only expansion shows (Stripe docs "Expanding responses")."""

from __future__ import annotations

from typing import Any

from worker.twin.pages import Included
from worker.twin.store import Doc
from worker.twin.world import World


def included(world: World) -> Included:
    """(object, field) -> how to make it."""
    return {
        ("invoice", "payments"): lambda invoice: _payments(world, invoice),
        ("invoice", "confirmation_secret"): lambda invoice: _secret(world, invoice),
        ("invoice", "amount_paid_off_stripe"): lambda invoice: _off_stripe(world, invoice),
        ("price", "tiers"): lambda price: world.facts.prices[price["id"]].tiers,
        ("coupon", "applies_to"): lambda coupon: _applies_to(world, coupon),
        ("coupon", "currency_options"): lambda coupon: _coupon_options(world, coupon),
        ("price", "currency_options"): lambda price: {price["currency"]: _currency_option(price)},
        ("charge", "refunds"): lambda charge: _list(
            world.store["refund"].by("charge", charge["id"]), "/v1/refunds"
        ),
        ("customer", "subscriptions"): lambda customer: _subscriptions(world, customer),
        ("customer", "sources"): lambda customer: _list([], f"/v1/customers/{customer['id']}/sources"),
        ("customer", "tax_ids"): lambda customer: _list([], f"/v1/customers/{customer['id']}/tax_ids"),
        ("customer", "invoice_credit_balance"): lambda customer: _credit(customer),
    }


def _list(rows: list[Doc], url: str) -> Doc:
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def _payments(world: World, invoice: Doc) -> Doc:
    return _list(world.store["invoice_payment"].by("invoice", invoice["id"]), "/v1/invoices/payments")


def _off_stripe(world: World, invoice: Doc) -> int:
    """Shown by expansion only, never in events (changelog 2026-05-27.dahlia)."""
    facts = world.facts.invoices.get(invoice["id"])
    return facts.paid_off_stripe if facts else 0


def _secret(world: World, invoice: Doc) -> dict[str, Any] | None:
    facts = world.facts.invoices.get(invoice["id"])
    if facts is None or facts.payment_intent is None:
        return None
    intent = world.store["payment_intent"].docs[facts.payment_intent]
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}


def _currency_option(price: Doc) -> dict[str, Any]:
    names = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {name: price[name] for name in names}


def _applies_to(world: World, coupon: Doc) -> dict[str, Any] | None:
    products = world.facts.coupons[coupon["id"]].products
    return None if products is None else {"products": products}


def _coupon_options(world: World, coupon: Doc) -> dict[str, Any] | None:
    if coupon["amount_off"] is None:
        return None
    amounts = {coupon["currency"]: coupon["amount_off"], **world.facts.coupons[coupon["id"]].currencies}
    return {currency: {"amount_off": amount} for currency, amount in amounts.items()}


def _subscriptions(world: World, customer: Doc) -> Doc:
    rows = world.store["subscription"].by("customer", customer["id"])
    running = [s for s in reversed(rows) if s["status"] not in ("canceled", "incomplete_expired")]
    return _list(running, f"/v1/customers/{customer['id']}/subscriptions")


def _credit(customer: Doc) -> dict[str, int]:
    return {customer["currency"]: customer["balance"]} if customer["currency"] else {}
