"""Invoices, invoice items, invoice payments."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import cards, invoicing, lifecycle, settlement
from worker.twin.billing.fields import merge_metadata, tax_rates
from worker.twin.billing.preview import create_preview
from worker.twin.errors import ApiError, action_required, card_declined, invalid, no_payment_method
from worker.twin.events import snapshot
from worker.twin.resources.payment_methods import usable
from worker.twin.store import Doc, subscription_of
from worker.twin.templates import invoice as templates
from worker.twin.world import Call, World


def preview(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/create_preview`."""
    return create_preview(world, call.params)


def _get(world: World, invoice_id: str) -> Doc:
    if invoice_id in world.previews:
        return world.previews[invoice_id]
    return world.store.get("invoice", invoice_id)


def _real(world: World, invoice_id: str) -> Doc:
    if invoice_id in world.previews:
        raise invalid("A preview invoice cannot be changed.", "invoice", "invoice_not_editable")
    return world.store.get("invoice", invoice_id)


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/invoices/{id}`, previews included."""
    return _get(world, call.id)


def list_lines(world: World, call: Call) -> Doc:
    """`GET /v1/invoices/{id}/lines`, in the invoice's own order."""
    return pages.page(_get(world, call.id)["lines"]["data"], call.params, f"/v1/invoices/{call.id}/lines")


def find(world: World, call: Call) -> Doc:
    """`GET /v1/invoices`."""
    wanted = call.params
    narrow: dict[str, Any] = {name: wanted[name] for name in ("customer", "subscription") if name in wanted}
    rows = (
        i
        for i in world.store["invoice"].newest_first(narrow)
        if wanted.get("status") in (None, i["status"])
        and wanted.get("customer") in (None, i["customer"])
        and wanted.get("subscription") in (None, subscription_of(i))
        and wanted.get("collection_method") in (None, i["collection_method"])
        and pages.in_range(i["created"], wanted.get("created"))
        and pages.in_range(i["due_date"], wanted.get("due_date"))
    )
    return pages.page(rows, wanted, "/v1/invoices")


def create(world: World, call: Call) -> Doc:
    """`POST /v1/invoices`: a manual draft over what waits."""
    given = call.params
    subscription = None
    if given.get("subscription"):
        subscription = world.store.get("subscription", given["subscription"], "subscription", 400)
    customer_id = given.get("customer") or (subscription or {}).get("customer") or ""
    customer = world.store.get("customer", customer_id, "customer")
    include = given.get("pending_invoice_items_behavior") == "include" or subscription is not None
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"] if subscription else None)
    lines = [invoicing.line_of_item(world, i) for i in waiting] if include else []
    currency = given.get("currency") or customer["currency"] or "usd"
    invoice = invoicing.compose(
        world, customer, currency, lines, subscription=subscription, reason="manual", ids=world.ids
    )
    invoice["auto_advance"] = given.get("auto_advance", False)
    merge_metadata(invoice, given.get("metadata"))
    return invoicing.issue(world, invoice, lines, subscription)


def update(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}`: metadata, description and auto_advance."""
    invoice = _real(world, call.id)
    before = snapshot(invoice)
    merge_metadata(invoice, call.params.get("metadata"))
    for name in ("description", "auto_advance", "footer", "default_payment_method"):
        if name in call.params:
            invoice[name] = call.params[name] if call.params[name] != "" else None
    world.events.updated("invoice.updated", invoice, before)
    return invoice


def finalize(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}/finalize`."""
    invoice = _real(world, call.id)
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    settlement.finalize(world, invoice)
    advance = call.params.get("auto_advance", invoice["auto_advance"])
    if advance and invoice["status"] == "open":
        lifecycle.charge(world, invoice)
    else:
        lifecycle.after_payment(world, invoice)
    return invoice


def pay(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}/pay`: 402 when the bank refuses or the customer has to act."""
    invoice = _real(world, call.id)
    if invoice["status"] == "draft":
        settlement.finalize(world, invoice)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open" and invoice["status"] != "uncollectible":
        raise invalid(
            f"Invoice has status {invoice['status']} and cannot be paid.", code="invoice_not_payable"
        )
    if call.params.get("paid_out_of_band"):
        return pay_off_stripe(world, invoice)
    given = call.params.get("payment_method") or call.params.get("source")
    method = usable(world, given, world.now_for(invoice["customer"]), "payment_method") if given else None
    if method is not None and method["customer"] not in (None, invoice["customer"]):
        raise invalid("The payment method belongs to another customer.", "payment_method")
    if method is not None and method["customer"] is None:
        cards.attach(world, method, world.store["customer"].docs[invoice["customer"]])
    subscription = lifecycle.subscription_of(world, invoice)
    collect_or_raise(
        world, invoice, cards.method_for(world, invoice, subscription, method["id"] if method else None)
    )
    return invoice


def collect_or_raise(world: World, invoice: Doc, method: Doc | None, authenticated: bool = False) -> None:
    """Pay an open invoice outside the automatic path; a failure is Stripe's 402."""
    if method is None:
        raise no_payment_method()
    outcome = settlement.collect(world, invoice, method, authenticated=authenticated)
    intent = world.store["payment_intent"].docs[world.facts.invoices[invoice["id"]].payment_intent or ""]
    if outcome == settlement.WAITS:
        raise action_required("invoice_payment_intent_requires_action", intent)
    if outcome == settlement.DECLINED:
        raise card_declined(intent["last_payment_error"]["decline_code"], intent)
    lifecycle.after_payment(world, invoice)


def pay_off_stripe(world: World, invoice: Doc) -> Doc:
    """`paid_out_of_band`: the money came another way; no charge is made."""
    before = snapshot(invoice)
    invoice.update(
        status="paid", attempted=True, amount_remaining=0, amount_paid_off_stripe=invoice["amount_due"]
    )
    invoice["status_transitions"]["paid_at"] = world.now_for(invoice["customer"])
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.paid", invoice)
    facts = world.facts.invoices[invoice["id"]]
    world.effect("invoice_paid", invoice, 0, facts.origin, facts.subscription)
    lifecycle.after_payment(world, invoice)
    return invoice


def void(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}/void`."""
    invoice = _real(world, call.id)
    settlement.void(world, invoice)
    lifecycle.after_void(world, invoice)
    return invoice


def mark_uncollectible(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}/mark_uncollectible`."""
    invoice = _real(world, call.id)
    settlement.give_up(world, invoice)
    return invoice


