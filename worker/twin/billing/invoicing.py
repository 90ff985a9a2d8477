"""From lines to invoices: pending invoice items, drafts, and the rule which waiting items ride along.

`compose` is shared by previews and real invoices, so that a preview is the invoice it announces.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts, totals
from worker.twin.billing.lines import Line, Off
from worker.twin.billing.plan import Plan
from worker.twin.facts import Debit, InvoiceFacts
from worker.twin.ids import Ids
from worker.twin.ledger import Origin
from worker.twin.store import Doc
from worker.twin.templates import invoice as templates
from worker.twin.world import World


def pending_items(world: World, customer_id: str, subscription_id: str | None) -> list[Doc]:
    """Invoice items that wait for this subscription's next invoice (or for the customer's), newest first."""
    items = world.store["invoiceitem"].docs
    waiting = [items[object_id] for object_id in world.waiting.get(customer_id, {})]
    return [i for i in reversed(waiting) if _subscription_of(i) in (None, subscription_id)]


def add_item(world: World, item: Doc) -> Doc:
    """Store an invoice item that waits for an invoice."""
    world.waiting.setdefault(item["customer"], {})[item["id"]] = None
    world.store.add("invoiceitem", item)
    world.events.emit("invoiceitem.created", item)
    return item


def drop_item(world: World, item: Doc) -> None:
    """Delete an invoice item that waits."""
    del world.waiting[item["customer"]][item["id"]]
    world.store["invoiceitem"].remove(item["id"])
    world.events.emit("invoiceitem.deleted", item)


def _subscription_of(item: Doc) -> str | None:
    return ((item["parent"] or {}).get("subscription_details") or {}).get("subscription")


def line_of_item(world: World, item: Doc) -> Line:
    """The line that bills a waiting item."""
    details = (item["parent"] or {}).get("subscription_details") or {}
    price_id = item["pricing"]["price_details"]["price"] if item["pricing"] else None
    price = world.store["price"].docs[price_id] if price_id else None
    line = Line(
        item["amount"],
        item["description"],
        item["period"]["start"],
        item["period"]["end"],
        price,
        item["quantity"],
    )
    line.item, line.subscription = details.get("subscription_item"), details.get("subscription")
    line.proration, line.discountable, line.invoice_item = item["proration"], item["discountable"], item
    _discounts_of_item(world, line, item)
    line.tax_rates = [r["id"] for r in item["tax_rates"]]
    line.metadata = dict(item["metadata"])
    return line


def _discounts_of_item(world: World, line: Line, item: Doc) -> None:
    """A proration keeps what discounts took when it was made; any other item has discounts of its own."""
    line.own = discounts.running(world, item["discounts"])
    made = item.get("proration_details", {}).get("discount_amounts") or []
    known = world.store["discount"].docs
    line.offs = [
        Off(d["discount"], d["amount"], known[d["discount"]]["subscription_item"] is not None) for d in made
    ]
    line.itemized = not made or item["net_amount"] != item["amount"]


def lines_now(world: World, plan: Plan) -> list[Line]:
    """What an invoice made by a change bills: the change's own lines, then what was waiting (page 5.2)."""
    subscription = plan.subscription
    waiting: list[Doc] = []
    if subscription["billing_mode"]["type"] == "flexible" or not plan.reset:
        own = [line.invoice_item for line in plan.lines]
        waiting = [
            i for i in pending_items(world, subscription["customer"], subscription["id"]) if i not in own
        ]
    return [*plan.lines, *(line_of_item(world, i) for i in waiting)]


def compose(
    world: World,
    customer: Doc,
    currency: str,
    lines: list[Line],
    *,
    subscription: Doc | None,
    reason: str,
    ids: Ids,
    prefix: str = "in",
    proration_date: int | None = None,
    applied: list[Doc] | None = None,
) -> Doc:
    """A draft with its lines and totals; nothing is stored. `applied` replaces the discounts in force."""
    now = world.now_for(customer["id"])
    invoice = templates.invoice(ids.new(prefix, 20), now, customer, currency)
    if applied is None:
        applied = discounts.active(world, subscription, customer["id"])
    totals.price_lines(world, lines, applied, currency)
    invoice["billing_reason"] = reason
    invoice["discounts"] = [d["id"] for d in applied]
    invoice["lines"]["data"] = [_line_doc(line, invoice, ids) for line in lines]
    invoice["lines"]["total_count"] = len(lines)
    if subscription is not None:
        invoice["parent"] = templates.subscription_parent(subscription, proration_date)
        invoice["collection_method"] = subscription["collection_method"]
        invoice["default_tax_rates"] = subscription["default_tax_rates"]
        invoice["period_start"] = min(
            (i["current_period_start"] for i in subscription["items"]["data"]), default=now
        )
    totals.total_up(invoice, customer)
    return invoice


def _line_doc(line: Line, invoice: Doc, ids: Ids) -> Doc:
    doc = templates.line(ids.new("il", 20), invoice["id"], invoice["currency"])
    doc.update(
        amount=line.amount,
        subtotal=line.amount,
        description=line.description,
        discount_amounts=line.discount_amounts,
        discountable=line.discountable,
        discounts=line.own_discounts,
        metadata=line.metadata,
        parent=_line_parent(line),
        period={"end": line.end, "start": line.start},
        quantity=line.quantity,
        quantity_decimal=None if line.quantity is None else str(line.quantity),
        subscription=line.subscription,
        taxes=line.taxes,
    )
    doc["pricing"] = _pricing_of(line)
    return doc


