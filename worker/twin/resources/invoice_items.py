"""Invoice items: amounts that wait for an invoice, or stand on a draft."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import accounts, discounts, invoicing
from worker.twin.billing.fields import merge_metadata, tax_rates
from worker.twin.errors import ApiError, invalid
from worker.twin.store import Doc
from worker.twin.templates import invoice as templates
from worker.twin.world import Call, World


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
    item["discountable"] = given.get("discountable", item["amount"] >= 0)
    own = discounts.sketch(world, given.get("discounts"), customer["id"], item["currency"])
    item["discounts"] = [d["id"] for d in own or []]
    item["tax_rates"] = tax_rates(world, given.get("tax_rates"))
    merge_metadata(item, given.get("metadata"))
    if given.get("subscription"):
        world.store.get("subscription", given["subscription"], "subscription", 400)
        details = {"subscription": given["subscription"], "subscription_item": None}
        item["parent"] = {"subscription_details": details, "type": "subscription_details"}
    if given.get("invoice"):
        raise invalid("The twin bills invoice items with the next invoice only.", "invoice")
    _check_currency(customer, item["currency"])
    accounts.set_currency(world, customer, item["currency"])
    discounts.put_on(world, item, own)
    return invoicing.add_item(world, item)


def _check_currency(customer: Doc, currency: str) -> None:
    if customer["currency"] not in (None, currency):
        text = (
            "You cannot combine currencies on a single customer. This customer has had a subscription, "
            f"coupon, or invoice item with currency {customer['currency']}."
        )
        raise invalid(text, "currency")


def update_item(world: World, call: Call) -> Doc:
    """`POST /v1/invoiceitems/{id}`: only while it waits; a proration keeps its amount.

    No event tells of it: there is no `invoiceitem.updated` any more (SDK, `enabled_events`).
    """
    item, given = world.store.get("invoiceitem", call.id), call.params
    if item["invoice"] is not None:
        raise invalid("The invoice item is attached to an invoice and cannot be changed.", "invoiceitem")
    if item["proration"] and {"amount", "pricing", "quantity"} & set(given):
        raise invalid("The amount of a proration cannot be changed.", "amount")
    if given.get("amount") is not None or given.get("pricing") or given.get("quantity") is not None:
        _reprice(world, item, given)
    for name in ("description", "discountable"):
        if name in given:
            item[name] = given[name]
    if "tax_rates" in given:
        item["tax_rates"] = tax_rates(world, given["tax_rates"])
    merge_metadata(item, given.get("metadata"))
    return item


def _reprice(world: World, item: Doc, given: dict[str, Any]) -> None:
    """A quantity alone keeps the price; an amount replaces both."""
    if given.get("amount") is None and not given.get("pricing"):
        if item["pricing"] is None:
            raise invalid("Only an item with a price has a quantity.", "quantity")
        given = {**given, "pricing": {"price": item["pricing"]["price_details"]["price"]}}
    elif given.get("amount") is not None:
        item["pricing"] = None
    _price_item(world, item, {"quantity": item["quantity"], **given})


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
        for i in world.store["invoiceitem"].newest_first(narrow, wanted.get("starting_after"))
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
    "invoice_item_create": create_item,
    "invoice_item_list": list_items,
    "invoice_item_retrieve": retrieve_item,
    "invoice_item_update": update_item,
    "invoice_item_delete": delete_item,
}
