"""The parts of a preview's request: whom it is for, added invoice items, the schedule that it is about."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import invoicing, lifecycle, money, schedules
from worker.twin.billing.fields import merge_metadata
from worker.twin.billing.lines import product_name
from worker.twin.billing.rehearsal import Rehearsal
from worker.twin.errors import ApiError, invalid
from worker.twin.store import Doc
from worker.twin.templates import customer as customers
from worker.twin.templates import invoice as templates
from worker.twin.world import Call, World

OF_SUBSCRIPTION = ("subscription", "subscription_details")
OF_SCHEDULE = ("schedule", "schedule_details")


def check(params: dict[str, Any]) -> None:
    """Refuse what excludes one another, and the tax that the twin does not compute."""
    if any(params.get(n) for n in OF_SCHEDULE) and any(params.get(n) for n in OF_SUBSCRIPTION):
        text = "You may only specify one of these parameters: schedule, subscription."
        raise invalid(text, "schedule", "parameters_exclusive")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise invalid(
            "Stripe Tax has not been activated on your account.", "automatic_tax", "stripe_tax_inactive"
        )


def check_currency(params: dict[str, Any], currency: str) -> None:
    """A preview is in the currency of its prices."""
    if params.get("currency") not in (None, currency):
        raise invalid(f"The prices of this preview are in `{currency}`.", "currency")


def next_of_customer(world: World, params: dict[str, Any]) -> str:
    """The customer's subscription that renews first; 404 `invoice_upcoming_none` if there is none."""
    if params.get("customer") is None:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.store.get("customer", params["customer"], "customer")
    running = [
        (min(i["current_period_end"] for i in s["items"]["data"]), s["id"])
        for s in world.store["subscription"].by("customer", customer["id"])
        if s["status"] not in (*lifecycle.ENDED, "incomplete", "paused")
    ]
    if not running:
        text = f"No upcoming invoices for customer: {customer['id']}"
        raise ApiError(404, text, code="invoice_upcoming_none")
    return str(min(running)[1])


