"""An account buys for the first time: quote, confirm, applied, settled."""

from __future__ import annotations

from tests.flows.world import MARKETING, World


async def test_quote_shows_full_price_today_and_from_now_on(world: World) -> None:
    """A first purchase costs one whole interval today and the same from now on."""
    await world.sell(MARKETING)
    await world.account()
    quote = await world.quote(MARKETING.to_json())
    price = world.billing.catalog.recurring_minor(MARKETING, "usd")
    assert {"amount_minor": price, "currency": "usd"} == quote["due_today"]
    assert price == quote["from_now_on"]["amount"]["amount_minor"]
    assert price == sum(line["amount_minor"] for line in quote["due_today_lines"])
    assert 0 == quote["estimate_difference_minor"]


async def test_confirm_charges_exactly_the_quote(world: World) -> None:
    """The change settles with the quoted amount charged and a difference of 0."""
    change = await world.buy()
    now = change["now"]
    assert "settled" == change["state"]
    assert now["quoted"] == now["charged"]
    assert 0 == now["difference_minor"]


async def test_account_has_its_terms_and_stripe_has_its_items(world: World) -> None:
    """After the purchase our terms, the entitlements and Stripe's items say the same."""
    await world.buy()
    account = await world.view()
    assert MARKETING.to_json() == account["terms"] == account["entitled"]
    items = world.billing.catalog.items_for(MARKETING, "usd")
    assert {slot.key: quantity for slot, quantity in items.items()} == await world.items()


async def test_one_effect_in_the_ledger(world: World) -> None:
    """Stripe saw one subscription and one charge for the change."""
    change = await world.buy()
    assert 1 == len(await world.effects(change["id"], "subscription_created"))
    assert 1 == len(await world.effects(change["id"], "charge"))


async def test_webhook_wakes_the_settling(world: World) -> None:
    """The change settled because its events came back, not because a timer ran out."""
    change = await world.buy()
    settle = next(step for step in change["steps"] if step["step"] == "settle")
    assert "event" == settle["detail"]["woken_by"]


async def test_only_the_primary_admin_may_confirm(world: World) -> None:
    """Somebody else gets 403 and nothing is written."""
    await world.sell(MARKETING)
    await world.account()
    quote = await world.quote(MARKETING.to_json())
    said = await world.call("POST", f"/v1/quotes/{quote['id']}/confirm", {"actor": "mallory"})
    assert (403, "not_billing_admin") == (said.status, said.body["code"])
    assert [] == (await world.call("GET", "/v1/changes")).body["data"]


async def test_declined_first_purchase_leaves_nothing_payable(world: World) -> None:
    """A declined card: 402, no terms, and no invoice that could still be paid."""
    await world.sell(MARKETING)
    await world.account(card="pm_card_chargeCustomerFail")
    said = await world.confirm(await world.quote(MARKETING.to_json()))
    assert (402, "payment_declined") == (said.status, said.body["code"])
    customer = (await world.view())["stripe_customer_id"]
    invoices = (await world.stripe("GET", "/v1/invoices", customer=customer))["data"]
    assert {"void"} == {invoice["status"] for invoice in invoices}
    assert (await world.view())["terms"] is None
