"""Changes that touch one or two fields, taken back."""

from __future__ import annotations

import msgspec

from worker.twin.store import Doc
from worker.twin.world import World


def before_pauses(world: World, subscription: Doc) -> None:
    """2026-09-30.endive: why a subscription is paused, and the anchor at the end of a trial."""
    subscription.pop("status_details", None)
    end = (subscription.get("trial_settings") or {}).get("end_behavior") or {}
    end.pop("billing_cycle_anchor", None)


def before_feedback_options(world: World, subscription: Doc) -> None:
    """2026-08-26.dahlia: `cancellation_details.feedback_option`."""
    (subscription.get("cancellation_details") or {}).pop("feedback_option", None)


def before_billing_schedules(world: World, subscription: Doc) -> None:
    """2026-05-27.dahlia: billing schedules, and what else a pending update can hold."""
    subscription.pop("billing_schedules", None)
    pending = subscription.get("pending_update") or {}
    for name in ("metadata", "discount", "discounts", "cancel_at_period_end"):
        pending.pop(name, None)


def before_discount_sources(world: World, discount: Doc) -> None:
    """2025-09-30.clover: `source.coupon` (an id) was `coupon` (the object)."""
    coupon = discount.pop("source", {}).get("coupon")
    found = world.store["coupon"].docs.get(coupon) if isinstance(coupon, str) else coupon
    discount["coupon"] = msgspec.json.decode(msgspec.json.encode(found)) if found is not None else None


def before_proration_discounts(world: World, doc: Doc) -> None:
    """2025-09-30.clover: `billing_mode` was its type and the moment of migration."""
    (doc.get("billing_mode") or {}).pop("flexible", None)


def before_marketing_features(world: World, product: Doc) -> None:
    """2024-04-10: `features` was renamed."""
    product["features"] = product.pop("marketing_features", [])


def before_latest_charge(world: World, intent: Doc) -> None:
    """2022-11-15: a payment intent carried its charges, newest first."""
    charges = reversed(world.store["charge"].by("payment_intent", intent["id"]))
    intent["charges"] = _listed(list(charges), f"/v1/charges?payment_intent={intent['id']}")


def before_refunds_on_request(world: World, charge: Doc) -> None:
    """2022-11-15: a charge carried its refunds without being asked."""
    refunds = reversed(world.store["refund"].by("charge", charge["id"]))
    charge.setdefault("refunds", _listed(list(refunds), f"/v1/charges/{charge['id']}/refunds"))


def _listed(rows: list[Doc], url: str) -> Doc:
    """A list of copies: what is rewritten afterwards must not be the account's own objects."""
    data = msgspec.json.decode(msgspec.json.encode(rows))
    return {"object": "list", "data": data, "has_more": False, "total_count": len(rows), "url": url}
