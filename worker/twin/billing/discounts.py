"""Discounts: coupons as they hang on customers, subscriptions, items and invoices.

A subscription's discounts replace its customer's; an item's come on top (Stripe docs "Coupons and promotion
codes"). A discount for one invoice is spent by the first invoice that is made while it is in force, whether
that is paid or voided later (the docs do not say that a void gives it back).
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import redemption
from worker.twin.billing.calendar import advance
from worker.twin.billing.spread import coupon_of
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import catalogue
from worker.twin.world import World

MAX_DISCOUNTS = 20


def running(world: World, ids: list[str]) -> list[Doc]:
    """Those of the discounts that have not ended."""
    found = [world.store["discount"].docs[i] for i in ids]
    return [d for d in found if d["end"] is None or d["end"] > world.now_for(d["customer"])]


def active(world: World, subscription: Doc | None, customer_id: str) -> list[Doc]:
    """Discounts in force now: the subscription's, else the customer's."""
    found = running(world, subscription["discounts"]) if subscription else []
    own = world.store["customer"].docs[customer_id]["discount"]
    return found or (running(world, [own["id"]]) if own else [])


def sketch(world: World, given: Any, customer_id: str, currency: str | None = None) -> list[Doc] | None:
    """Discounts as a request would make them, not stored; None if it says nothing about them."""
    if given is None:
        return None
    if len(given) > MAX_DISCOUNTS:
        raise invalid(f"You can pass up to {MAX_DISCOUNTS} discounts.", "discounts")
    return [_sketched(world, entry, customer_id, currency) for entry in given or []]


def _sketched(world: World, entry: dict[str, Any], customer_id: str, currency: str | None) -> Doc:
    if len(entry) != 1:
        raise invalid("Pass exactly one of `coupon`, `discount` and `promotion_code`.", "discounts")
    if "discount" in entry:
        return world.store.get("discount", entry["discount"], "discounts", 400)
    now, code = world.now_for(customer_id), None
    if "promotion_code" in entry:
        code = world.store.get("promotion_code", entry["promotion_code"], "discounts", 400)
        redemption.check_code(world, code, customer_id, now)
        coupon = redemption.coupon(world, code["promotion"]["coupon"], "discounts")
    else:
        coupon = redemption.coupon(world, entry["coupon"], "discounts")
    redemption.check_coupon(world, coupon, currency, now)
    months = coupon["duration_in_months"] if coupon["duration"] == "repeating" else None
    end = advance(now, "month", months, now) if months else None
    made = catalogue.discount(world.preview_ids.new("di", 20), now, end, coupon["id"], customer_id)
    made["promotion_code"] = code["id"] if code else None
    return made


def keep(world: World, docs: list[Doc]) -> None:
    """Store discounts that an invoice or an item is about to name."""
    for doc in docs:
        if doc["id"] not in world.store["discount"].docs:
            world.store.add("discount", doc)


def attach(world: World, holder: Doc, docs: list[Doc] | None) -> None:
    """Hang `docs` on a subscription or an item in place of what hung there; None leaves it alone.

    A discount that hangs on the holder or above it already is reused; any other is redeemed now.
    """
    if docs is None:
        return
    old, inherited = holder["discounts"], _above(world, holder)
    keep(world, docs)
    for doc in docs:
        if doc["id"] not in old and doc["id"] not in inherited:
            doc["subscription_item" if holder["object"] == "subscription_item" else "subscription"] = holder[
                "id"
            ]
            redeem(world, doc)
    wanted = [d["id"] for d in docs]
    holder["discounts"] = [d["id"] for d in running_of(world, docs)]
    for gone in [i for i in [*old, *wanted] if i not in holder["discounts"] and i not in inherited]:
        world.events.emit("customer.discount.deleted", world.store["discount"].docs[gone])


def put_on(world: World, doc: Doc, docs: list[Doc] | None) -> None:
    """Redeem discounts for one invoice or one invoice item."""
    for discount in docs or []:
        discount["invoice_item" if doc["object"] == "invoiceitem" else "invoice"] = doc["id"]
        redeem(world, discount)


def running_of(world: World, docs: list[Doc]) -> list[Doc]:
    """`docs` without those that an invoice has spent already."""
    return running(world, [d["id"] for d in docs])


def _above(world: World, holder: Doc) -> set[str]:
    subscription = world.store["subscription"].docs.get(holder.get("subscription") or holder["id"], holder)
    customer = world.store["customer"].docs[subscription["customer"]]
    above = {customer["discount"]["id"]} if customer["discount"] else set()
    return above | (set(subscription["discounts"]) if subscription is not holder else set())


def redeem(world: World, doc: Doc) -> None:
    """A new discount takes hold: it counts as a redemption."""
    keep(world, [doc])
    redemption.count(world, doc)
    world.events.emit("customer.discount.created", doc)
    if doc["end"] is not None and doc["end"] > world.now_for(doc["customer"]):
        world.clock.at(doc["end"], "end_discount", doc["id"], world.domain_of(doc["customer"]))


def spend(world: World, used: list[Doc]) -> None:
    """Drop discounts that last for one invoice only, after that invoice."""
    for discount in used:
        if coupon_of(world, discount)["duration"] == "once" and discount["end"] is None:
            discount["end"] = world.now_for(discount["customer"])
            drop(world, discount)


def end(world: World, discount_id: str, due: int) -> None:
    """Due work: the months of a repeating coupon are over."""
    discount = world.store["discount"].docs.get(discount_id)
    if discount is None or discount["end"] != due:
        return
    item = world.store["subscription_item"].docs.get(discount["subscription_item"] or "", {})
    name = discount["subscription"] or item.get("subscription")
    subscription = world.store["subscription"].docs.get(name or "")
    before = snapshot(subscription) if subscription is not None else {}
    drop(world, discount)
    if subscription is not None:
        world.events.updated("customer.subscription.updated", subscription, before)


def drop(world: World, discount: Doc) -> None:
    """Take a discount off whatever it hangs on."""
    item = world.store["subscription_item"].docs.get(discount["subscription_item"] or "")
    subscription = world.store["subscription"].docs.get(discount["subscription"] or "")
    customer = world.store["customer"].docs[discount["customer"]]
    held = False
    for holder in (item, subscription):
        if holder is not None and discount["id"] in holder["discounts"]:
            holder["discounts"] = [i for i in holder["discounts"] if i != discount["id"]]
            held = True
    if customer["discount"] and customer["discount"]["id"] == discount["id"]:
        customer["discount"], held = None, True
    if held:
        world.events.emit("customer.discount.deleted", discount)


def give_customer(world: World, customer: Doc, coupon_id: str) -> Doc:
    """A customer's discount, as the dashboard sets it (this API version has no parameter for it)."""
    made = _sketched(world, {"coupon": coupon_id}, customer["id"], customer["currency"])
    old = customer["discount"]
    keep(world, [made])
    redemption.count(world, made)
    customer["discount"] = made
    if old is None:
        world.events.emit("customer.discount.created", made)
    else:
        world.events.updated("customer.discount.updated", made, snapshot(old))
    if made["end"] is not None:
        world.clock.at(made["end"], "end_discount", made["id"], world.domain_of(customer["id"]))
    return made
