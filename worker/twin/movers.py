"""Movers: something moves between a preview and the update that relies on it.

One mover: `{mover, subscription or customer, when, times, after, amount, percent, price, quantity, status,
payment_method}`. From the `after`-th preview of that subscription (or of its customer) on, and `times` times,
the named thing changes right after the preview was answered and before the next request is read, as a person
in the dashboard would change it: through the API's own rules, with events that name no request.

| mover | what moves | option and its default |
|---|---|---|
| tax | an exclusive tax rate becomes the subscription's default | `percent` 7.5 |
| balance | the customer's balance, negative is a credit | `amount` -500 minor units |
| coupon | the subscription's coupons go, or one comes where there was none | `percent` 10 |
| pending_item | an invoice item waits for the customer | `amount` 700 minor units |
| price | the first item gets another price of its product, unprorated | `amount` doubled, or `price` |
| quantity | the first item's quantity, unprorated | `quantity` one more |
| status | `past_due`, `paused_collection` or `cancel_at_period_end` | `status` cancel_at_period_end |
| payment_method | another card becomes the customer's and the subscription's default | a card that declines |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from worker.twin.errors import ApiError
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World

Edit = Callable[[str, dict[str, Any]], dict[str, Any]]  # a POST by hand: (path, params) -> the object
STATUSES = ("past_due", "paused_collection", "cancel_at_period_end")
DECLINES = "pm_card_chargeCustomerFail"


@dataclass
class Mover:
    """One planned move; `times` and `after` count down as previews come."""

    mover: str
    subscription: str = ""
    customer: str = ""
    when: str = "after_preview"
    times: int = 1
    after: int = 1
    amount: int | None = None
    percent: float | None = None
    price: str | None = None
    quantity: int | None = None
    status: str = "cancel_at_period_end"
    payment_method: str = DECLINES


class Movers:
    """The planned movers, oldest first, and what the fired ones did."""

    def __init__(self) -> None:
        self.planned: list[Mover] = []
        self.fired: list[dict[str, Any]] = []

    def plan(self, world: World, wanted: dict[str, Any]) -> Mover:
        """Add a mover from its JSON form; unknown names and unknown objects are refused."""
        unknown = set(wanted) - set(Mover.__dataclass_fields__)
        if unknown:
            raise ApiError(400, f"Unknown fields of a mover: {sorted(unknown)}")
        mover = Mover(**wanted)
        if mover.mover not in MOVES:
            raise ApiError(400, f"`mover` is one of {', '.join(MOVES)}.", param="mover")
        if mover.when != "after_preview":
            raise ApiError(400, "`when` is after_preview.", param="when")
        if mover.status not in STATUSES:
            raise ApiError(400, f"`status` is one of {', '.join(STATUSES)}.", param="status")
        if mover.subscription:
            mover.customer = world.store.get("subscription", mover.subscription, "subscription")["customer"]
        elif mover.mover not in CUSTOMERS_OWN:
            raise ApiError(400, f"`{mover.mover}` moves a subscription: name it.", param="subscription")
        world.store.get("customer", mover.customer, "customer")
        self.planned.append(mover)
        return mover

    def previewed(self, world: World, params: dict[str, Any], edit: Edit) -> None:
        """A preview was answered: count it, and move what is due. A refused edit is noted."""
        for mover in [m for m in self.planned if _concerns(world, m, params)]:
            mover.after -= 1
            if mover.after > 0:
                continue
            mover.times -= 1
            if mover.times <= 0:
                self.planned.remove(mover)
            self.fired.append({**asdict(mover), **_move(world, mover, edit)})


def _concerns(world: World, mover: Mover, params: dict[str, Any]) -> bool:
    named = params.get("subscription")
    if not named:
        return bool(params.get("customer") == mover.customer)
    if mover.subscription:
        return bool(named == mover.subscription)
    return bool(world.store.get("subscription", named)["customer"] == mover.customer)


def _move(world: World, mover: Mover, edit: Edit) -> dict[str, Any]:
    try:
        MOVES[mover.mover](world, mover, edit)
    except ApiError as error:
        return {"refused": error.error}
    return {"refused": None}


def _subscription(world: World, mover: Mover) -> Doc:
    return world.store["subscription"].docs[mover.subscription]


def _change(mover: Mover, edit: Edit, **params: Any) -> None:
    edit(f"/v1/subscriptions/{mover.subscription}", params)


def _currency(world: World, mover: Mover) -> str:
    owner = (
        _subscription(world, mover) if mover.subscription else world.store["customer"].docs[mover.customer]
    )
    return str(owner["currency"] or "usd")


def _tax(world: World, mover: Mover, edit: Edit) -> None:
    percent = 7.5 if mover.percent is None else mover.percent
    rate = edit("/v1/tax_rates", {"display_name": "Moved", "percentage": percent, "inclusive": False})
    _change(mover, edit, default_tax_rates=[rate["id"]])


def _balance(world: World, mover: Mover, edit: Edit) -> None:
    amount = -500 if mover.amount is None else mover.amount
    path = f"/v1/customers/{mover.customer}/balance_transactions"
    edit(path, {"amount": amount, "currency": _currency(world, mover)})


def _coupon(world: World, mover: Mover, edit: Edit) -> None:
    if _subscription(world, mover)["discounts"]:
        _change(mover, edit, discounts="")
        return
    percent = 10 if mover.percent is None else mover.percent
    coupon = edit("/v1/coupons", {"percent_off": percent, "duration": "forever"})
    _change(mover, edit, discounts=[{"coupon": coupon["id"]}])


def _pending_item(world: World, mover: Mover, edit: Edit) -> None:
    amount = 700 if mover.amount is None else mover.amount
    item = {"customer": mover.customer, "amount": amount, "currency": _currency(world, mover)}
    edit("/v1/invoiceitems", {**item, "description": "Moved by hand"})


def _price(world: World, mover: Mover, edit: Edit) -> None:
    item = _subscription(world, mover)["items"]["data"][0]
    price_id = mover.price or _other_price(item["price"], mover.amount, edit)
    entry = {"id": item["id"], "price": price_id, "quantity": item["quantity"]}
    _change(mover, edit, items=[entry], proration_behavior="none")


def _other_price(price: Doc, amount: int | None, edit: Edit) -> str:
    every = {name: price["recurring"][name] for name in ("interval", "interval_count")}
    fresh = {"product": price["product"], "currency": price["currency"], "recurring": every}
    doubled = 2 * (price["unit_amount"] or 0)
    return str(edit("/v1/prices", {**fresh, "unit_amount": doubled if amount is None else amount})["id"])


def _quantity(world: World, mover: Mover, edit: Edit) -> None:
    item = _subscription(world, mover)["items"]["data"][0]
    wanted = item["quantity"] + 1 if mover.quantity is None else mover.quantity
    _change(mover, edit, items=[{"id": item["id"], "quantity": wanted}], proration_behavior="none")


def _status(world: World, mover: Mover, edit: Edit) -> None:
    if mover.status == "cancel_at_period_end":
        _change(mover, edit, cancel_at_period_end=True)
    elif mover.status == "paused_collection":
        _change(mover, edit, pause_collection={"behavior": "void"})
    else:  # nobody can write a status: it stands for a renewal that the bank refused
        subscription = _subscription(world, mover)
        before = snapshot(subscription)
        subscription["status"] = mover.status
        world.events.updated("customer.subscription.updated", subscription, before)


def _payment_method(world: World, mover: Mover, edit: Edit) -> None:
    card = edit(f"/v1/payment_methods/{mover.payment_method}/attach", {"customer": mover.customer})["id"]
    settings = {"default_payment_method": card}
    edit(f"/v1/customers/{mover.customer}", {"invoice_settings": settings})
    if mover.subscription and _subscription(world, mover)["default_payment_method"]:
        _change(mover, edit, **settings)


CUSTOMERS_OWN = ("balance", "pending_item", "payment_method")
MOVES: dict[str, Callable[[World, Mover, Edit], None]] = {
    "tax": _tax,
    "balance": _balance,
    "coupon": _coupon,
    "pending_item": _pending_item,
    "price": _price,
    "quantity": _quantity,
    "status": _status,
    "payment_method": _payment_method,
}