def _pricing_of(line: Line) -> dict[str, Any] | None:
    if line.price is None:
        return None
    return pricing(line.price, None if line.proration else line.price["unit_amount_decimal"])


def pricing(price: Doc, unit_amount_decimal: str | None) -> dict[str, Any]:
    """How a line or an invoice item names its price; prorations carry no unit amount (recorded)."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": unit_amount_decimal,
    }


def _line_parent(line: Line) -> dict[str, Any]:
    details: dict[str, Any] = {
        "invoice_item": line.invoice_item["id"] if line.invoice_item else None,
        "proration": line.proration,
        "proration_details": {"credited_items": credited_items(line)},
        "subscription": line.subscription,
    }
    if line.item is None:
        return {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
    details["subscription_item"] = line.item
    return {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }


def credited_items(line: Line) -> dict[str, Any] | None:
    """The line that a credit gives back, if it has been invoiced; null for debits."""
    if line.invoice_item is not None and line.credited is None:
        shown = line.invoice_item.get("proration_details", {}).get("credited_items") or {}
        found: dict[str, Any] | None = shown.get("invoice_line_item_details")
        return found
    if line.credited is None or line.credited.invoice is None:
        return None
    return {"invoice": line.credited.invoice, "invoice_line_items": [line.credited.line]}


def file_items(world: World, plan: Plan) -> None:
    """Make the invoice items of a change; they wait until an invoice takes them."""
    customer = world.store["customer"].docs[plan.subscription["customer"]]
    now = world.now_for(customer["id"])
    own = [*(t.own or [] for t in plan.targets), *(line.own for line in plan.extra)]
    discounts.keep(world, [*plan.discounts, *(d for docs in own for d in docs)])
    for line in plan.filed:
        item = templates.invoice_item(world.ids.new("ii", 20), now, customer, plan.subscription["currency"])
        details = {"subscription": line.subscription, "subscription_item": line.item}
        item.update(
            amount=line.amount,
            net_amount=None if line.discountable else line.net,
            description=line.description,
            discountable=line.discountable,
            discounts=[d["id"] for d in line.own],
            metadata=line.metadata,
            parent={"subscription_details": details, "type": "subscription_details"},
            period={"end": line.end, "start": line.start},
            pricing=_pricing_of(line),
            proration=line.proration,
            quantity=line.quantity,
            quantity_decimal=str(line.quantity),
            tax_rates=[world.store["tax_rate"].docs[r] for r in line.tax_rates],
        )
        if line.proration:
            item["proration_details"] = _proration_details(line)
        line.invoice_item = add_item(world, item)


def _proration_details(line: Line) -> dict[str, Any]:
    shown = [{"amount": off.amount if line.itemized else 0, "discount": off.discount} for off in line.offs]
    return {"credited_items": _credited_by_item(line), "discount_amounts": shown}


def _credited_by_item(line: Line) -> dict[str, Any] | None:
    """How an invoice item names what it gives back: lines of an invoice, or an item that still waits."""
    span = line.credited
    if span is None or (span.invoice is None and span.invoice_item is None):
        return None
    if span.invoice is None:
        return {"invoice_item": span.invoice_item, "type": "invoice_item"}
    return {"invoice_line_item_details": credited_items(line), "type": "invoice_line_items"}


def issue(
    world: World, invoice: Doc, lines: list[Line], subscription: Doc | None, origin: Origin | None = None
) -> Doc:
    """Store a composed draft: items are taken, discounts spent, debits learn which line billed them."""
    facts = InvoiceFacts(
        subscription=subscription["id"] if subscription else None, origin=origin or world.origin()
    )
    world.facts.invoices[invoice["id"]] = facts
    world.store.add("invoice", invoice)
    for line, doc in zip(lines, invoice["lines"]["data"], strict=True):
        if line.invoice_item is not None:
            _take(world, line.invoice_item, invoice["id"])
            _link_debit(world, facts.subscription, line.invoice_item["id"], invoice["id"], doc["id"])
    used = [*invoice["discounts"], *(off.discount for line in lines for off in line.offs if off.own)]
    discounts.spend(world, [world.store["discount"].docs[d] for d in dict.fromkeys(used)])
    world.events.emit("invoice.created", invoice)
    world.effect("invoice_created", invoice, invoice["total"], facts.origin, facts.subscription)
    return invoice


def _take(world: World, item: Doc, invoice_id: str) -> None:
    item["invoice"] = invoice_id
    del world.waiting[item["customer"]][item["id"]]
    world.store["invoiceitem"].refile(item, "invoice", None)


def _link_debit(
    world: World, subscription_id: str | None, item_id: str, invoice_id: str, line_id: str
) -> None:
    if subscription_id is None:
        return
    for debit in (d for spans in world.facts.subscriptions[subscription_id].debits.values() for d in spans):
        if debit.invoice_item == item_id:
            debit.invoice, debit.line = invoice_id, line_id


def debit_of(line: Line, invoice: Doc | None, line_doc: Doc | None) -> Debit:
    """The debit that a charged line leaves in the item's book."""
    item = line.invoice_item["id"] if line.invoice_item else None
    price = line.price["id"] if line.price else ""
    return Debit(
        line.net, line.start, line.end, line.end, price, line.quantity or 0, line.tax_rates,
        invoice["id"] if invoice else None, line_doc["id"] if line_doc else None, item,
        [(off.discount, off.amount, off.own) for off in line.offs],
    )  # fmt: skip
