"""Payment methods from test tokens, whose they are, and what their bank says to a payment."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import tokens
from worker.twin.billing.tokens import ACTION, DEBIT, GOOD
from worker.twin.errors import card_declined, missing
from worker.twin.store import Doc
from worker.twin.templates import customer as templates
from worker.twin.world import World

__all__ = [
    "ACTION", "DEBIT", "GOOD", "attach", "authenticated", "is_token", "method_for", "mint", "mint_bank",
    "needs_days", "outcome_of", "sequel_of",
]  # fmt: skip


def is_token(object_id: str) -> bool:
    """Whether this is one of Stripe's shared test tokens rather than an object."""
    return object_id.startswith(("pm_card_", "tok_", "pm_usBankAccount_", "pm_sepaDebit_"))


def mint(world: World, token: str, created: int, param: str = "payment_method") -> Doc:
    """A fresh payment method from a test token; `resource_missing` for a token that Stripe does not know."""
    found = tokens.bank(token)
    if found is not None:
        return mint_bank(world, *found, created)
    card = tokens.card(token)
    prefix = "card" if token.startswith("tok_") else "pm"
    if card is None:
        raise missing("PaymentMethod" if prefix == "pm" else "token", token, param)
    made = templates.payment_method(
        world.ids.new(prefix, 20), created, card.brand, card.number[-4:], world.ids.letters(16)
    )
    made["card"]["country"] = card.country
    return _add(world, made, card.outcome, card.sequel)


def mint_bank(world: World, kind: str, bank: tokens.Bank, created: int) -> Doc:
    """A fresh, verified bank account."""
    made = templates.bank_account(world.ids.new("pm", 20), created, kind, bank.account, world.ids.letters(16))
    return _add(world, made, f"{DEBIT}:{bank.failure}", bank.sequel)


def _add(world: World, made: Doc, outcome: str, sequel: str) -> Doc:
    world.facts.cards[made["id"]] = outcome
    if sequel:
        world.facts.sequels[made["id"]] = sequel
    return world.store.add("payment_method", made)


def attach(world: World, card: Doc, customer: Doc) -> Doc:
    """Give the payment method to a customer."""
    outcome = world.facts.cards[card["id"]]
    if world.account.refuse_declining_cards_on_attach and _declines_at_once(card, outcome):
        raise card_declined(outcome)
    old = card["customer"]
    card["customer"] = customer["id"]
    world.store["payment_method"].refile(card, "customer", old)
    world.events.emit("payment_method.attached", card)
    return card


def _declines_at_once(card: Doc, outcome: str) -> bool:
    """All declining test cards but one, which is made for failing later (docs "Testing")."""
    harmless = (GOOD, ACTION, tokens.ON_SESSION, tokens.UNLESS_SET_UP)
    return card["type"] == "card" and card["card"]["last4"] != "0341" and outcome not in harmless


def method_for(world: World, invoice: Doc, subscription: Doc | None, given: str | None = None) -> Doc | None:
    """How an invoice will be paid: as given, else by invoice, subscription, customer, in this order."""
    customer = world.store["customer"].docs[invoice["customer"]]
    places: list[Any] = [given, invoice["default_payment_method"], invoice["default_source"]]
    if subscription is not None:
        places += [subscription["default_payment_method"], subscription["default_source"]]
    places += [customer["invoice_settings"]["default_payment_method"], customer["default_source"]]
    found = next((p for p in places if p), None)
    method = world.store["payment_method"].docs.get(found) if found else None
    return None if method is None or method["id"] in world.facts.detached else method


def outcome_of(world: World, method: Doc | None) -> str:
    """GOOD, ACTION or DEBIT (perhaps with what follows), a decline code, or "" without a payment method."""
    if method is None:
        return ""
    outcome = world.facts.cards[method["id"]]
    if outcome == tokens.UNLESS_SET_UP:
        return ACTION
    if outcome == tokens.ON_SESSION:
        return ACTION if _customer_is_there(world) else GOOD
    return outcome


def _customer_is_there(world: World) -> bool:
    """A payment within a request is on session, unless it says otherwise; a renewal never is."""
    return world.call is not None and not world.call.params.get("off_session")


def authenticated(world: World, method: Doc) -> None:
    """A payment after 3-D Secure sets the card up for later payments without the customer."""
    if world.facts.cards[method["id"]] == tokens.UNLESS_SET_UP:
        world.facts.cards[method["id"]] = tokens.ON_SESSION


def needs_days(world: World, method: Doc | None) -> bool:
    """Whether a payment stays `processing` for days (bank debits)."""
    return method is not None and method["type"] != "card"


def sequel_of(world: World, method_id: str | None) -> str:
    """What follows a payment that succeeded: a dispute, refunds that fail, funds that are there at once."""
    return world.facts.sequels.get(method_id or "", "")
