"""Invoices: made by hand, finalised, sent, paid, voided, given up, deleted."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import (
    accounts,
    cards,
    debits,
    drafts,
    invoicing,
    lifecycle,
    pausing,
    sending,
    settlement,
    terms,
)
from worker.twin.billing.fields import merge_metadata
from worker.twin.billing.preview import create_preview
from worker.twin.billing.preview import find as find_preview
from worker.twin.errors import action_required, card_declined, invalid, no_payment_method
from worker.twin.events import snapshot
from worker.twin.resources.payment_methods import usable
from worker.twin.store import Doc, subscription_of
from worker.twin.world import Call, World

# Set by creation and, in a draft, by updates; later nearly everything is fixed (docs "Status transitions").
PLAIN = ("collection_method", "custom_fields", "default_payment_method", "description", "footer",
         "statement_descriptor")  # fmt: skip
ALWAYS_EDITABLE = ("default_payment_method",)


def preview(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/create_preview`."""
    return create_preview(world, call.params)


def _get(world: World, invoice_id: str) -> Doc:
    return find_preview(world, invoice_id) or world.store.get("invoice", invoice_id)


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
        for i in world.store["invoice"].newest_first(narrow, wanted.get("starting_after"))
        if wanted.get("status") in (None, i["status"])
        and wanted.get("customer") in (None, i["customer"])
        and wanted.get("subscription") in (None, subscription_of(i))
        and wanted.get("collection_method") in (None, i["collection_method"])
        and pages.in_range(i["created"], wanted.get("created"))
        and pages.in_range(i["due_date"], wanted.get("due_date"))
    )
    return pages.page(rows, wanted, "/v1/invoices")


def create(world: World, call: Call) -> Doc:
    """`POST /v1/invoices`: a manual draft, over what waits if `pending_invoice_items_behavior` says so."""
    given = call.params
    _check_collection(given)
    subscription = None
    if given.get("subscription"):
        subscription = world.store.get("subscription", given["subscription"], "subscription", 400)
    customer_id = given.get("customer") or (subscription or {}).get("customer") or ""
    customer = world.store.get("customer", customer_id, "customer")
    include = given.get("pending_invoice_items_behavior") == "include" or subscription is not None
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"] if subscription else None)
    lines = [invoicing.line_of_item(world, i) for i in waiting] if include else []
    currency = given.get("currency") or customer["currency"] or "usd"
    lines = [line for line in lines if line.invoice_item and line.invoice_item["currency"] == currency]
    invoice = terms.compose_manual(world, customer, currency, lines, subscription, given)
    invoice["auto_advance"] = given.get("auto_advance", False)
    _set_plain(invoice, given)
    invoice["due_date"] = given.get("due_date")
    if given.get("days_until_due") is not None:
        invoice["due_date"] = invoice["created"] + 86400 * int(given["days_until_due"])
    accounts.set_currency(world, customer, currency)
    if invoice["auto_advance"]:
        drafts.wait(world, invoice)
    return invoicing.issue(world, invoice, lines, subscription)


def _check_collection(given: dict[str, Any]) -> None:
    """A due date belongs to invoices that are sent, and those need one (SDK, `InvoiceCreateParams`)."""
    dated = given.get("due_date") is not None or given.get("days_until_due") is not None
    sent = given.get("collection_method") == "send_invoice"
    if dated and not sent:
        text = "A due date can only be set for invoices with `collection_method=send_invoice`."
        raise invalid(text, "due_date" if given.get("due_date") is not None else "days_until_due")
    if sent and not dated and not given.get("subscription"):
        raise invalid("You must pass `days_until_due` or `due_date` for invoices to send.", "days_until_due")


def _set_plain(invoice: Doc, given: dict[str, Any]) -> None:
    for name in PLAIN:
        if name in given:
            invoice[name] = given[name] if given[name] != "" else None
    merge_metadata(invoice, given.get("metadata"))


