"""The bank asks the payer to confirm: the change waits, and only a payment applies it."""

from __future__ import annotations

import pytest

from tests.flows.world import ADMIN, Said, World


@pytest.fixture
async def asked(world: World) -> tuple[World, Said]:
    """A change that waits for the payer's bank."""
    await world.buy()
    await world.pass_time(10 * 86_400)
    await world.card("pm_card_authenticationRequired")
    return world, await world.confirm(await world.quote({"seats": 8}))


async def test_change_waits_with_link_and_expiry(asked: tuple[World, Said]) -> None:
    """The answer is 202 with the page to open and the time until which it can be paid."""
    _, said = asked
    assert (202, "awaiting_payment") == (said.status, said.body["state"])
    assert said.body["now"]["hosted_invoice_url"].startswith("http")
    assert said.body["now"]["payable_until"]


async def test_entitlements_wait_for_the_payment(asked: tuple[World, Said]) -> None:
    """Nothing is granted before the money is there."""
    world, _ = asked
    assert 3 == (await world.view())["entitled"]["seats"]


async def test_payment_applies_it(asked: tuple[World, Said]) -> None:
    """Once the payer has confirmed, the change settles with the quoted amount."""
    world, said = asked
    invoice = said.body["now"]["stripe_invoice_id"]
    await world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    change = await world.settled_after_event(said.body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert 8 == (await world.view())["entitled"]["seats"]


async def test_withdrawn_change_can_never_be_paid(asked: tuple[World, Said]) -> None:
    """Taking it back voids the invoice and ends the change."""
    world, said = asked
    done = await world.call("POST", f"/v1/changes/{said.body['id']}/withdraw", {"actor": ADMIN})
    assert "withdrawn" == done.body["state"]
    invoice = await world.stripe("GET", f"/v1/invoices/{said.body['now']['stripe_invoice_id']}")
    assert "void" == invoice["status"]


async def test_it_expires_after_23_hours(asked: tuple[World, Said]) -> None:
    """Nobody confirmed in time: the change expires and nothing was charged."""
    world, said = asked
    await world.pass_time(24 * 3600)
    change = await world.settled_after_event(said.body)
    assert "expired" == change["state"]
    assert 3 == (await world.view())["terms"]["seats"]


async def test_second_change_has_to_wait(asked: tuple[World, Said]) -> None:
    """While one change waits for its payment, another one is refused."""
    world, _ = asked
    quote = await world.quote({"seats": 9})
    assert "change_in_progress" in [refusal["code"] for refusal in quote["refusals"]]
