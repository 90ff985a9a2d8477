"""The bank asks the payer to confirm: the change waits, and only a payment applies it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.flows.world import ADMIN, MARKETING, Said, World


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


async def test_what_expired_can_never_be_paid(asked: tuple[World, Said]) -> None:
    """After the true expiry that was shown, its invoice is void and nothing was paid."""
    world, said = asked
    until = datetime.fromisoformat(said.body["now"]["payable_until"]).timestamp()
    now = (await world.control("GET", "clock"))["now"]
    assert 22 * 3600 < until - now <= 23 * 3600
    await world.pass_time(int(until - now) + 60)
    await world.settled_after_event(said.body)
    invoice = await world.stripe("GET", f"/v1/invoices/{said.body['now']['stripe_invoice_id']}")
    assert ("void", 0) == (invoice["status"], invoice["amount_paid"])
    assert "settled" == (await _with_good_card(world))["state"]


async def test_failed_confirmation_is_a_decline(asked: tuple[World, Said]) -> None:
    """The payer fails at the bank: nothing is charged, and nobody can pay it later."""
    world, said = asked
    invoice = said.body["now"]["stripe_invoice_id"]
    await world.control("POST", "dashboard", {"act": "fail_authentication", "invoice": invoice})
    change = await world.settled_after_event(said.body)
    assert ("failed", "payment_declined") == (change["state"], change["now"]["reason"])
    assert "void" == (await world.stripe("GET", f"/v1/invoices/{invoice}"))["status"]
    assert 3 == (await world.view())["terms"]["seats"]


async def test_first_purchase_waits_for_the_bank(world: World) -> None:
    """The very first purchase waits, too; paid, it is in force, and there is one subscription."""
    await world.sell(MARKETING)
    await world.account(card="pm_card_authenticationRequired")
    said = await world.confirm(await world.quote(MARKETING.to_json()))
    assert (202, "awaiting_payment") == (said.status, said.body["state"])
    assert ["subscription_incomplete"] == [
        each["code"] for each in (await world.quote(MARKETING.to_json()))["refusals"]
    ]
    invoice = said.body["now"]["stripe_invoice_id"]
    await world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    change = await world.settled_after_event(said.body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert 1 == len((await world.stripe("GET", "/v1/subscriptions"))["data"])


async def _with_good_card(world: World) -> dict[str, Any]:
    await world.card("pm_card_visa")
    return await world.change({"seats": 8})
