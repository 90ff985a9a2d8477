"""A phase laid over its subscription: items, discounts, tax rates, trial, anchor, and how it is collected.

An item of the same price stays the same item; an item whose price changes is replaced by a new one (Stripe's
support confirmed that a phase's change removes the old item: dj-stripe issue 2025). Discounts and tax rates
that a phase does not name are lost.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import change, discounts
from worker.twin.errors import ApiError
from worker.twin.store import Doc
from worker.twin.world import World


def make_items(
    world: World, schedule: Doc, subscription: Doc, phase: Doc, behavior: str, *, was: Doc | None = None
) -> None:
    """Make the subscription what `phase` says. `was` is the phase that stood there before, if it is edited;
    without it the phase is entered now: its anchor and one-time items count, its invoice stays a draft.
    """
    params = {"proration_behavior": behavior, **_plain(schedule, subscription, phase)}
    params["items"] = _edits(world, subscription, phase, was)
    params.update(_trial(world, subscription, phase))
    if was is None or was["discounts"] != phase["discounts"]:
        params["discounts"] = redeemable(world, subscription["customer"], phase["discounts"]) or ""
    if was is None:
        params.update(_once(world, schedule, subscription, phase))
    change.update(world, subscription, params, by_schedule=True, as_draft=was is None)


def _plain(schedule: Doc, subscription: Doc, phase: Doc) -> dict[str, Any]:
    """Fields that a phase, or else the schedule's defaults, set."""
    defaults = schedule["default_settings"]
    params: dict[str, Any] = {"default_tax_rates": [r["id"] for r in phase["default_tax_rates"]]}
    for name in ("collection_method", "default_payment_method", "description"):
        wanted = phase[name] or defaults[name]
        if wanted and wanted != subscription[name]:
            params[name] = wanted
    if (params.get("collection_method") or subscription["collection_method"]) == "send_invoice":
        params["days_until_due"] = days_until_due(schedule, phase) or subscription["days_until_due"]
    if phase["metadata"]:
        params["metadata"] = phase["metadata"]
    return params


def days_until_due(schedule: Doc, phase: Doc) -> int | None:
    """Days that the phase, or else the schedule, gives for an invoice by mail."""
    own = (phase["invoice_settings"] or {}).get("days_until_due")
    found: int | None = own or schedule["default_settings"]["invoice_settings"]["days_until_due"]
    return found


def _trial(world: World, subscription: Doc, phase: Doc) -> dict[str, Any]:
    """A trial that the phase brings; one that it does not name ends."""
    now, running = world.now_for(subscription["customer"]), subscription["trial_end"] or 0
    wanted = phase["trial_end"] or 0
    if wanted > now and wanted != running:
        return {"trial_end": wanted}
    if subscription["status"] == "trialing" and running > now and wanted <= now:
        return {"trial_end": "now"}
    return {}


def _edits(world: World, subscription: Doc, phase: Doc, was: Doc | None) -> list[dict[str, Any]]:
    wanted = {i["price"]: i for i in phase["items"]}
    older = {i["price"]: i["discounts"] for i in was["items"]} if was else {}
    edits: list[dict[str, Any]] = []
    for item in subscription["items"]["data"]:
        same = wanted.pop(item["price"]["id"], None)
        if same is None:
            edits.append({"id": item["id"], "deleted": True})
            continue
        entry = {"id": item["id"], **item_settings(world, subscription["customer"], same)}
        if older.get(same["price"]) == same["discounts"]:
            del entry["discounts"]
        edits.append(entry)
    return edits + [new_item(world, subscription["customer"], i) for i in wanted.values()]


def new_item(world: World, customer: str, item: Doc) -> dict[str, Any]:
    """A phase's item as an entry that adds it; its price may have been archived since it was scheduled."""
    return {"price": item["price"], "scheduled": True, **item_settings(world, customer, item)}


def item_settings(world: World, customer: str, item: Doc) -> dict[str, Any]:
    """What a phase's item says beside its price, as a subscription's request says it."""
    return {
        "quantity": item["quantity"],
        "metadata": item["metadata"],
        "tax_rates": [r["id"] for r in item["tax_rates"]],
        "discounts": redeemable(world, customer, item["discounts"]),
    }


def redeemable(world: World, customer: str, given: list[Doc]) -> list[dict[str, Any]]:
    """Discounts as a request names them, without those that ended or were deleted since."""
    entries = [{k: v for k, v in d.items() if v is not None} for d in given]
    return [e for e in entries if _exists(world, customer, e)]


def _exists(world: World, customer: str, entry: dict[str, Any]) -> bool:
    try:
        discounts.sketch(world, [entry], customer)
    except ApiError:
        return False
    return True


def _once(world: World, schedule: Doc, subscription: Doc, phase: Doc) -> dict[str, Any]:
    """What happens only on entering: one-time items, and an anchor at the start of the phase.

    At the end of every item's period with unchanged intervals the renewal of this second starts afresh by
    itself.
    """
    params: dict[str, Any] = {}
    if phase["add_invoice_items"]:
        params["add_invoice_items"] = [one_time(i) for i in phase["add_invoice_items"]]
    if resets_anchor(schedule, phase) and not _renews_alike(world, subscription, phase):
        params["billing_cycle_anchor"] = {"type": "now"}
    return params


def resets_anchor(schedule: Doc, phase: Doc) -> bool:
    """Whether the billing cycle is anchored at the start of this phase."""
    how = phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"]
    return bool(how == "phase_start")


def one_time(item: Doc) -> dict[str, Any]:
    """An entry of `add_invoice_items`."""
    made: dict[str, Any] = {
        "price": item["price"],
        "quantity": item["quantity"],
        "metadata": item["metadata"],
    }
    if item["tax_rates"]:
        made["tax_rates"] = [r["id"] for r in item["tax_rates"]]
    return made


def _renews_alike(world: World, subscription: Doc, phase: Doc) -> bool:
    now, items = world.now_for(subscription["customer"]), subscription["items"]["data"]
    prices = world.store["price"].docs
    after = {_interval(prices[i["price"]]) for i in phase["items"]}
    alike = after == {_interval(i["price"]) for i in items} and len(after) == 1
    return alike and all(i["current_period_end"] == now for i in items)


def _interval(price: Doc) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]
