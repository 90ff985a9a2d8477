"""The check of the books itself: sound after real work, and it notices each kind of loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.twin.conservation import check
from tests.twin.test_properties import account as subscribed
from tests.twin.test_properties import do
from worker.twin.world import World


def newest(world: World, kind: str) -> dict[str, Any]:
    """The newest object of a kind."""
    return next(world.store[kind].newest_first({}))


def account() -> World:
    """A paid subscription, one refund, one credit note, one move of a balance."""
    world, _, _ = subscribed()
    charge, invoice = newest(world, "charge"), newest(world, "invoice")
    do(world, "refund_create", charge=charge["id"], amount=100)
    do(world, "credit_note_create", invoice=invoice["id"], amount=200, credit_amount=200)
    do(world, "customer_update", invoice["customer"], balance=-500)
    return world


def test_sound_books_have_no_problem() -> None:
    """Payments, a refund, a credit note and a balance add up."""
    assert check(account()) == []


LOSSES: list[tuple[str, str, Callable[[dict[str, Any]], None]]] = [
    ("customer", "balance", lambda d: d.update(balance=d["balance"] + 1)),
    ("customer_balance_transaction", "ending_balance", lambda d: d.update(ending_balance=7)),
    ("invoice", "total", lambda d: d.update(total=d["total"] + 1)),
    ("invoice", "amount_paid", lambda d: d.update(amount_paid=d["amount_paid"] - 1)),
    ("invoice", "ending_balance", lambda d: d.update(ending_balance=d["ending_balance"] - 1)),
    ("payment_intent", "received", lambda d: d.update(amount_received=d["amount_received"] - 1)),
    ("invoice_payment", "paid", lambda d: d.update(amount_paid=d["amount_paid"] + 1)),
    ("charge", "amount_refunded", lambda d: d.update(amount_refunded=d["amount_refunded"] + 1)),
    ("refund", "amount", lambda d: d.update(amount=d["amount"] + 1)),
    ("credit_note", "post_payment", lambda d: d.update(post_payment_amount=d["post_payment_amount"] + 1)),
]


@pytest.mark.parametrize(("kind", "name", "lose"), LOSSES, ids=[f"{k}-{n}" for k, n, _ in LOSSES])
def test_one_cent_is_noticed(kind: str, name: str, lose: Callable[[dict[str, Any]], None]) -> None:
    """A cent too much or too little anywhere is a problem."""
    world = account()
    lose(newest(world, kind))
    assert check(world) != []
