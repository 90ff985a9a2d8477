"""A burst: customers, their banks and staff change everything that is mirrored, often in one second."""

from __future__ import annotations

import random
from typing import Any

from tests.simulation.people import ACCOUNTS
from tests.simulation.stage import Stage
from tests.simulation.stripe import ASKS, DECLINES, GOOD, Stripe
from worker.twin.errors import ApiError
from worker.twin.exchange import run_by_hand

# Mostly within the same second.
PAUSES = (0, 0, 0, 0, 1, 1, 3, 20)


class Burst:
    """Draws one act at a time; what Stripe refuses did not happen."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = stage, dice
        self.stripe = Stripe(stage, stage.customers)
        self._ways = (
            (self.quantity, 8), (self.note, 5), (self.customer, 3), (self.subscribe, 3), (self.cancel, 1),
            (self.delete_customer, 0.7), (self.price, 2), (self.product, 2), (self.draft, 3), (self.bill, 4),
            (self.money_back, 2), (self.card, 2), (self.bank, 2), (self.schedule, 2), (self.plan, 1),
        )  # fmt: skip

    async def go(self, acts: int) -> None:
        """So many acts, with pauses."""
        for _ in range(acts):
            self.one()
            await self.stage.pass_time(self.dice.choice(PAUSES))

    def one(self) -> None:
        """One act."""
        ways, weights = zip(*self._ways, strict=True)
        self.dice.choices(ways, weights)[0]()

    def quantity(self) -> None:
        found = self._any("subscription")
        if found is not None:
            items = [
                {"id": each, "quantity": self.dice.randint(1, 3)} for each in self._items(found["id"])[-1:]
            ]
            behavior = self.dice.choice(["none", "none", "always_invoice"])
            self._do("POST", f"/v1/subscriptions/{found['id']}", items=items, proration_behavior=behavior)

    def note(self) -> None:
        kind, path = self.dice.choice([("subscription", "subscriptions"), ("customer", "customers")])
        found = self._any(kind)
        if found is not None:
            self._do("POST", f"/v1/{path}/{found['id']}", metadata={"note": str(self.dice.randint(1, 2))})

    def customer(self) -> None:
        found = self._any("customer")
        if found is not None:
            self._do("POST", f"/v1/customers/{found['id']}", name=f"Ada {self.dice.randint(1, 3)}")

    def subscribe(self) -> None:
        customer, price = self._any("customer"), self._any("price")
        if customer is not None and price is not None:
            items = [{"price": price["id"], "quantity": 1}]
            behavior = self.dice.choice(["allow_incomplete", "default_incomplete"])
            self._do(
                "POST", "/v1/subscriptions", customer=customer["id"], items=items, payment_behavior=behavior
            )

    def cancel(self) -> None:
        found = self._any("subscription")
        if found is not None:
            self._do("DELETE", f"/v1/subscriptions/{found['id']}")

    def delete_customer(self) -> None:
        made = self._do("POST", "/v1/customers", email="short@example.com")
        if made is not None:
            self._do("POST", f"/v1/customers/{made['id']}", name="Short")
            self._do("DELETE", f"/v1/customers/{made['id']}")

    def price(self) -> None:
        found = self._any("price")
        if found is not None:
            self._do("POST", f"/v1/prices/{found['id']}", active=self.dice.random() < 0.7)

    def product(self) -> None:
        made = self._do("POST", "/v1/products", name="Hat")
        if made is not None:
            self._do("POST", f"/v1/products/{made['id']}", name="Coat")
            if self.dice.random() < 0.5:
                self._do("DELETE", f"/v1/products/{made['id']}")

    def draft(self) -> None:
        customer = self._any("customer")
        if customer is not None:
            amount = self.dice.randint(1, 9) * 100
            self._do("POST", "/v1/invoiceitems", customer=customer["id"], amount=amount, currency="usd")
            self._do(
                "POST", "/v1/invoices", customer=customer["id"], pending_invoice_items_behavior="include"
            )

    def bill(self) -> None:
        found = self._any("invoice")
        if found is None:
            return
        path = f"/v1/invoices/{found['id']}"
        if found["status"] == "draft" and self.dice.random() < 0.4:
            self._do("DELETE", path)
        else:
            name = "finalize" if found["status"] == "draft" else self.dice.choice(["pay", "void", "void"])
            self._do("POST", f"{path}/{name}")

    def money_back(self) -> None:
        self.stripe.give_back(self.dice.choice(ACCOUNTS), dispute=self.dice.random() < 0.3)

    def card(self) -> None:
        self.stripe.card(self.dice.choice(ACCOUNTS), self.dice.choice([GOOD, GOOD, ASKS, DECLINES]))

    def bank(self) -> None:
        self.stripe.answer_bank(self.dice.choice(ACCOUNTS), yes=self.dice.random() < 0.6)

    def schedule(self) -> None:
        self.stripe.schedule(self.dice.choice(ACCOUNTS))

    def plan(self) -> None:
        found = self._any("subscription_schedule")
        if found is not None:
            end = self.dice.choice(["release", "cancel"])
            self._do("POST", f"/v1/subscription_schedules/{found['id']}", end_behavior=end)

    def _any(self, kind: str) -> dict[str, Any] | None:
        """One of the newest of a kind: several events about the same object are what is difficult."""
        found = self.stripe.table(kind)[-5:]
        return self.dice.choice(found) if found else None

    def _items(self, subscription_id: str) -> list[str]:
        shown = self.stripe.shown(f"/v1/subscriptions/{subscription_id}")
        return [each["id"] for each in shown["items"]["data"]]

    def _do(self, method: str, path: str, **params: Any) -> dict[str, Any] | None:
        try:
            run_by_hand(self.stage.twin, method, path, params)
        except ApiError:
            return None
        finally:
            self.stage.twin.world.rest()
        kind = {"/v1/customers": "customer", "/v1/products": "product"}.get(path)
        return self.stripe.table(kind)[-1] if kind else {}
