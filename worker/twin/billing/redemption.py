"""Whether a coupon or a promotion code may be redeemed, and what its redemption changes.

Rules: Stripe docs "Coupons and promotion codes", the SDK's parameter types, stripe-node issue 2349 (an open
invoice counts as a prior transaction). Only a few of Stripe's texts are published; the others are ours.
"""

from __future__ import annotations

from worker.twin.billing import spread
from worker.twin.errors import ApiError, invalid, missing
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World

BILLED = ("open", "paid", "uncollectible")


def coupon(world: World, coupon_id: str, where: str) -> Doc:
    """A coupon that still exists, or 400 `resource_missing`."""
    doc = world.store.get("coupon", coupon_id, where, 400)
    if world.facts.coupons[coupon_id].deleted:
        raise missing("coupon", coupon_id, where, 400)
    return doc


def is_valid(doc: Doc, now: int) -> bool:
    """Whether a coupon has redemptions left and its last day has not passed."""
    limit, last = doc["max_redemptions"], doc["redeem_by"]
    return (limit is None or doc["times_redeemed"] < limit) and (last is None or now <= last)


def check_coupon(world: World, doc: Doc, currency: str | None, now: int) -> None:
    """400 `coupon_expired`, or 400 for a fixed amount that the currency has not."""
    if not is_valid(doc, now):
        raise invalid(f"Coupon expired: {doc['id']}", "coupon", "coupon_expired")
    if doc["amount_off"] is not None and currency and not spread.amount_in(world, doc, currency):
        text = f"The coupon {doc['id']} has no amount in {currency}; its currency is {doc['currency']}."
        raise invalid(text, "coupon")


def check_code(world: World, code: Doc, customer_id: str, now: int) -> None:
    """Refuse a promotion code that this customer cannot redeem now."""
    if code["customer"] not in (None, customer_id):
        raise _refused("it belongs to another customer")
    if code["expires_at"] is not None and now > code["expires_at"]:
        raise invalid("This promotion code has expired.", "discounts", "coupon_expired")
    if not code["active"] or _used_up(code):
        raise _refused("it is not active")
    if code["restrictions"]["first_time_transaction"] and _has_bought(world, customer_id):
        raise _refused("the associated customer has prior transactions")


def _refused(reason: str) -> ApiError:
    return invalid(f"This promotion code cannot be redeemed because {reason}.", "discounts")


def _used_up(code: Doc) -> bool:
    return code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]


def _has_bought(world: World, customer_id: str) -> bool:
    invoices = world.store["invoice"].by("customer", customer_id)
    charges = world.store["charge"].by("customer", customer_id)
    return any(i["status"] in BILLED for i in invoices) or any(c["status"] == "succeeded" for c in charges)


def check_minimum(world: World, discount: Doc, amount: int, currency: str) -> None:
    """Refuse a code whose `minimum_amount` is not reached by what is bought for one period."""
    code = world.store["promotion_code"].docs.get(discount["promotion_code"] or "")
    if code is None:
        return
    rules, others = code["restrictions"], world.facts.codes.get(code["id"], {})
    least = rules["minimum_amount"]
    if least is not None and rules["minimum_amount_currency"] != currency:
        least = others.get(currency)
        if least is None:
            raise _refused(f"it has no minimum amount in {currency}")
    if least is not None and amount < least:
        raise _refused(f"the minimum amount of {least} is not reached")


def count(world: World, discount: Doc) -> None:
    """One more redemption of the coupon and of the code; either may end with it."""
    doc = world.store["coupon"].docs[discount["source"]["coupon"]]
    before = snapshot(doc)
    doc["times_redeemed"] += 1
    doc["valid"] = doc["valid"] and is_valid(doc, discount["start"])
    world.events.updated("coupon.updated", doc, before)
    code = world.store["promotion_code"].docs.get(discount["promotion_code"] or "")
    if code is not None:
        before = snapshot(code)
        code["times_redeemed"] += 1
        code["active"] = code["active"] and not _used_up(code)
        world.events.updated("promotion_code.updated", code, before)
    if not doc["valid"]:
        end_codes(world, doc["id"])


def end_codes(world: World, coupon_id: str) -> None:
    """Promotion codes of a coupon that ended are not active any more."""
    for code in world.store["promotion_code"].by("coupon", coupon_id):
        before = snapshot(code)
        code["active"] = False
        world.events.updated("promotion_code.updated", code, before)
