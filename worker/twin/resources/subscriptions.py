"""Subscriptions and subscription items."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import change, creation, lifecycle, pausing
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import Call, World

ITEM_ONLY = (
    "price",
    "quantity",
    "metadata",
    "tax_rates",
    "discounts",
    "price_data",
    "billing_thresholds",
    "current_trial",
)


def create(world: World, call: Call) -> Doc:
    """`POST /v1/subscriptions`."""
    if not call.params.get("customer"):
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    if not call.params.get("items"):
        raise invalid("Missing required param: items.", "items", "parameter_missing")
    return creation.create(world, call.params)


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/subscriptions/{id}`; a canceled one stays retrievable."""
    return world.store.get("subscription", call.id)


def update(world: World, call: Call) -> Doc:
    """`POST /v1/subscriptions/{id}`."""
    subscription = world.store.get("subscription", call.id)
    change.update(world, subscription, call.params)
    return subscription


def cancel(world: World, call: Call) -> Doc:
    """`DELETE /v1/subscriptions/{id}`."""
    subscription = world.store.get("subscription", call.id)
    if subscription["status"] in lifecycle.ENDED:
        raise invalid(f"No such subscription: '{call.id}'", "id", "resource_missing")
    lifecycle.cancel(world, subscription, call.params)
    return subscription


def find(world: World, call: Call) -> Doc:
    """`GET /v1/subscriptions`; without `status` canceled ones are left out."""
    wanted = call.params
    narrow = {"customer": wanted["customer"]} if "customer" in wanted else {}
    found = world.store["subscription"].newest_first(narrow, wanted.get("starting_after"))
    return pages.page((s for s in found if _matches(s, wanted)), wanted, "/v1/subscriptions")


def _matches(subscription: Doc, wanted: dict[str, Any]) -> bool:
    items = subscription["items"]["data"]
    return (
        _has_status(subscription["status"], wanted.get("status"))
        and ("price" not in wanted or any(i["price"]["id"] == wanted["price"] for i in items))
        and wanted.get("collection_method") in (None, subscription["collection_method"])
        and _in_clock(subscription["test_clock"], wanted)
        and pages.in_range(subscription["created"], wanted.get("created"))
        and _any_item(items, "current_period_start", wanted)
        and _any_item(items, "current_period_end", wanted)
    )


def _has_status(status: str, wanted: str | None) -> bool:
    if wanted is None:
        return status != "canceled"
    if wanted == "ended":
        return status in lifecycle.ENDED
    return wanted in ("all", status)


def _in_clock(clock: str | None, wanted: dict[str, Any]) -> bool:
    """Subscriptions on a test clock are listed only by their clock or by their customer."""
    if "test_clock" in wanted:
        return bool(clock == wanted["test_clock"])
    return clock is None or "customer" in wanted


def _any_item(items: list[Doc], name: str, wanted: dict[str, Any]) -> bool:
    return name not in wanted or any(pages.in_range(i[name], wanted[name]) for i in items)


def migrate(world: World, call: Call) -> Doc:
    """`POST /v1/subscriptions/{id}/migrate`: classic to flexible, never back."""
    subscription = world.store.get("subscription", call.id)
    if subscription["status"] in lifecycle.ENDED:
        raise invalid("A subscription that has ended cannot be migrated.", "subscription")
    mode = call.params["billing_mode"]
    if mode["type"] != "flexible":
        raise invalid("A subscription can only be migrated to `flexible`.", "billing_mode[type]")
    old = subscription["billing_mode"]["flexible"] or {"proration_discounts": "included"}
    settings = {**old, **(mode.get("flexible") or {})}
    if old["proration_discounts"] == "itemized" and settings != old:
        text = "A subscription cannot be migrated from `itemized` to `included`."
        raise invalid(text, "billing_mode[flexible][proration_discounts]")
    before = snapshot(subscription)
    now = world.now_for(subscription["customer"])
    subscription["billing_mode"] = {"flexible": settings, "type": "flexible", "updated_at": now}
    world.events.updated("customer.subscription.updated", subscription, before)
    return subscription


def pause(world: World, call: Call) -> Doc:
    """`POST /v1/subscriptions/{id}/pause`."""
    subscription = world.store.get("subscription", call.id)
    pausing.pause(world, subscription, call.params)
    return subscription


def resume(world: World, call: Call) -> Doc:
    """`POST /v1/subscriptions/{id}/resume`."""
    subscription = world.store.get("subscription", call.id)
    pausing.resume(world, subscription, call.params)
    return subscription


def delete_discount(world: World, call: Call) -> Doc:
    """`DELETE /v1/subscriptions/{id}/discount`."""
    subscription = world.store.get("subscription", call.id)
    if not subscription["discounts"]:
        raise invalid("The subscription has no discount.")
    removed = subscription["discounts"][0]
    change.update(world, subscription, {"discounts": ""})
    return {"id": removed, "object": "discount", "deleted": True}


def list_items(world: World, call: Call) -> Doc:
    """`GET /v1/subscription_items`."""
    subscription = world.store.get("subscription", call.params["subscription"], "subscription")
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    return pages.page(subscription["items"]["data"], call.params, url)


def retrieve_item(world: World, call: Call) -> Doc:
    """`GET /v1/subscription_items/{id}`."""
    return world.store.get("subscription_item", call.id)


def _edit(world: World, subscription_id: str, entry: dict[str, Any], params: dict[str, Any]) -> Doc:
    subscription = world.store.get("subscription", subscription_id, "subscription")
    rest = {k: v for k, v in params.items() if k not in (*ITEM_ONLY, "subscription", "clear_usage")}
    change.update(world, subscription, {**rest, "items": [entry]})
    return subscription


def create_item(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_items`."""
    entry = {k: v for k, v in call.params.items() if k in ITEM_ONLY}
    subscription = _edit(world, call.params["subscription"], entry, call.params)
    item: Doc = subscription["items"]["data"][-1]
    return item


def update_item(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_items/{id}`."""
    item = world.store.get("subscription_item", call.id)
    entry = {"id": call.id, **{k: v for k, v in call.params.items() if k in ITEM_ONLY}}
    _edit(world, item["subscription"], entry, call.params)
    return item


def delete_item(world: World, call: Call) -> Doc:
    """`DELETE /v1/subscription_items/{id}`."""
    item = world.store.get("subscription_item", call.id)
    _edit(world, item["subscription"], {"id": call.id, "deleted": True}, call.params)
    return {"id": call.id, "object": "subscription_item", "deleted": True}


HANDLERS = {
    "subscription_create": create,
    "subscription_retrieve": retrieve,
    "subscription_update": update,
    "subscription_cancel": cancel,
    "subscription_list": find,
    "subscription_pause": pause,
    "subscription_resume": resume,
    "subscription_migrate": migrate,
    "subscription_delete_discount": delete_discount,
    "subscription_item_create": create_item,
    "subscription_item_list": list_items,
    "subscription_item_retrieve": retrieve_item,
    "subscription_item_update": update_item,
    "subscription_item_delete": delete_item,
}
