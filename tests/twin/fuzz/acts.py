"""Sensible requests: what an application, its staff, its customers and their banks do."""

from __future__ import annotations

import random
from typing import Any

from tests.twin.fuzz.values import DAY
from worker.twin.world import World

CARDS = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
)
BEHAVIORS = ("always_invoice", "always_invoice", "create_prorations", "none")
PAYMENTS = ("allow_incomplete", "default_incomplete", "error_if_incomplete") + ("pending_if_incomplete",) * 3
Act = tuple[str, tuple[str, ...], dict[str, Any]]


class Acts:
    """Draws one request at a time for a world."""

    def __init__(self, pick: random.Random, world: World) -> None:
        self.pick, self.world = pick, world
        self._ways = (
            (self.update, 8), (self.preview, 2), (self.invoice, 4), (self.customer, 2), (self.schedule, 2),
            (self.cancel, 1), (self.subscribe, 1), (self.item, 2), (self.money_back, 2), (self.discount, 1),
            (self.catalogue, 1), (self.lists, 1), (self.leave, 0.15), (self.rarity, 1),
        )  # fmt: skip

    def next(self) -> Act:
        """One request."""
        ways, weights = zip(*self._ways, strict=True)
        return self.pick.choices(ways, weights)[0]()  # type: ignore[no-any-return]

    def any(self, kind: str) -> dict[str, Any]:
        """Any object of a kind, the newer the likelier."""
        docs = list(self.world.store[kind].docs.values())
        return docs[int(len(docs) * self.pick.random() ** 0.6)]

    def maybe(self, chance: float, **params: Any) -> dict[str, Any]:
        """`params` with a chance, else nothing."""
        return params if self.pick.random() < chance else {}

    def price(self) -> str:
        """A price that recurs, mostly."""
        return str(self.any("price")["id"])

    def items(self, subscription: dict[str, Any]) -> list[dict[str, Any]]:
        """Edits of a subscription's items."""
        pick, edits = self.pick, []
        for item in subscription["items"]["data"]:
            if pick.random() < 0.08:
                edits.append({"id": item["id"], "deleted": True})
            elif pick.random() < 0.8:
                swap = self.maybe(0.4, price=self.price())
                edits.append({"id": item["id"], "quantity": pick.randint(0, 200), **swap})
        if pick.random() < 0.2:
            edits.append({"price": self.price(), "quantity": pick.randint(1, 12)})
        return edits

    def details(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """A change that an update and a preview both accept."""
        pick, now = self.pick, self.world.now_for(subscription["customer"])
        asked = {"items": self.items(subscription), "proration_behavior": pick.choice(BEHAVIORS)}
        other = pick.random()
        if other < 0.1:
            return {**asked, "billing_cycle_anchor": {"type": "now"}}
        if other < 0.3:
            return {**asked, "proration_date": now - pick.choice((0, 60, 3600, DAY, 9 * DAY))}
        if other < 0.34:
            return {**asked, "trial_end": pick.choice((now + 10 * DAY, now + 50 * DAY, "now"))}
        return asked

    def update(self) -> Act:
        """An update with one of the payment behaviours."""
        subscription = self.any("subscription")
        more = self.maybe(0.7, payment_behavior=self.pick.choice(PAYMENTS))
        more |= self.maybe(0.2, metadata={"prorata_change": f"chg_{self.pick.randint(1, 99)}"})
        more |= self.maybe(0.05, add_invoice_items=[{"price": self.price(), "quantity": 2}])
        more |= self.maybe(0.05, expand=["latest_invoice.payments", "pending_setup_intent"])
        return "subscription_update", (subscription["id"],), {**self.details(subscription), **more}

    def preview(self) -> Act:
        """A preview of a change."""
        subscription = self.any("subscription")
        params = {"subscription": subscription["id"], "subscription_details": self.details(subscription)}
        mode = self.pick.choice(["next", "recurring"])
        return "invoice_create_preview", (), {**params, "preview_mode": mode}

    def invoice(self) -> Act:
        """Pay, void, correct or give up an invoice, or add an item by hand."""
        invoice = self.any("invoice")
        name = self.pick.choice(
            ("pay", "pay", "void_invoice", "mark_uncollectible", "finalize_invoice", "item")
        )
        if name == "item":
            item = {"customer": invoice["customer"], "amount": self.pick.randint(-5000, 5000)}
            into = self.maybe(0.2, invoice=invoice["id"])
            return "invoice_item_create", (), {**item, "currency": invoice["currency"], **into}
        way = self.maybe(0.1, paid_out_of_band=True) if name == "pay" else {}
        return f"invoice_{name}", (invoice["id"],), way

    def customer(self) -> Act:
        """Another card, another balance, or a new customer, perhaps on a test clock."""
        pick = self.pick
        if pick.random() < 0.15:
            card = {"payment_method": CARDS[0], "invoice_settings": {"default_payment_method": CARDS[0]}}
            clocks = self.world.store["test_clock"].docs
            where = self.maybe(0.5, test_clock=pick.choice(list(clocks))) if clocks else {}
            return "customer_create", (), {**card, **where}
        params: dict[str, Any] = {"balance": pick.randint(-20000, 5000)}
        if pick.random() < 0.5:
            params = {"invoice_settings": {"default_payment_method": pick.choice(CARDS)}}
        return "customer_update", (self.any("customer")["id"],), params

    def cancel(self) -> Act:
        """Toggle the end with the period, rarely end it now."""
        subscription = self.any("subscription")
        if self.pick.random() < 0.2:
            flags = {"prorate": self.pick.random() < 0.5, "invoice_now": self.pick.random() < 0.5}
            return "subscription_cancel", (subscription["id"],), flags
        end: dict[str, Any] = {"cancel_at_period_end": self.pick.random() < 0.5}
        if self.pick.random() < 0.3:
            moment = self.world.now_for(subscription["customer"]) + 20 * DAY
            end = {"cancel_at": self.pick.choice((moment, "min_period_end", "max_period_end", ""))}
        return "subscription_update", (subscription["id"],), end

    def subscribe(self) -> Act:
        """A new subscription of one of many kinds."""
        pick, params = self.pick, {}
        params |= self.maybe(0.3, collection_method="send_invoice", days_until_due=7)
        params |= self.maybe(0.2, trial_period_days=pick.choice((1, 14, 40)))
        params |= self.maybe(0.3, payment_behavior=pick.choice(PAYMENTS[:3]))
        itemized = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
        modes = ({"type": "classic"}, {"type": "flexible"}, itemized)
        params |= self.maybe(0.6, billing_mode=pick.choice(modes))
        rates, coupons = self.world.store["tax_rate"].docs, self.world.store["coupon"].docs
        params |= self.maybe(0.3 if rates else 0, default_tax_rates=list(rates)[:1])
        params |= self.maybe(0.3 if coupons else 0, discounts=[{"coupon": c} for c in list(coupons)[-1:]])
        prices = sorted({self.price(), self.price()})
        items: list[dict[str, Any]] = [{"price": p, "quantity": pick.randint(1, 20)} for p in prices]
        items[0] |= self.maybe(0.3 if coupons else 0, discounts=[{"coupon": c} for c in list(coupons)[:1]])
        return "subscription_create", (), {"customer": self.any("customer")["id"], "items": items, **params}

    def item(self) -> Act:
        """The same changes through the endpoints of an item."""
        more = {"proration_behavior": self.pick.choice(BEHAVIORS)}
        more |= self.maybe(0.4, payment_behavior=self.pick.choice(PAYMENTS))
        way = self.pick.random()
        if way < 0.3:
            entry = {"subscription": self.any("subscription")["id"], "price": self.price(), "quantity": 2}
            return "subscription_item_create", (), {**entry, **more}
        if not self.world.store["subscription_item"].docs:
            return self.lists()
        chosen = self.any("subscription_item")["id"]
        if way < 0.5:
            return "subscription_item_delete", (chosen,), more
        return "subscription_item_update", (chosen,), {"quantity": self.pick.randint(0, 30), **more}

    def money_back(self) -> Act:
        """Refunds and credit notes, whole and partial."""
        amount = self.maybe(0.7, amount=self.pick.randint(1, 6000))
        charges = self.world.store["charge"].docs
        if charges and self.pick.random() < 0.5:
            return "refund_create", (), {"charge": self.any("charge")["id"], **amount}
        invoice = self.any("invoice")
        note: dict[str, Any] = {"invoice": invoice["id"], "amount": self.pick.randint(1, 3000)}
        if self.pick.random() < 0.3:
            note[self.pick.choice(("refund_amount", "credit_amount", "out_of_band_amount"))] = note["amount"]
        return "credit_note_create", (), note

    def discount(self) -> Act:
        """A coupon for a subscription or one of its items, or none any more."""
        subscription = self.any("subscription")["id"]
        coupons = self.world.store["coupon"].docs
        if not coupons or self.pick.random() < 0.3:
            return "subscription_delete_discount", (subscription,), {}
        given = [{"coupon": self.any("coupon")["id"]}]
        if self.world.store["subscription_item"].docs and self.pick.random() < 0.5:
            how = {"proration_behavior": self.pick.choice(BEHAVIORS)}
            item = self.any("subscription_item")["id"]
            return "subscription_item_update", (item,), {"discounts": given, **how}
        return "subscription_update", (subscription,), {"discounts": given, "proration_behavior": "none"}

    def catalogue(self) -> Act:
        """New prices, coupons and tax rates."""
        pick = self.pick
        way = pick.random()
        if way < 0.25:
            terms = {"duration": pick.choice(("once", "forever", "repeating")), "duration_in_months": 2}
            terms = terms if terms["duration"] == "repeating" else {"duration": terms["duration"]}
            worth = pick.choice(({"percent_off": pick.choice((10, 33.3, 100))}, {"amount_off": 500}))
            return "coupon_create", (), {**terms, **worth, "currency": "usd"}
        if way < 0.4:
            rate = {"display_name": "VAT", "percentage": pick.choice((20, 7.7, 0)), "inclusive": way < 0.33}
            return "tax_rate_create", (), rate
        every = {"interval": pick.choice(("month", "month", "year", "week", "day")), "interval_count": 1}
        worth = pick.choice(({"unit_amount": pick.randint(0, 30000)}, {"unit_amount_decimal": "99.95"}))
        named = {"product_data": {"name": "more"}, "currency": "usd"}
        return "price_create", (), {**named, **worth, **({"recurring": every} if way < 0.9 else {})}

    def lists(self) -> Act:
        """A list, by customer where that is possible."""
        kinds = ("invoice", "subscription", "charge", "payment_intent", "credit_note", "invoice_item")
        params = self.maybe(0.5, customer=self.any("customer")["id"])
        return f"{self.pick.choice(kinds)}_list", (), {**params, "limit": self.pick.choice((1, 10, 100))}

    def leave(self) -> Act:
        """A customer is deleted."""
        return "customer_delete", (self.any("customer")["id"],), {}

    def rarity(self) -> Act:
        """A step of a test clock, a migration, or another payment method."""
        way, clocks = self.pick.random(), self.world.store["test_clock"].docs
        if way < 0.5 and clocks:
            clock = self.any("test_clock")
            to = clock["frozen_time"] + self.pick.choice((60, DAY, 12 * DAY, 31 * DAY))
            return "test_helpers.test_clock_advance", (clock["id"],), {"frozen_time": to}
        if way < 0.7:
            mode = {"billing_mode": {"type": "flexible"}}
            return "subscription_migrate", (self.any("subscription")["id"],), mode
        customer = self.any("customer")["id"]
        return "payment_method_attach", (self.pick.choice(CARDS),), {"customer": customer}

    def schedule(self) -> Act:
        """Make, change, release or cancel a schedule."""
        if not self.world.store["subscription_schedule"].docs or self.pick.random() < 0.3:
            return "subscription_schedule_create", (), {"from_subscription": self.any("subscription")["id"]}
        chosen = self.any("subscription_schedule")
        if self.pick.random() < 0.3:
            end = self.pick.choice(("release", "release", "cancel"))
            return f"subscription_schedule_{end}", (chosen["id"],), {}
        first = chosen["phases"][0]
        items = [{"price": i["price"], "quantity": i["quantity"]} for i in first["items"]]
        dates = {"start_date": first["start_date"], "end_date": first["end_date"]}
        after = {"items": [{"price": self.price(), "quantity": 1}], "duration": {"interval": "month"}}
        after |= self.maybe(0.5, proration_behavior=self.pick.choice(BEHAVIORS))
        ending = self.maybe(0.3, end_behavior=self.pick.choice(("release", "cancel")))
        return (
            "subscription_schedule_update",
            (chosen["id"],),
            {"phases": [{"items": items, **dates}, after], **ending},
        )