def list_payments(world: World, call: Call) -> Doc:
    """`GET /v1/invoice_payments`."""
    wanted = call.params
    narrow: dict[str, Any] = {"invoice": wanted["invoice"]} if "invoice" in wanted else {}
    intent = (wanted.get("payment") or {}).get("payment_intent")
    if intent:
        narrow["payment_intent"] = intent
    rows = (
        p
        for p in world.store["invoice_payment"].newest_first(narrow)
        if wanted.get("status") in (None, p["status"])
    )
    return pages.page(rows, wanted, "/v1/invoice_payments")


def retrieve_payment(world: World, call: Call) -> Doc:
    """`GET /v1/invoice_payments/{id}`."""
    return world.store.get("invoice_payment", call.id)


def create_item(world: World, call: Call) -> Doc:
    """`POST /v1/invoiceitems`: an amount, or a one-time price, for the customer's next invoice."""
    given = call.params
    customer = world.store.get("customer", given.get("customer") or "", "customer")
    now = world.now_for(customer["id"])
    item = templates.invoice_item(
        world.ids.new("ii", 20), now, customer, given.get("currency") or customer["currency"] or "usd"
    )
    _price_item(world, item, given)
    item["description"] = given.get("description")
    item["discountable"] = given.get("discountable", True)
    item["tax_rates"] = tax_rates(world, given.get("tax_rates"))
    merge_metadata(item, given.get("metadata"))
    if given.get("subscription"):
        world.store.get("subscription", given["subscription"], "subscription", 400)
        details = {"subscription": given["subscription"], "subscription_item": None}
        item["parent"] = {"subscription_details": details, "type": "subscription_details"}
    return invoicing.add_item(world, item)


def _price_item(world: World, item: Doc, given: dict[str, Any]) -> None:
    quantity = given.get("quantity", 1)
    price_id = (given.get("pricing") or {}).get("price")
    if price_id:
        price = world.store.get("price", price_id, "pricing[price]", 400)
        amount = (price["unit_amount"] or 0) * quantity
        item["pricing"] = invoicing.pricing(price, price["unit_amount_decimal"])
        item["currency"] = price["currency"]
    elif given.get("amount") is not None:
        amount = given["amount"]
    else:
        raise invalid("Must provide `amount` or `pricing`.", "amount", "parameter_missing")
    item.update(amount=amount, net_amount=amount, quantity=quantity, quantity_decimal=str(quantity))


def list_items(world: World, call: Call) -> Doc:
    """`GET /v1/invoiceitems`; `pending=true` shows what waits, newest first."""
    wanted = call.params
    narrow: dict[str, Any] = {name: wanted[name] for name in ("customer", "invoice") if name in wanted}
    rows = (
        i
        for i in world.store["invoiceitem"].newest_first(narrow)
        if wanted.get("pending") in (None, i["invoice"] is None)
        and wanted.get("customer") in (None, i["customer"])
        and wanted.get("invoice") in (None, i["invoice"])
        and pages.in_range(i["date"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/invoiceitems")


def retrieve_item(world: World, call: Call) -> Doc:
    """`GET /v1/invoiceitems/{id}`."""
    return world.store.get("invoiceitem", call.id)


def delete_item(world: World, call: Call) -> Doc:
    """`DELETE /v1/invoiceitems/{id}`: only while it waits."""
    item = world.store.get("invoiceitem", call.id)
    if item["invoice"] is not None:
        raise ApiError(
            400, "The invoice item is attached to an invoice and cannot be deleted.", param="invoiceitem"
        )
    invoicing.drop_item(world, item)
    return {"id": call.id, "object": "invoiceitem", "deleted": True}


HANDLERS = {
    "invoice_create_preview": preview,
    "invoice_retrieve": retrieve,
    "invoice_line_item_list": list_lines,
    "invoice_list": find,
    "invoice_create": create,
    "invoice_update": update,
    "invoice_finalize_invoice": finalize,
    "invoice_pay": pay,
    "invoice_void_invoice": void,
    "invoice_mark_uncollectible": mark_uncollectible,
    "invoice_payment_list": list_payments,
    "invoice_payment_retrieve": retrieve_payment,
    "invoice_item_create": create_item,
    "invoice_item_list": list_items,
    "invoice_item_retrieve": retrieve_item,
    "invoice_item_delete": delete_item,
}
