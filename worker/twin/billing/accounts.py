"""What a customer has with the account: its currency, and its balance (negative for a credit).

Source: docs "Customer credit balance".
"""

from __future__ import annotations

from typing import Any

from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import customer as customer_templates
from worker.twin.world import World


def set_currency(world: World, customer: Doc, currency: str) -> None:
    """The first use of a currency makes it the customer's, which is an update of the customer.

    Seen by users: `customer.updated` right after `customer.created` (stripe-python issues).
    """
    if customer["currency"] is None:
        before = snapshot(customer)
        customer["currency"] = currency
        world.events.updated("customer.updated", customer, before)


def move_balance(
    world: World,
    customer: Doc,
    amount: int,
    kind: str,
    invoice: Doc | None,
    currency: str = "",
    **fields: Any,
) -> Doc:
    """Change the customer's balance by `amount` minor units (negative: a credit); `fields` go to it."""
    before = snapshot(customer)
    customer["balance"] += amount
    currency = invoice["currency"] if invoice else currency or customer["currency"] or "usd"
    customer["currency"] = customer["currency"] or currency
    now = world.now_for(customer["id"])
    transaction = customer_templates.balance_transaction(
        world.ids.new("cbtxn", 20), now, customer, amount, kind, invoice["id"] if invoice else None, currency
    )
    transaction.update(fields)
    world.store.add("customer_balance_transaction", transaction)
    world.events.updated("customer.updated", customer, before)
    facts = world.facts.invoices.get(invoice["id"]) if invoice else None
    subscription = facts.subscription if facts else None
    world.effect("balance_moved", transaction, amount, facts.origin if facts else None, subscription)
    return transaction
