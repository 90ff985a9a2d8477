"""2025-03-31.basil taken back: the largest change of the billing objects so far.

Periods stood on the subscription; an invoice named its subscription, payment intent, charge, tax and discount
itself; a line its price, plan and subscription item; charges and payment intents named their invoice.
Source: docs.stripe.com/changelog/basil, one page per change.
"""

from __future__ import annotations

from typing import Any

import msgspec

from worker.twin.store import Doc
from worker.twin.world import World


def subscription(world: World, doc: Doc) -> None:
    """One period for the whole subscription; `plan` and `quantity` when it has one item; `discount`."""
    items = [i for i in doc["items"]["data"] if "current_period_end" in i]
    next_to_end: Doc = min(items, key=lambda i: int(i["current_period_end"]), default={})
    doc["current_period_start"] = next_to_end.get("current_period_start")
    doc["current_period_end"] = next_to_end.get("current_period_end")
    only = items[0] if len(items) == 1 else {}
    doc["plan"], doc["quantity"] = _copy(only.get("plan")), only.get("quantity")
    doc["discount"] = _discount(world, doc.get("discounts"))


def invoice(world: World, doc: Doc) -> None:
    """Subscription, payment, tax and discount stood on the invoice."""
    doc.setdefault("subscription", subscription_of(doc))
    doc.setdefault("payment_intent", payment_intent_of(world, doc))
    doc.setdefault("charge", charge_of(world, doc))
    details = (doc.pop("parent", None) or {}).get("subscription_details") or {}
    doc["subscription_details"] = {"metadata": details.get("metadata")}
    if "subscription_proration_date" in details:
        doc["subscription_proration_date"] = details["subscription_proration_date"]
    taxes = doc.pop("total_taxes", None) or []
    doc["tax"] = sum(t["amount"] for t in taxes) if taxes else None
    doc["total_tax_amounts"] = [_tax(t) for t in taxes]
    doc["discount"] = _discount(world, doc.get("discounts"))
    doc["paid"] = doc["status"] == "paid"
    doc["paid_out_of_band"] = doc["paid"] and _paid_elsewhere(world, doc)
    doc.update(application_fee_amount=None, quote=None, transfer_data=None)
    for name in ("payments", "confirmation_secret", "amount_overpaid"):
        doc.pop(name, None)


def _paid_elsewhere(world: World, doc: Doc) -> bool:
    facts = world.facts.invoices.get(doc.get("id", ""))
    return facts is not None and facts.paid_off_stripe > 0


def line(world: World, doc: Doc) -> None:
    """Prorations were lines of type `invoiceitem`, the others of type `subscription`."""
    parent = doc.pop("parent", None) or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    doc["type"] = "invoiceitem" if details.get("invoice_item") or not parent else "subscription"
    if doc["type"] == "invoiceitem":
        doc["invoice_item"] = details.get("invoice_item")
    if "subscription_item" in details:
        doc["subscription_item"] = details["subscription_item"]
    doc["subscription"] = details.get("subscription") or doc.get("subscription")
    doc["proration"] = bool(details.get("proration"))
    doc["proration_details"] = details.get("proration_details") or {"credited_items": None}
    _priced(world, doc)
    taxes = doc.pop("taxes", None) or []
    doc["tax_amounts"] = [_tax(t) for t in taxes]
    doc["tax_rates"] = [r for t in taxes if (r := _tax_rate(world, t)) is not None]
    inclusive = [t for t in taxes if t.get("tax_behavior") == "inclusive"]
    doc["amount_excluding_tax"] = doc["amount"] - sum(t["amount"] for t in inclusive)


def invoice_item(world: World, doc: Doc) -> None:
    """An invoice item named its price, subscription and unit amount."""
    details = (doc.pop("parent", None) or {}).get("subscription_details") or {}
    doc["subscription"] = details.get("subscription")
    if details.get("subscription_item"):
        doc["subscription_item"] = details["subscription_item"]
    _priced(world, doc)
    quantity = doc.get("quantity") or 1
    whole = doc["amount"] % quantity == 0
    doc["unit_amount"] = doc["amount"] // quantity if whole else None
    doc["unit_amount_decimal"] = str(doc["unit_amount"]) if whole else None
    doc.pop("net_amount", None)


