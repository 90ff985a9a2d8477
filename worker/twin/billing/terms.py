"""Discounts and default tax rates of an invoice itself: a manual one's, or other ones on a draft.

A change prices the draft's lines again. Prorations keep what they were made with; a line that has tax rates
of its own keeps them (SDK, `InvoiceUpdateParams`). Flexible credits come from what was billed in the end, so
the book of debits follows.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts, fields, invoicing, totals
from worker.twin.billing.lines import Line, Off
from worker.twin.errors import invalid
from worker.twin.store import Doc, subscription_of
from worker.twin.world import World

TERMS = ("discounts", "default_tax_rates")


def compose_manual(
    world: World,
    customer: Doc,
    currency: str,
    lines: list[Line],
    subscription: Doc | None,
    given: dict[str, Any],
) -> Doc:
    """The draft of `POST /v1/invoices`; without `discounts` it has the subscription's or the customer's."""
    applied = discounts.sketch(world, given.get("discounts"), customer["id"], currency)
    rates = fields.tax_rates(world, given.get("default_tax_rates"))
    for line in lines:
        line.tax_rates = line.tax_rates or [r["id"] for r in rates]
    invoice = invoicing.compose(
        world, customer, currency, lines,
        subscription=subscription, reason="manual", ids=world.ids, applied=applied,
    )  # fmt: skip
    invoice["default_tax_rates"] = rates or invoice["default_tax_rates"]
    discounts.put_on(world, invoice, applied)
    return invoice


def reprice(world: World, invoice: Doc, given: dict[str, Any]) -> None:
    """Carry out `discounts` and `default_tax_rates` of an invoice's update."""
    named = [name for name in TERMS if given.get(name) is not None]
    if not named:
        return
    if invoice["status"] != "draft":
        raise invalid("Finalized invoices can't be updated in this way.", named[0], "invoice_not_editable")
    old_rates = [r["id"] for r in invoice["default_tax_rates"]]
    if "default_tax_rates" in named:
        invoice["default_tax_rates"] = fields.tax_rates(world, given["default_tax_rates"])
    rates = [r["id"] for r in invoice["default_tax_rates"]]
    applied = _applied(world, invoice, given.get("discounts"))
    docs = invoice["lines"]["data"]
    lines = [_line(world, doc, old_rates, rates) for doc in docs]
    totals.price_lines(world, lines, applied, invoice["currency"])
    for line, doc in zip(lines, docs, strict=True):
        doc.update(discount_amounts=line.discount_amounts, taxes=line.taxes)
    totals.total_up(invoice, world.store["customer"].docs[invoice["customer"]])
    _correct_debits(world, invoice, {doc["id"]: line for doc, line in zip(docs, lines, strict=True)})


def _applied(world: World, invoice: Doc, given: Any) -> list[Doc]:
    stored = world.store["discount"].docs
    docs = discounts.sketch(world, given, invoice["customer"], invoice["currency"])
    if docs is None:
        return [stored[d] for d in invoice["discounts"]]
    discounts.put_on(world, invoice, [d for d in docs if d["id"] not in stored])
    discounts.spend(world, docs)
    invoice["discounts"] = [d["id"] for d in docs]
    return docs


def _line(world: World, doc: Doc, old_rates: list[str], rates: list[str]) -> Line:
    price_id = doc["pricing"]["price_details"]["price"] if doc["pricing"] else None
    price = world.store["price"].docs[price_id] if price_id else None
    period = doc["period"]
    line = Line(doc["amount"], doc["description"], period["start"], period["end"], price, doc["quantity"])
    line.discountable = doc["discountable"]
    line.own = [world.store["discount"].docs[d] for d in doc["discounts"]]
    own = set(doc["discounts"])
    line.offs = [Off(d["discount"], d["amount"], d["discount"] in own) for d in doc["discount_amounts"]]
    had = [t["tax_rate_details"]["tax_rate"] for t in doc["taxes"]]
    line.tax_rates = rates if had in ([], old_rates) else had
    return line


def _correct_debits(world: World, invoice: Doc, lines: dict[str, Line]) -> None:
    subscription = subscription_of(invoice)
    book = world.facts.subscriptions[subscription].debits if subscription else {}
    for debit in (d for spans in book.values() for d in spans if d.invoice == invoice["id"]):
        line = lines[debit.line or ""]
        if line.discountable:
            debit.amount, debit.tax_rates = line.net, line.tax_rates
            debit.discounts = [(off.discount, off.amount, off.own) for off in line.offs]
