"""A cart of several increases: one quote, one call, one invoice."""

from __future__ import annotations

from typing import Any

from tests.flows.bought import assert_bought
from tests.flows.world import World

CART: dict[str, Any] = {"tier": "pro", "contact_limit": 5000, "seats": 9, "add_ons": {"sms": 2}}


async def test_four_increases_are_charged_as_quoted(stocked: World) -> None:
    """Tier, contacts, seats and an add-on together."""
    await assert_bought(stocked, CART)


async def test_a_cart_is_one_invoice(stocked: World) -> None:
    """However much is in it: one invoice and one charge."""
    before = len(await stocked.invoices())
    change = await stocked.change(CART)
    assert before + 1 == len(await stocked.invoices())
    assert 1 == len(await stocked.effects(change["id"], "charge"))


async def test_the_estimate_is_the_quote_without_asking_stripe(stocked: World) -> None:
    """The slider's estimate equals the quote of the same second."""
    # The quote comes first: Stripe's clock was moved, and only an answer of Stripe's tells.
    quote = await stocked.quote(CART)
    said = await stocked.call("POST", "/v1/accounts/acme/estimates", {"terms": CART})
    assert abs(said.body["due_today"]["amount_minor"] - quote["due_today"]["amount_minor"]) <= 1
    assert said.body["from_now_on"] == quote["from_now_on"]
