"""What a subscription's items shall be: the edits of a request laid over the items as they are.

Rules: Stripe docs "Change the price of existing subscriptions" (an item keeps its id over a price swap; a
swap without a quantity resets it to 1; items not named stay) and recorded refusals (two items with one
price; an unknown price is 400).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from worker.twin.billing.calendar import advance
from worker.twin.errors import invalid, missing
from worker.twin.store import Doc
from worker.twin.world import World

MAX_ITEMS = 20


@dataclass
class Target:
    """One item as it shall be; `item` is None for a new one, `[start, end)` its period afterwards."""

    price: Doc
    quantity: int
    item: Doc | None = None
    deleted: bool = False
    start: int = 0
    end: int = 0
    extras: dict[str, Any] = field(default_factory=dict)
    new_id: str = ""

    @property
    def id(self) -> str:
        """The item's id; a new item has a provisional one until the change is applied."""
        return str(self.item["id"]) if self.item else self.new_id

    @property
    def priced_anew(self) -> bool:
        """Whether the change touches what the item costs (the trigger of a proration)."""
        if self.item is None or self.deleted:
            return True
        return bool(self.price["id"] != self.item["price"]["id"] or self.quantity != self.item["quantity"])

    @property
    def interval(self) -> tuple[str, int]:
        """How often it renews."""
        recurring = self.price["recurring"]
        return recurring["interval"], recurring["interval_count"]


def resolve(world: World, items: list[Doc], edits: list[dict[str, Any]]) -> list[Target]:
    """The items after `edits`; raises Stripe's refusals."""
    targets = {i["id"]: Target(i["price"], i["quantity"], i) for i in items}
    for number, edit in enumerate(edits):
        where = f"items[{number}]"
        if "id" in edit:
            target = targets.get(edit["id"])
            if target is None:
                raise missing("subscription item", edit["id"], f"{where}[id]")
            _edit(world, target, edit, where)
        else:
            fresh = Target(
                _price(world, edit, where), _quantity(edit, where, 1), new_id=f"si_twinnew{number}"
            )
            fresh.extras = _extras(edit)
            targets[fresh.new_id] = fresh
    _check(list(targets.values()))
    return list(targets.values())


def _edit(world: World, target: Target, edit: dict[str, Any], where: str) -> None:
    target.extras = _extras(edit)
    if edit.get("deleted"):
        target.deleted = True
        return
    default = target.quantity
    if "price" in edit and edit["price"] != target.price["id"]:
        target.price = _price(world, edit, where)
        default = 1
    elif "price" in edit and "quantity" not in edit:
        default = 1
    target.quantity = _quantity(edit, where, default)


def _price(world: World, edit: dict[str, Any], where: str) -> Doc:
    price_id = edit.get("price")
    if price_id is None:
        raise invalid(f"Missing required param: {where}[price].", f"{where}[price]", "parameter_missing")
    price = world.store.get("price", price_id, f"{where}[price]", 400)
    if price["recurring"] is None:
        raise invalid(f"The price specified is set to `type=one_time`: {price_id}", f"{where}[price]")
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", f"{where}[price]"
        )
    return price


def _quantity(edit: dict[str, Any], where: str, default: int) -> int:
    quantity: int = edit.get("quantity", default)
    if not 0 <= quantity < 10**9:
        raise invalid(
            "This value must be between 0 and 999999999.", f"{where}[quantity]", "parameter_invalid_integer"
        )
    return quantity


def _extras(edit: dict[str, Any]) -> dict[str, Any]:
    return {name: edit[name] for name in ("metadata", "tax_rates", "discounts") if name in edit}


def _check(targets: list[Target]) -> None:
    kept = [t for t in targets if not t.deleted]
    if not kept:
        raise invalid(
            "A subscription must have at least one active plan. To cancel it, use the cancel endpoint.",
            "items",
        )
    if len(kept) > MAX_ITEMS:
        raise invalid(f"A subscription may have at most {MAX_ITEMS} items.", "items")
    prices = [t.price["id"] for t in kept]
    double = next((p for p in prices if prices.count(p) > 1), None)
    if double:
        raise invalid(f"Cannot add multiple subscription items with the same plan: {double}", "items")
    if len({t.price["currency"] for t in kept}) > 1:
        raise invalid("The price specified only supports another currency than the subscription's.", "items")


def set_periods(targets: list[Target], anchor: int, at: int) -> None:
    """With the anchor unchanged a period keeps its start, and a new item joins the others.

    An item that goes to a shorter interval gets the period of its own that `at` falls into.
    """
    running = [t for t in targets if t.item is not None]
    for target in targets:
        if target.item is not None:
            target.start, target.end = target.item["current_period_start"], target.item["current_period_end"]
            recurring = target.item["price"]["recurring"]
            if target.interval != (recurring["interval"], recurring["interval_count"]):
                _period_around(target, anchor, at)
            continue
        same = next((t for t in running if t.interval == target.interval and not t.deleted), None)
        if same is not None:
            target.start, target.end = same.start, same.end
        else:
            target.start = min(t.start for t in running)
            _period_around(target, anchor, at)


def _period_around(target: Target, anchor: int, at: int) -> None:
    target.end = advance(target.start, *target.interval, anchor)
    while target.end <= at:
        target.start, target.end = target.end, advance(target.end, *target.interval, anchor)


def start_periods(targets: list[Target], start: int) -> None:
    """Fresh periods from `start`, which becomes the anchor."""
    for target in targets:
        if not target.deleted:
            target.start, target.end = start, advance(start, *target.interval, start)
