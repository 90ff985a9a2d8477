"""Random but mostly sensible requests to an engine, from a seed."""

from __future__ import annotations

import random
from typing import Any

from tests.twin.api import NOVEMBER
from tests.twin.test_properties import do, price
from worker.twin.engine import new_world
from worker.twin.world import World

DAY = 86400
CARDS = (
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
)
Request = tuple[str, tuple[str, ...], dict[str, Any]]


class Dice:
    """A world with three subscriptions and what may happen to it next."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.world: World = new_world(seed)
        self.world.clock.wall = lambda: float(NOVEMBER)
        self.prices = [price(self.world, amount) for amount in (999, 2000, 12345, 5)]
        for mode in ("flexible", "flexible", "classic"):
            card = {"payment_method": CARDS[0], "invoice_settings": {"default_payment_method": CARDS[0]}}
            customer = do(self.world, "customer_create", **card)["id"]
            items = [{"price": p, "quantity": 3} for p in self.prices[:2]]
            do(self.world, "subscription_create", customer=customer, items=items, billing_mode={"type": mode})

    def any(self, kind: str) -> dict[str, Any]:
        """Any object of a kind."""
        return self.pick.choice(list(self.world.store[kind].docs.values()))

    def next(self) -> Request:
        """One request."""
        kinds = [self.update, self.preview, self.invoice, self.customer, self.schedule, self.cancel]
        return self.pick.choices(kinds, [8, 2, 4, 2, 2, 1])[0]()

    def pass_time(self) -> None:
        """Move the clock by an hour, days, or more than a month."""
        self.world.clock.offset += self.pick.choice([3600, DAY, 5 * DAY, 32 * DAY])
        self.world.run_due()

    def details(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """A change of items with one of the proration behaviours."""
        pick, items = self.pick, []
        for item in subscription["items"]["data"]:
            swap = {"price": pick.choice(self.prices)} if pick.random() < 0.4 else {}
            items.append({"id": item["id"], "quantity": pick.randint(0, 200), **swap})
        if pick.random() < 0.2:
            items.append({"price": pick.choice(self.prices), "quantity": 1})
        behavior = pick.choice(["always_invoice", "create_prorations", "none"])
        anchor = {"billing_cycle_anchor": {"type": "now"}} if pick.random() < 0.1 else {}
        return {"items": items, "proration_behavior": behavior, **anchor}

    def update(self) -> Request:
        """An update with one of the payment behaviours."""
        subscription = self.any("subscription")
        names = ["allow_incomplete", "default_incomplete", "error_if_incomplete"]
        names += ["pending_if_incomplete"] * 3
        params = {**self.details(subscription), "payment_behavior": self.pick.choice(names)}
        return "subscription_update", (subscription["id"],), params

    def preview(self) -> Request:
        """A preview of a change."""
        subscription = self.any("subscription")
        details = self.details(subscription)
        mode = self.pick.choice(["next", "recurring"])
        params = {"subscription": subscription["id"], "subscription_details": details, "preview_mode": mode}
        return "invoice_create_preview", (), params

    def invoice(self) -> Request:
        """Pay, void, correct or give up an invoice, or add an item by hand."""
        invoice = self.any("invoice")
        acts = ["pay", "void_invoice", "mark_uncollectible", "finalize_invoice", "note", "item"]
        name = self.pick.choice(acts)
        if name == "note":
            return "credit_note_create", (), {"invoice": invoice["id"], "amount": self.pick.randint(1, 3000)}
        if name == "item":
            item = {
                "customer": invoice["customer"],
                "amount": self.pick.randint(-5000, 5000),
                "currency": "usd",
            }
            return "invoice_item_create", (), item
        return f"invoice_{name}", (invoice["id"],), {}

    def customer(self) -> Request:
        """Another card, or another balance."""
        params: dict[str, Any] = {"balance": self.pick.randint(-20000, 5000)}
        if self.pick.random() < 0.5:
            params = {"invoice_settings": {"default_payment_method": self.pick.choice(CARDS)}}
        return "customer_update", (self.any("customer")["id"],), params

    def cancel(self) -> Request:
        """Toggle the end with the period, rarely end it now."""
        subscription = self.any("subscription")["id"]
        if self.pick.random() < 0.1:
            flags = {"prorate": self.pick.random() < 0.5, "invoice_now": self.pick.random() < 0.5}
            return "subscription_cancel", (subscription,), flags
        return "subscription_update", (subscription,), {"cancel_at_period_end": self.pick.random() < 0.5}

    def schedule(self) -> Request:
        """Make, change or release a schedule."""
        known = list(self.world.store["subscription_schedule"].docs.values())
        if not known or self.pick.random() < 0.4:
            return "subscription_schedule_create", (), {"from_subscription": self.any("subscription")["id"]}
        chosen = self.pick.choice(known)
        if self.pick.random() < 0.3:
            return "subscription_schedule_release", (chosen["id"],), {}
        first = chosen["phases"][0]
        items = [{"price": i["price"], "quantity": i["quantity"]} for i in first["items"]]
        dates = {"start_date": first["start_date"], "end_date": first["end_date"]}
        after = {"items": [{"price": self.prices[0], "quantity": 1}], "duration": {"interval": "month"}}
        return "subscription_schedule_update", (chosen["id"],), {"phases": [{"items": items, **dates}, after]}
