"""The card is declined: nothing changes, nothing stays payable, and the admin is told why."""

from __future__ import annotations

import pytest

from tests.flows.world import World


@pytest.fixture
async def poor(world: World) -> World:
    """An account whose card is declined from now on."""
    await world.buy()
    await world.pass_time(10 * 86_400)
    await world.card("pm_card_chargeCustomerFail")
    return world


async def test_answer_is_402_with_the_reason(poor: World) -> None:
    """The confirm answers 402 payment_declined and says that nothing was charged."""
    said = await poor.confirm(await poor.quote({"seats": 8}))
    assert (402, "payment_declined") == (said.status, said.body["code"])
    assert "Nothing was changed or charged" in said.body["now"]["detail"]


async def test_open_invoice_is_voided(poor: World) -> None:
    """The invoice of the declined change can never be paid by anybody later."""
    said = await poor.confirm(await poor.quote({"seats": 8}))
    change = await poor.settled(said.body)
    invoice = await poor.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert "void" == invoice["status"]
    assert (await poor.subscription())["pending_update"] is None


async def test_nothing_changed_anywhere(poor: World) -> None:
    """Stripe's items and our terms are those of before."""
    items, terms = await poor.items(), (await poor.view())["terms"]
    await poor.settled((await poor.confirm(await poor.quote({"seats": 8}))).body)
    assert items == await poor.items()
    assert terms == (await poor.view())["terms"]


async def test_another_card_then_works(poor: World) -> None:
    """After a decline a fresh quote with a good card is charged once."""
    await poor.settled((await poor.confirm(await poor.quote({"seats": 8}))).body)
    await poor.card("pm_card_visa")
    change = await poor.change({"seats": 8})
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
