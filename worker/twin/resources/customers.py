"""Customers and their balance."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import accounts, cards, lifecycle
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid, missing
from worker.twin.events import snapshot
from worker.twin.resources.payment_methods import set_default, usable
from worker.twin.store import Doc
from worker.twin.templates import customer as templates
from worker.twin.world import Call, World

PLAIN = (
    "address", "description", "email", "invoice_prefix", "name", "next_invoice_sequence", "phone",
    "preferred_locales", "shipping", "tax_exempt",
)  # fmt: skip
UNLESS_EMPTY = ("business_name", "individual_name")  # left out of the object while they are not set


def create(world: World, call: Call) -> Doc:
    """`POST /v1/customers`; with `test_clock` the customer lives in that clock's time."""
    clock_id = call.params.get("test_clock")
    if clock_id:
        world.store.get("test_clock", clock_id, "test_clock")
    customer = templates.customer(
        world.ids.new("cus"), world.clock.now(clock_id or ""), world.ids.letters(8).upper()
    )
    customer["test_clock"] = clock_id
    world.store.add("customer", customer)
    try:
        _write(world, customer, call.params)
    except Exception:
        world.store["customer"].remove(customer["id"])
        raise
    world.events.emit("customer.created", customer)
    _set_balance(world, customer, call.params.get("balance"))
    return customer


def _write(world: World, customer: Doc, params: dict[str, Any]) -> None:
    """Everything but the balance; what can be refused comes first."""
    merge_metadata(dict(customer), params.get("metadata"))
    default = (params.get("invoice_settings") or {}).get("default_payment_method") or ""
    known = world.store["payment_method"].docs
    if default and not cards.is_token(default) and default not in known:
        raise missing("PaymentMethod", default, "invoice_settings[default_payment_method]")
    if "payment_method" in params:
        _use(world, customer, params["payment_method"])
    if "source" in params:
        customer["default_source"] = _attached(world, customer, params["source"], "source")["id"]
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        set_default(world, customer, settings["default_payment_method"])
    for name in ("custom_fields", "footer", "rendering_options"):
        if name in settings:
            customer["invoice_settings"][name] = settings[name] or None
    merge_metadata(customer, params.get("metadata"))
    _write_plain(world, customer, params)


def _write_plain(world: World, customer: Doc, params: dict[str, Any]) -> None:
    email = customer["email"]
    for name in PLAIN:
        if name in params:
            customer[name] = params[name] if params[name] != "" else None
    for name in UNLESS_EMPTY:
        if params.get(name):
            customer[name] = params[name]
        elif name in params:
            customer.pop(name, None)
    if customer["email"] != email:
        world.store["customer"].refile(customer, "email", email)


def _set_balance(world: World, customer: Doc, wanted: int | None) -> None:
    """The difference is a transaction, with its own `customer.updated`."""
    if wanted is not None and wanted != customer["balance"]:
        accounts.move_balance(world, customer, wanted - customer["balance"], "adjustment", None)


def _use(world: World, customer: Doc, given: str) -> None:
    _attached(world, customer, given, "payment_method")


def _attached(world: World, customer: Doc, given: str, param: str) -> Doc:
    card = usable(world, given, world.now_for(customer["id"]), param)
    if card["customer"] not in (None, customer["id"]):
        raise invalid("The payment method belongs to another customer.", param)
    if card["customer"] is None:
        cards.attach(world, card, customer)
    return card


