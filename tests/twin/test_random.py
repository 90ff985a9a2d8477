"""Random requests and jumps in time: the twin never fails, and its books always balance."""

from __future__ import annotations

import logging

import pytest

from tests.twin.random_requests import Dice
from tests.twin.test_properties import do
from worker.twin.errors import ApiError
from worker.twin.world import World

STEPS = 120
MAY_DECLINE = ("invoice_pay", "invoice_finalize_invoice")


@pytest.mark.parametrize("seed", range(12))
def test_the_books_balance_whatever_happens(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal has no effect, due work never fails, and every invariant holds after every step."""
    dice = Dice(seed)
    with caplog.at_level(logging.ERROR):
        for _ in range(STEPS):
            if dice.pick.random() < 0.1:
                dice.pass_time()
            else:
                step(dice)
            check(dice.world)
    assert caplog.records == []


def step(dice: Dice) -> None:
    """One request; what Stripe would refuse is refused without an effect."""
    operation, ids, params = dice.next()
    before = len(dice.world.ledger.effects)
    try:
        do(dice.world, operation, *ids, **params)
    except ApiError:
        assert operation in MAY_DECLINE or len(dice.world.ledger.effects) == before


def check(world: World) -> None:
    """Balances are their moves, pending updates have an open invoice, periods are not in the past."""
    for customer in world.store["customer"].docs.values():
        moves = world.store["customer_balance_transaction"].by("customer", customer["id"])
        assert sum(m["amount"] for m in moves) == customer["balance"]
    for subscription in world.store["subscription"].docs.values():
        held = world.facts.subscriptions[subscription["id"]].pending
        assert (held is None) == (subscription["pending_update"] is None)
        if held is not None:
            assert world.store["invoice"].docs[held.invoice]["status"] in ("open", "uncollectible")
        if subscription["status"] in ("active", "past_due"):
            assert min(i["current_period_end"] for i in subscription["items"]["data"]) >= world.clock.now()
    for invoice in world.store["invoice"].docs.values():
        assert invoice["subtotal"] == sum(line["amount"] for line in invoice["lines"]["data"])
        assert invoice["status"] != "paid" or invoice["amount_remaining"] == 0


def test_one_seed_gives_one_history() -> None:
    """The same seed and the same requests give the same ids, effects and events, byte for byte."""
    first, second = Dice(5), Dice(5)
    for _ in range(60):
        step(first)
        step(second)
    assert first.world.ledger.effects == second.world.ledger.effects
    for kind, table in first.world.store.tables.items():
        assert table.docs == second.world.store[kind].docs
