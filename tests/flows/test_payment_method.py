"""Without a usable card: refused in words, with a link to Stripe's page where a card is given."""

from __future__ import annotations

import pytest

from tests.flows.world import ADMIN, MARKETING, Said, World

LINK = "/v1/accounts/acme/payment-method-link"


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


async def link(world: World, actor: str = ADMIN, **more: str) -> Said:
    return await world.call("POST", LINK, {"actor": actor, **more})


async def give_card(world: World, card: str) -> None:
    """Open the link and choose a card on Stripe's page."""
    url = (await link(world)).body["url"]
    async with world.client.post(url, data={"payment_method": card}) as answer:
        assert answer.status == 200


async def remove_card(world: World) -> None:
    customer = (await world.view())["stripe_customer_id"]
    for method in (await world.stripe("GET", f"/v1/customers/{customer}/payment_methods"))["data"]:
        await world.stripe("POST", f"/v1/payment_methods/{method['id']}/detach")


async def test_no_card_then_a_card_then_paid(mid: World) -> None:
    """Refused while there is none; with the card of Stripe's page the same wish is paid."""
    await remove_card(mid)
    refused = await mid.quote({"seats": 8})
    assert ["payment_method_missing"] == [each["code"] for each in refused["refusals"]]
    assert (await mid.confirm(refused)).body["code"] == "payment_method_missing"

    await give_card(mid, "pm_card_visa")
    change = await mid.change({"seats": 8})
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])


async def test_first_purchase_without_a_card(world: World) -> None:
    """The very first purchase, too, and no subscription is made."""
    await world.sell(MARKETING)
    await world.account()
    await remove_card(world)
    said = await world.confirm(await world.quote(MARKETING.to_json()))
    assert (402, "payment_method_missing") == (said.status, said.body["code"])
    assert (await world.stripe("GET", "/v1/subscriptions", status="all"))["data"] == []


@pytest.mark.parametrize(
    "card",
    [
        "pm_card_chargeCustomerFail",
        "pm_card_chargeDeclined",
        "pm_card_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedExpiredCard",
    ],
)
async def test_a_card_that_does_not_pay(mid: World, card: str) -> None:
    """Declined, no funds, expired: nothing changes, nothing can be paid later, and a better card buys it."""
    await mid.card(card)
    before = await mid.items()
    said = await mid.confirm(await mid.quote({"seats": 8}))
    assert (402, "payment_declined") == (said.status, said.body["code"])
    assert before == await mid.items()
    assert {"paid", "void"} == {invoice["status"] for invoice in await mid.invoices()}

    await give_card(mid, "pm_card_visa")
    assert "settled" == (await mid.change({"seats": 8}))["state"]


async def test_what_costs_nothing_today_needs_no_card(mid: World) -> None:
    """A balance that pays for everything is enough."""
    await remove_card(mid)
    customer = (await mid.view())["stripe_customer_id"]
    await mid.stripe("POST", f"/v1/customers/{customer}/balance_transactions", amount=-90_000, currency="usd")
    quote = await mid.quote({"seats": 8})
    assert (0, []) == (quote["due_today"]["amount_minor"], quote["refusals"])
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])


async def test_the_link_leads_back(mid: World) -> None:
    """The page knows where to go afterwards; anything but a web address is refused."""
    assert 200 == (await link(mid, return_url="https://app.example/billing")).status
    assert 400 == (await link(mid, return_url="javascript:alert(1)")).status


async def test_only_the_admin_gets_the_link(mid: World) -> None:
    """Whoever may not buy may not give the card either."""
    said = await link(mid, actor="mallory")
    assert (403, "not_billing_admin") == (said.status, said.body["code"])


async def test_a_deleted_customer_has_no_page(mid: World) -> None:
    """A clear no, and never a 500."""
    path = f"/v1/customers/{(await mid.view())['stripe_customer_id']}"
    await mid.control("POST", "dashboard", {"method": "DELETE", "path": path})
    said = await link(mid)
    assert (409, "account_parked") == (said.status, said.body["code"])
