"""Coupons as far as the twin prices them: percentages everywhere, fixed amounts on whole-period lines only.

Prorations are net of percentage discounts (`proration_discounts: included`, Stripe's default).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.twin.billing import money
from worker.twin.billing.calendar import advance
from worker.twin.billing.lines import Line
from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.templates import catalogue
from worker.twin.world import World


def active(world: World, subscription: Doc | None, customer_id: str) -> list[Doc]:
    """Discounts in force now: the subscription's, else the customer's."""
    now = world.now_for(customer_id)
    ids = subscription["discounts"] if subscription else []
    found = [world.store["discount"].docs[i] for i in ids]
    own = world.store["customer"].docs[customer_id]["discount"]
    if not found and own:
        found = [own]
    return [d for d in found if d["end"] is None or d["end"] > now]


def coupon_of(world: World, discount: Doc) -> Doc:
    """The coupon behind a discount."""
    return world.store["coupon"].docs[discount["source"]["coupon"]]


def keep_share(world: World, subscription: Doc, given: Any) -> Fraction:
    """The share of a price that percentages leave; `given` are the request's own `discounts`."""
    if given == "":
        return Fraction(1)
    if given:
        coupons = [world.store.get("coupon", g["coupon"], "discounts", 400) for g in given if "coupon" in g]
        kept = [world.store["discount"].docs[g["discount"]] for g in given if "discount" in g]
        coupons += [coupon_of(world, d) for d in kept]
    else:
        coupons = [coupon_of(world, d) for d in active(world, subscription, subscription["customer"])]
    share = Fraction(1)
    for coupon in coupons:
        share *= 1 - Fraction(str(coupon["percent_off"] or 0)) / 100
    return share


def sketch(world: World, given: Any, customer_id: str) -> list[Doc] | None:
    """Discounts as a request would make them, not stored; None if it says nothing about them."""
    if given is None:
        return None
    now = world.now_for(customer_id)
    made = []
    for entry in given or []:
        if "discount" in entry:
            made.append(world.store.get("discount", entry["discount"], "discounts", 400))
        elif "promotion_code" in entry:
            raise invalid("Promotion codes are not modelled.", "discounts")
        else:
            coupon = world.store.get("coupon", entry.get("coupon") or "", "discounts", 400)
            made.append(
                catalogue.discount(world.preview_ids.new("di", 20), now, None, coupon["id"], customer_id)
            )
    return made


def apply(world: World, lines: list[Line], discounts: list[Doc]) -> None:
    """Write `discount_amounts` into the discountable lines."""
    for discount in discounts:
        coupon = coupon_of(world, discount)
        open_lines = [line for line in lines if line.discountable]
        total = sum(line.net for line in open_lines)
        left = min(coupon["amount_off"] or 0, total)
        for line in open_lines:
            if coupon["percent_off"]:
                off = money.round_minor(Fraction(str(coupon["percent_off"])) / 100 * line.net)
            else:
                off = money.round_minor(Fraction(left * line.net, total)) if total else 0
            line.discount_amounts.append({"amount": off, "discount": discount["id"]})


def check_valid(world: World, discount: Doc) -> None:
    """400 `coupon_expired` for a coupon that was deleted."""
    if discount["id"] not in world.store["discount"].docs and not coupon_of(world, discount)["valid"]:
        raise invalid(f"Coupon expired: {discount['source']['coupon']}", "discounts", "coupon_expired")


def attach(world: World, given: Any, subscription: Doc | None, customer_id: str) -> list[str]:
    """Make a request's `discounts`: a populated list replaces, an existing discount's id is kept."""
    ids = []
    for entry in given or []:
        if "discount" in entry:
            ids.append(world.store.get("discount", entry["discount"], "discounts", 400)["id"])
        else:
            ids.append(_redeem(world, entry["coupon"], subscription, customer_id)["id"])
    return ids


def _redeem(world: World, coupon_id: str, subscription: Doc | None, customer_id: str) -> Doc:
    coupon = world.store.get("coupon", coupon_id, "discounts[0][coupon]", 400)
    now = world.now_for(customer_id)
    months = coupon["duration_in_months"] if coupon["duration"] == "repeating" else None
    end = advance(now, "month", months, now) if months else None
    doc = catalogue.discount(world.ids.new("di", 20), now, end, coupon_id, customer_id)
    doc["subscription"] = subscription["id"] if subscription else None
    coupon["times_redeemed"] += 1
    world.store.add("discount", doc)
    world.events.emit("customer.discount.created", doc)
    return doc


def spend(world: World, subscription: Doc | None, used: list[Doc]) -> None:
    """Drop discounts that last for one invoice only, after that invoice."""
    for discount in used:
        if coupon_of(world, discount)["duration"] != "once" or discount["end"] is not None:
            continue
        discount["end"] = world.now_for(discount["customer"])
        if subscription and discount["id"] in subscription["discounts"]:
            subscription["discounts"].remove(discount["id"])
            world.events.emit("customer.discount.deleted", discount)
