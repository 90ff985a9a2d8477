"""What must hold for any sequence of changes, straight on the engine, without HTTP."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.api import MONTH, NOVEMBER
from worker.twin import contract, forms
from worker.twin.engine import execute, new_world
from worker.twin.world import Call, World

AMOUNTS = (999, 2000, 12345)
STEPS = st.lists(
    st.tuples(st.integers(1, MONTH), st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=8
)


def do(world: World, operation: str, *ids: str, **params: Any) -> dict[str, Any]:
    """One request, through the same contract as over HTTP."""
    typed, problems = contract.decode(operation, forms.flatten(params))
    assert problems == []
    return execute(world, Call(operation, ids, typed))


def account() -> tuple[World, list[str], dict[str, Any]]:
    """A world, three prices, and a subscription of one item from the first of November, on a frozen clock."""
    world = new_world()
    prices = [price(world, amount) for amount in AMOUNTS]
    clock = do(world, "test_helpers.test_clock_create", frozen_time=NOVEMBER)["id"]
    card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    customer = do(world, "customer_create", test_clock=clock, **card)["id"]
    items = [{"price": prices[0], "quantity": 3}]
    return world, prices, do(world, "subscription_create", customer=customer, items=items)


def price(world: World, amount: int) -> str:
    """A monthly price with a product of its own."""
    every = {"currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"}}
    return str(do(world, "price_create", product_data={"name": str(amount)}, **every)["id"])


def lines_of(world: World) -> list[dict[str, Any]]:
    """Every line ever invoiced."""
    return [line for i in world.store["invoice"].docs.values() for line in i["lines"]["data"]]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_sum_of_all_lines_is_the_price_of_the_time_used(steps: list[tuple[int, int, int]]) -> None:
    """However often a plan changes, what was billed is each price for its time."""
    world, prices, subscription = account()
    item, used, last = subscription["items"]["data"][0]["id"], Fraction(0), NOVEMBER
    rate, end = 3 * AMOUNTS[0], NOVEMBER + MONTH
    for offset, which, quantity in sorted(steps):
        at = min(NOVEMBER + offset, end)
        used, last = used + Fraction(rate * (at - last), MONTH), at
        change = [{"id": item, "price": prices[which], "quantity": quantity}]
        always = {"proration_behavior": "always_invoice", "proration_date": at}
        do(world, "subscription_update", subscription["id"], items=change, **always)
        rate = AMOUNTS[which] * quantity
    used += Fraction(rate * (end - last), MONTH)
    lines = lines_of(world)
    assert abs(sum(line["amount"] for line in lines) - used) <= Fraction(len(lines), 2)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(-30000, 30000))
def test_previews_are_exact_whatever_came_before(steps: list[tuple[int, int, int]], balance: int) -> None:
    """Total, amount due, balance and every line of a preview are those of the invoice that follows."""
    world, prices, subscription = account()
    do(world, "customer_update", subscription["customer"], balance=balance)
    item = subscription["items"]["data"][0]["id"]
    for offset, which, quantity in steps:
        change = [{"id": item, "price": prices[which], "quantity": quantity}]
        details = {
            "items": change,
            "proration_behavior": "always_invoice",
            "proration_date": NOVEMBER + offset,
        }
        seen = do(
            world, "invoice_create_preview", subscription=subscription["id"], subscription_details=details
        )
        before = len(world.store["invoice"].docs)
        do(world, "subscription_update", subscription["id"], **details)
        if len(world.store["invoice"].docs) > before:
            made = list(world.store["invoice"].docs.values())[-1]
            assert essence(seen) == essence(made)


def essence(invoice: dict[str, Any]) -> Any:
    """What a buyer is shown and charged."""
    lines = [(line["amount"], line["description"], line["period"]) for line in invoice["lines"]["data"]]
    return lines, invoice["total"], invoice["amount_due"], invoice["starting_balance"]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_money_is_conserved(steps: list[tuple[int, int, int]]) -> None:
    """What was charged is what was invoiced less what stands on the balance."""
    world, prices, subscription = account()
    item = subscription["items"]["data"][0]["id"]
    for offset, which, quantity in steps:
        change = [{"id": item, "price": prices[which], "quantity": quantity}]
        always = {"proration_behavior": "always_invoice", "proration_date": NOVEMBER + offset}
        do(world, "subscription_update", subscription["id"], items=change, **always)
    invoices = world.store["invoice"].docs.values()
    charged = sum(e.amount_minor for e in world.ledger.read(kind="charge"))
    balance = world.store["customer"].docs[subscription["customer"]]["balance"]
    assert sum(i["total"] for i in invoices) == charged + balance
    assert all(i["total"] == sum(line["amount"] for line in i["lines"]["data"]) for i in invoices)
