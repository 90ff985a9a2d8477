"""Stripe's side: staff in the dashboard, customers at their bank, and a look at the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.simulation.stage import Stage
from worker.twin.acts import act
from worker.twin.errors import ApiError
from worker.twin.exchange import run_by_hand
from worker.twin.ledger import Effect

NOTE = "note"
GOOD, ASKS, DECLINES = "good", "action", "insufficient_funds"


@dataclass
class Stripe:
    """`touched` are the customers whose items somebody edited by hand."""

    stage: Stage
    customers: dict[str, str]
    touched: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)

    # ---- the dashboard

    def edit_seats(self, account_id: str, quantity: int, *, invoice: bool) -> None:
        """Somebody changes a quantity."""
        found = self.subscription(account_id)
        if found is not None:
            self.touched.add(account_id)
            item = found["items"]["data"][-1]
            behavior = "always_invoice" if invoice else "none"
            edit = {"items": [{"id": item["id"], "quantity": quantity}], "proration_behavior": behavior}
            self._by_hand("POST", f"/v1/subscriptions/{found['id']}", edit)

    def note(self, account_id: str, text: str) -> None:
        """Somebody writes a note of their own on the subscription."""
        found = self.subscription(account_id)
        if found is not None and self._by_hand(
            "POST", f"/v1/subscriptions/{found['id']}", {"metadata": {NOTE: text}}
        ):
            self.notes[found["id"]] = text

    def credit(self, account_id: str, amount_minor: int) -> None:
        """Somebody gives credit; every quote that stands is wrong now."""
        path = f"/v1/customers/{self.customers[account_id]}/balance_transactions"
        self._by_hand("POST", path, {"amount": -amount_minor, "currency": "usd"})

    def end(self, account_id: str, *, at_once: bool) -> None:
        """Somebody cancels, at once or with the period."""
        found = self.subscription(account_id)
        if found is None:
            return
        self.touched.add(account_id)
        path = f"/v1/subscriptions/{found['id']}"
        if at_once:
            self._by_hand("DELETE", path, {})
        else:
            self._by_hand("POST", path, {"cancel_at_period_end": not found["cancel_at_period_end"]})

    def schedule(self, account_id: str) -> None:
        """Somebody attaches a schedule, or takes away what drives the subscription."""
        found = self.subscription(account_id)
        if found is None:
            return
        self.touched.add(account_id)
        if found["schedule"] is None:
            self._by_hand("POST", "/v1/subscription_schedules", {"from_subscription": found["id"]})
        else:
            self._by_hand("POST", f"/v1/subscription_schedules/{found['schedule']}/release", {})

    def archive(self, account_id: str, *, active: bool) -> None:
        """Somebody archives the price of the last item, or takes it back."""
        found = self.subscription(account_id)
        if found is not None:
            price = found["items"]["data"][-1]["price"]["id"]
            self._by_hand("POST", f"/v1/prices/{price}", {"active": active})

    def give_back(self, account_id: str, *, dispute: bool) -> None:
        """The last payment is refunded, or disputed."""
        charges = [
            each
            for each in self.table("charge")
            if each["customer"] == self.customers[account_id] and each["paid"]
        ]
        if charges:
            newest = charges[-1]["id"]
            if dispute:
                self._act(act="dispute", charge=newest)
            else:
                self._by_hand("POST", "/v1/refunds", {"charge": newest})

    def by_hand(self, account_id: str, what: int, number: int) -> None:
        """One of the edits above."""
        match what:
            case 0 | 1:
                self.edit_seats(account_id, number, invoice=what == 0)
            case 2 | 3:
                self.end(account_id, at_once=what == 2)
            case 4:
                self.schedule(account_id)
            case 5:
                self.archive(account_id, active=number % 2 == 0)
            case 6 | 7:
                self.give_back(account_id, dispute=what == 6)
            case _:
                self.credit(account_id, number * 100)

    def harmless(self, account_id: str, number: int) -> None:
        """Something that is nobody's business but theirs."""
        if number % 3:
            self.note(account_id, f"note {number}")
        else:
            self.credit(account_id, number * 100)

    # ---- the bank

    def card(self, account_id: str, outcome: str) -> None:
        """The bank changes its mind about the account's card."""
        for card in self.table("payment_method"):
            if card["customer"] == self.customers[account_id]:
                self._act(act="set_card", payment_method=card["id"], outcome=outcome)

    def answer_bank(self, account_id: str, *, yes: bool) -> None:
        """The payer answers what the bank asks."""
        for invoice in self.table("invoice"):
            if invoice["status"] == "open" and invoice["customer"] == self.customers[account_id]:
                self._act(
                    act="complete_authentication" if yes else "fail_authentication", invoice=invoice["id"]
                )
                return

    # ---- the books

    def table(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, the oldest first."""
        return list(self.stage.twin.world.store[kind].docs.values())

    def subscription(self, account_id: str) -> dict[str, Any] | None:
        """The account's living subscription as the API shows it."""
        living = [
            each
            for each in self.table("subscription")
            if each["customer"] == self.customers[account_id]
            and each["status"] not in ("canceled", "incomplete_expired")
        ]
        return self.shown(f"/v1/subscriptions/{living[-1]['id']}") if living else None

    def period_end(self, account_id: str) -> int | None:
        """When it renews next."""
        found = self.subscription(account_id)
        return min(each["current_period_end"] for each in found["items"]["data"]) if found else None

    def effects(self) -> list[Effect]:
        """The twin's own book of what happened."""
        return self.stage.twin.world.ledger.effects

    def shown(self, path: str) -> dict[str, Any]:
        """An object as the API shows it."""
        shown: dict[str, Any] = msgspec.json.decode(run_by_hand(self.stage.twin, "GET", path, {}).body)
        return shown

    def _by_hand(self, method: str, path: str, params: dict[str, Any]) -> bool:
        """An edit in the dashboard, which Stripe may refuse."""
        try:
            run_by_hand(self.stage.twin, method, path, params)
        except ApiError:
            return False
        return True

    def _act(self, **body: Any) -> None:
        try:
            act(self.stage.twin, body)
        except ApiError:
            return
        finally:
            self.stage.twin.world.rest()
