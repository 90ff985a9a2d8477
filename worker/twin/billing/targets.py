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
from worker.twin.facts import Cut
from worker.twin.store import Doc
from worker.twin.world import World

MAX_ITEMS = 20


@dataclass
class Target:
    """One item as it shall be; `item` is None for a new one, `[start, end)` its period afterwards.

    `natural` is where the period would end if the subscription went on, `whole` the seconds that a full price
    stands for: more than the period's length if an anchor or a cancellation cut it.
    """

    price: Doc
    quantity: int
    item: Doc | None = None
    deleted: bool = False
    start: int = 0
    end: int = 0
    natural: int = 0
    whole: int = 0
    extras: dict[str, Any] = field(default_factory=dict)
    new_id: str = ""
    own: list[Doc] | None = None
    tax_rates: list[str] | None = None

    @property
    def id(self) -> str:
        """The item's id; a new item has its id before it exists, so that lines can name it."""
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


def resolve(
    world: World, items: list[Doc], edits: list[dict[str, Any]], currency: str | None = None
) -> list[Target]:
    """The items after `edits`; raises Stripe's refusals. A subscription keeps its `currency` for life."""
    targets = {i["id"]: Target(i["price"], i["quantity"], i) for i in items}
    for number, edit in enumerate(edits):
        where = f"items[{number}]"
        if "id" in edit:
            target = targets.get(edit["id"])
            if target is None:
                raise missing("subscription item", edit["id"], f"{where}[id]")
            _edit(world, target, edit, where)
        else:
            fresh = Target(_price(world, edit, where), _quantity(edit, where, 1), new_id=world.ids.new("si"))
            fresh.extras = _extras(edit)
            targets[fresh.new_id] = fresh
    _check(list(targets.values()), currency)
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
    """The price of an edit; a schedule's phase (`scheduled`) may enter one that was archived meanwhile."""
    price_id = edit.get("price")
    if price_id is None:
        raise invalid(f"Missing required param: {where}[price].", f"{where}[price]", "parameter_missing")
    price = world.store.get("price", price_id, f"{where}[price]", 400)
    if price["recurring"] is None:
        raise invalid(f"The price specified is set to `type=one_time`: {price_id}", f"{where}[price]")
    if not price["active"] and not edit.get("scheduled"):
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


def _check(targets: list[Target], currency: str | None) -> None:
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
    expected = currency or kept[0].price["currency"]
    other = next((t.price["currency"] for t in kept if t.price["currency"] != expected), None)
    if other:
        text = f"The price specified only supports `{other}`. This doesn't match the expected currency: "
        raise invalid(f"{text}`{expected}`.", "items")


def set_periods(targets: list[Target], anchor: int, at: int, cuts: dict[str, Cut]) -> None:
    """With the anchor unchanged a period keeps its start, and a new item joins the others.

    An item that goes to a shorter interval gets the period of its own that `at` falls into. Where the phase
    of a schedule changes at the very end of a period, the period that ends is kept: the renewal of that
    second bills the next one.
    """
    running = [t for t in targets if t.item is not None]
    ending = any(t.item["current_period_end"] <= at for t in running if t.item is not None)
    at = at - 1 if ending else at
    for target in targets:
        if target.item is not None:
            keep_period(target, target.item, cuts)
            recurring = target.item["price"]["recurring"]
            if target.interval != (recurring["interval"], recurring["interval_count"]):
                period_around(target, anchor, at)
            continue
        same = min(
            (t for t in running if t.interval == target.interval), key=lambda t: t.deleted, default=None
        )
        if same is not None:
            target.start, target.end = same.start, same.end
            target.natural, target.whole = same.natural, same.whole
        else:
            target.start = min(t.start for t in running)
            period_around(target, anchor, at)


def keep_period(target: Target, item: Doc, cuts: dict[str, Cut]) -> None:
    """The item's present period."""
    target.start, target.end = item["current_period_start"], item["current_period_end"]
    cut = cuts.get(item["id"])
    target.natural = cut.natural if cut else target.end
    target.whole = cut.whole if cut else target.end - target.start


def advance_to(target: Target, anchor: int) -> None:
    """A whole period from `target.start`."""
    target.end = target.natural = advance(target.start, *target.interval, anchor)
    target.whole = target.end - target.start


def period_around(target: Target, anchor: int, at: int) -> None:
    """The period that `at` falls into, counted from `target.start`."""
    advance_to(target, anchor)
    while target.end <= at:
        target.start = target.end
        advance_to(target, anchor)


def start_periods(targets: list[Target], start: int) -> None:
    """Fresh periods from `start`, which becomes the anchor."""
    for target in targets:
        if not target.deleted:
            target.start = start
            advance_to(target, start)