def update(world: World, call: Call) -> Doc:
    """`POST /v1/customers/{id}`."""
    customer = world.store.get("customer", call.id)
    before = snapshot(customer)
    _write(world, customer, call.params)
    world.events.updated("customer.updated", customer, before)
    _set_balance(world, customer, call.params.get("balance"))
    return customer


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/customers/{id}`; a deleted one answers with `deleted`."""
    if call.id in world.deleted_customers:
        return {"id": call.id, "object": "customer", "deleted": True}
    return world.store.get("customer", call.id)


def delete(world: World, call: Call) -> Doc:
    """`DELETE /v1/customers/{id}`: its subscriptions are cancelled at once."""
    if call.id in world.deleted_customers:
        raise missing("customer", call.id)
    forget(world, world.store.get("customer", call.id))
    return {"id": call.id, "object": "customer", "deleted": True}


def forget(world: World, customer: Doc) -> None:
    """Delete a customer: what it had stays readable, its subscriptions end now."""
    for subscription in world.store["subscription"].by("customer", customer["id"]):
        if subscription["status"] not in lifecycle.ENDED:
            lifecycle.cancel(world, subscription, {})
    world.events.emit("customer.deleted", customer)
    world.deleted_customers.add(customer["id"])


def find(world: World, call: Call) -> Doc:
    """`GET /v1/customers`."""
    wanted = call.params
    narrow = {"email": wanted["email"]} if "email" in wanted else {}
    rows = (
        c
        for c in world.store["customer"].newest_first(narrow, wanted.get("starting_after"))
        if c["id"] not in world.deleted_customers
        and wanted.get("email") in (None, c["email"])
        and wanted.get("test_clock") == c["test_clock"]
        and pages.in_range(c["created"], wanted.get("created"))
    )
    return pages.page(rows, wanted, "/v1/customers")


def delete_discount(world: World, call: Call) -> Doc:
    """`DELETE /v1/customers/{id}/discount`."""
    customer = world.store.get("customer", call.id)
    discount = customer["discount"]
    if discount is None:
        raise invalid("The customer has no discount.")
    customer["discount"] = None
    world.events.emit("customer.discount.deleted", discount)
    return {"id": discount["id"], "object": "discount", "deleted": True}


def list_transactions(world: World, call: Call) -> Doc:
    """`GET /v1/customers/{id}/balance_transactions`, newest first."""
    world.store.get("customer", call.id)
    rows = world.store["customer_balance_transaction"].newest_first({"customer": call.id})
    return pages.page(rows, call.params, f"/v1/customers/{call.id}/balance_transactions")


def create_transaction(world: World, call: Call) -> Doc:
    """`POST /v1/customers/{id}/balance_transactions`: an adjustment by hand."""
    customer = world.store.get("customer", call.id)
    amount, currency = call.params["amount"], call.params["currency"]
    if customer["currency"] not in (None, currency):
        text = f"The customer's currency is {customer['currency']}; one customer has one currency."
        raise invalid(text, "currency")
    if amount == 0:
        raise invalid("The amount of a balance transaction cannot be zero.", "amount")
    fields: dict[str, Any] = {"description": call.params.get("description"), "metadata": {}}
    merge_metadata(fields, call.params.get("metadata"))
    return accounts.move_balance(world, customer, amount, "adjustment", None, currency, **fields)


def update_transaction(world: World, call: Call) -> Doc:
    """`POST /v1/customers/{id}/balance_transactions/{txn}`: description and metadata."""
    made = retrieve_transaction(world, call)
    if "description" in call.params:
        made["description"] = call.params["description"] or None
    merge_metadata(made, call.params.get("metadata"))
    return made


def retrieve_transaction(world: World, call: Call) -> Doc:
    """`GET /v1/customers/{id}/balance_transactions/{txn}`."""
    made = world.store.get("customer_balance_transaction", call.ids[1])
    if made["customer"] != call.id:
        raise missing("customer_balance_transaction", call.ids[1])
    return made


HANDLERS = {
    "customer_create": create,
    "customer_update": update,
    "customer_retrieve": retrieve,
    "customer_delete": delete,
    "customer_list": find,
    "customer_delete_discount": delete_discount,
    "customer_balance_transaction_list": list_transactions,
    "customer_balance_transaction_create": create_transaction,
    "customer_balance_transaction_update": update_transaction,
    "customer_balance_transaction_retrieve": retrieve_transaction,
}