def charge(world: World, doc: Doc) -> None:
    """A charge named its invoice."""
    doc.setdefault("invoice", invoice_of(world, doc.get("payment_intent")))


def payment_intent(world: World, doc: Doc) -> None:
    """A payment intent named its invoice."""
    doc.setdefault("invoice", invoice_of(world, doc["id"]))


def credit_note(world: World, doc: Doc) -> None:
    """Taxes in their older form, and one refund."""
    doc["tax_amounts"] = [_tax(t) for t in doc.pop("total_taxes", None) or []]
    refunds = doc.get("refunds") or []
    doc["refund"] = refunds[0]["refund"] if refunds else None


def price(world: World, doc: Doc) -> None:
    """Usage records had an aggregation, prices a trial."""
    if doc.get("recurring"):
        doc["recurring"].setdefault("aggregate_usage", None)
        doc["recurring"].setdefault("trial_period_days", None)


def plan(world: World, doc: Doc) -> None:
    """Usage records had an aggregation."""
    doc.setdefault("aggregate_usage", None)


def subscription_of(invoice_doc: Doc) -> Any:
    """The subscription's id, wherever the invoice has it."""
    details = (invoice_doc.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription")


def payment_intent_of(world: World, invoice_doc: Doc) -> str | None:
    """The payment intent's id; a draft has none."""
    facts = world.facts.invoices.get(invoice_doc.get("id", ""))
    return None if facts is None or invoice_doc["status"] == "draft" else facts.payment_intent


def charge_of(world: World, invoice_doc: Doc) -> str | None:
    """The id of the latest attempt to take the money, from the first attempt on."""
    intent = payment_intent_of(world, invoice_doc)
    if intent is None or not invoice_doc["attempted"]:
        return None
    latest: str | None = world.store["payment_intent"].docs[intent]["latest_charge"]
    return latest


def invoice_of(world: World, intent: Any) -> str | None:
    """The invoice that a payment intent pays."""
    object_id = intent["id"] if isinstance(intent, dict) else intent
    links = world.store["invoice_payment"].by("payment_intent", object_id)
    return str(links[-1]["invoice"]) if links else None


def _priced(world: World, doc: Doc) -> None:
    found = ((doc.pop("pricing", None) or {}).get("price_details") or {}).get("price")
    object_id = found["id"] if isinstance(found, dict) else found
    stored = world.store["price"].docs.get(object_id or "")
    doc["price"] = _copy(found if isinstance(found, dict) else stored)
    facts = world.facts.prices.get(object_id or "")
    doc["plan"] = _copy(facts.plan) if facts is not None and stored and stored["recurring"] else None


def _discount(world: World, discounts: Any) -> Doc | None:
    if not discounts:
        return None
    first = discounts[0]
    found = first if isinstance(first, dict) else world.store["discount"].docs.get(first)
    copy: Doc | None = _copy(found)
    return copy


def _tax(tax: Doc) -> Doc:
    return {
        "amount": tax["amount"],
        "inclusive": tax.get("tax_behavior") == "inclusive",
        "tax_rate": (tax.get("tax_rate_details") or {}).get("tax_rate"),
        "taxability_reason": tax.get("taxability_reason"),
        "taxable_amount": tax.get("taxable_amount"),
    }


def _tax_rate(world: World, tax: Doc) -> Doc | None:
    copy: Doc | None = _copy(world.store["tax_rate"].docs.get(_tax(tax)["tax_rate"] or ""))
    return copy


def _copy(value: Any) -> Any:
    """Never the account's own object: what is put in is rewritten in place afterwards."""
    return msgspec.json.decode(msgspec.json.encode(value)) if value is not None else None