def update(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}`: a draft's plain fields; of a finalised invoice few may change."""
    invoice, given = _real(world, call.id), call.params
    late = [name for name in given if name in PLAIN and name not in ALWAYS_EDITABLE]
    if invoice["status"] != "draft" and late:
        raise invalid("Finalized invoices can't be updated in this way.", late[0], "invoice_not_editable")
    before = snapshot(invoice)
    terms.reprice(world, invoice, given)
    _set_plain(invoice, given)
    if "auto_advance" in given:
        invoice["auto_advance"] = given["auto_advance"]
    if given.get("days_until_due") is not None:
        invoice["due_date"] = invoice["created"] + 86400 * int(given["days_until_due"])
    if given.get("due_date"):
        invoice["due_date"] = given["due_date"]
    world.events.updated("invoice.updated", invoice, before)
    return invoice


def delete(world: World, call: Call) -> Doc:
    """`DELETE /v1/invoices/{id}`: only one-off drafts; the items on it go with it."""
    invoice = _real(world, call.id)
    if invoice["status"] != "draft" or subscription_of(invoice) is not None:
        text = "You can only delete draft invoices that do not belong to a subscription."
        raise invalid(text, code="invoice_not_editable")
    for item in world.store["invoiceitem"].by("invoice", call.id):
        world.store["invoiceitem"].remove(item["id"])
        world.events.emit("invoiceitem.deleted", item)
    world.store["invoice"].remove(call.id)
    world.events.emit("invoice.deleted", invoice)
    world.effect("invoice_deleted", invoice, -invoice["total"])
    return {"id": call.id, "object": "invoice", "deleted": True}


def send(world: World, call: Call) -> Doc:
    """`POST /v1/invoices/{id}/send`: finalises a draft; the customer gets it (again)."""
    invoice = _real(world, call.id)
    if invoice["collection_method"] != "send_invoice":
        text = "You can only manually send an invoice if its collection method is 'send_invoice'."
        raise invalid(text)
    if invoice["status"] == "draft":
        settlement.finalize(world, invoice)
        sending.send(world, invoice)
        lifecycle.after_payment(world, invoice)
    elif invoice["status"] == "open":
        world.events.emit("invoice.sent", invoice)
    else:
        raise invalid(f"An invoice that is {invoice['status']} cannot be sent.", code="invoice_not_editable")
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
            lifecycle.after_payment(world, invoice)
            return invoice
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open" and invoice["status"] != "uncollectible":
        raise invalid(
            f"Invoice has status {invoice['status']} and cannot be paid.", code="invoice_not_payable"
        )
    settlement.refuse_while_processing(world, invoice)
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
    subscription = lifecycle.subscription_of(world, invoice)
    if outcome in (settlement.WAITS, settlement.DECLINED) and subscription is not None:
        pausing.attempted(world, subscription, invoice, "past_due")
    if outcome == settlement.WAITS:
        raise action_required("invoice_payment_intent_requires_action", intent)
    if outcome == settlement.DECLINED:
        raise card_declined(intent["last_payment_error"]["decline_code"], intent)
    debits.started(world, invoice)
    lifecycle.after_payment(world, invoice)


def pay_off_stripe(world: World, invoice: Doc) -> Doc:
    """`paid_out_of_band`: the money came another way; no charge is made.

    `amount_paid` counts it, too (changelog 2025-03-31.basil); `amount_paid_off_stripe` says how much it was.
    """
    settlement.cancel_payment(world, invoice)
    before = snapshot(invoice)
    world.facts.invoices[invoice["id"]].paid_off_stripe = invoice["amount_due"]
    invoice.update(
        status="paid",
        attempted=True,
        auto_advance=False,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        next_payment_attempt=None,
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
    lifecycle.after_giving_up(world, invoice)
    return invoice


HANDLERS = {
    "invoice_create_preview": preview,
    "invoice_retrieve": retrieve,
    "invoice_line_item_list": list_lines,
    "invoice_list": find,
    "invoice_create": create,
    "invoice_update": update,
    "invoice_delete": delete,
    "invoice_send_invoice": send,
    "invoice_finalize_invoice": finalize,
    "invoice_pay": pay,
    "invoice_void_invoice": void,
    "invoice_mark_uncollectible": mark_uncollectible,
}