def customer_of(world: World, params: dict[str, Any]) -> Doc:
    """The customer, or one made up from `customer_details`."""
    if params.get("customer") is not None:
        return world.store.get("customer", params["customer"], "customer")
    if not params.get("customer_details"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    return customers.customer(world.preview_ids.new("cus"), world.clock.now(), "PREVIEW")


def dress(stage: Rehearsal, params: dict[str, Any], currency: str | None) -> None:
    """Put what the request adds onto the stage: another address, no discount, more invoice items."""
    customer = next(iter(stage.world.store["customer"].docs.values()))
    for name in ("address", "shipping", "tax_exempt"):
        if name in (params.get("customer_details") or {}):
            customer[name] = params["customer_details"][name] or None
    if params.get("discounts") == "":
        customer["discount"] = None
    if currency is not None:
        check_currency(params, currency)
    for number, entry in enumerate(params.get("invoice_items") or []):
        where = f"invoice_items[{number}]"
        if entry.get("invoiceitem"):
            _change_item(stage.world, entry, customer, where)
        else:
            _add_item(stage.world, entry, customer, currency or params.get("currency"), where)


def _change_item(world: World, entry: dict[str, Any], customer: Doc, where: str) -> None:
    if entry["invoiceitem"] not in world.waiting.get(customer["id"], {}):
        raise invalid(f"No such pending invoice item: '{entry['invoiceitem']}'", f"{where}[invoiceitem]")
    item = world.store["invoiceitem"].docs[entry["invoiceitem"]]
    for name in ("description", "discountable", "period"):
        if name in entry:
            item[name] = entry[name]
    merge_metadata(item, entry.get("metadata"))
    if "quantity" in entry:
        item["quantity"], item["quantity_decimal"] = entry["quantity"], str(entry["quantity"])
    if any(name in entry for name in ("amount", "unit_amount", "unit_amount_decimal")):
        item["amount"] = item["net_amount"] = _amount(entry, where)


def _add_item(world: World, entry: dict[str, Any], customer: Doc, currency: str | None, where: str) -> None:
    price = None
    if entry.get("price"):
        price = world.store.get("price", entry["price"], f"{where}[price]", 400)
        if price["recurring"] is not None:
            text = f"The price specified is set to `type=recurring`: {price['id']}"
            raise invalid(text, f"{where}[price]")
    own = price["currency"] if price else entry.get("currency")
    if currency is not None and own not in (None, currency):
        raise invalid(f"The preview is in `{currency}`.", f"{where}[currency]")
    now = world.now_for(customer["id"])
    item = templates.invoice_item(
        world.preview_ids.new("ii", 20), now, customer, own or currency or customer["currency"] or "usd"
    )
    quantity = entry.get("quantity", 1)
    if price is not None:
        full = money.full_amount(price, world.facts.prices[price["id"]].tiers, quantity)
        item["amount"] = money.round_minor(full)
        item["pricing"] = invoicing.pricing(price, price["unit_amount_decimal"])
        item["description"] = product_name(world.store["product"].docs, price)
    else:
        item["amount"] = _amount(entry, where)
    item.update(net_amount=item["amount"], quantity=quantity, quantity_decimal=str(quantity))
    item["discountable"] = entry.get("discountable", item["amount"] >= 0)
    item["description"] = entry.get("description", item["description"])
    item["period"] = entry.get("period", item["period"])
    item["tax_rates"] = [
        world.store.get("tax_rate", r, f"{where}[tax_rates]", 400) for r in entry.get("tax_rates") or []
    ]
    merge_metadata(item, entry.get("metadata"))
    invoicing.add_item(world, item)


def _amount(entry: dict[str, Any], where: str) -> int:
    if "amount" in entry:
        return int(entry["amount"])
    if "unit_amount" in entry or "unit_amount_decimal" in entry:
        return money.round_minor(money.unit_amount(entry) * entry.get("quantity", 1))
    raise invalid(f"Missing required param: {where}[amount].", f"{where}[amount]", "parameter_missing")


def stage_of_schedule(world: World, params: dict[str, Any]) -> Rehearsal:
    """The stage for a schedule that exists, or for one that a customer would begin."""
    if not params.get("schedule"):
        stage = Rehearsal(world, customer_of(world, params))
        dress(stage, params, None)
        return stage
    schedule = world.store.get("subscription_schedule", params["schedule"], "schedule")
    if params.get("customer") not in (None, schedule["customer"]):
        raise invalid("The schedule belongs to another customer.", "customer")
    gone = schedule["customer"] in world.deleted_customers
    if schedule["status"] not in ("active", "not_started") or gone:
        text = f"No upcoming invoices for customer: {schedule['customer']}"
        raise ApiError(404, text, code="invoice_upcoming_none")
    stage = Rehearsal(world, world.store["customer"].docs[schedule["customer"]])
    if schedule["status"] == "active":
        currency = stage.bring(schedule["subscription"])["currency"]
        dress(stage, params, currency)
    else:
        stage.bring_schedule(schedule["id"])
        dress(stage, params, None)
    return stage


def plan_schedule(stage: Rehearsal, params: dict[str, Any]) -> tuple[Doc, int]:
    """Carry out what `schedule_details` say; the schedule, and how many invoice items that left waiting."""
    details = {k: v for k, v in (params.get("schedule_details") or {}).items() if v is not None}
    world = stage.world
    customer = next(iter(world.store["customer"].docs))
    before = len(world.waiting.get(customer, {}))
    if params.get("schedule"):
        schedule = world.store["subscription_schedule"].docs[params["schedule"]]
        if schedule["status"] not in ("active", "not_started"):
            text = f"No upcoming invoices for customer: {customer}"
            raise ApiError(404, text, code="invoice_upcoming_none")
        asked = {k: v for k, v in details.items() if k != "billing_mode"}
        if asked:
            schedules.update(world, Call("subscription_schedule_update", (schedule["id"],), asked))
    else:
        phases = [dict(phase) for phase in details.get("phases") or []]
        start = phases[0].pop("start_date", "now") if phases else "now"
        asked = {**details, "phases": phases, "customer": customer, "start_date": start}
        asked.pop("proration_behavior", None)
        schedule = schedules.create(world, Call("subscription_schedule_create", (), asked))
    return schedule, max(0, len(world.waiting.get(customer, {})) - before)
