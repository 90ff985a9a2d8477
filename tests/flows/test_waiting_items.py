"""Invoice items that wait at Stripe: shown and billed once, or refused, and never lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.world import MARKETING, World


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


async def test_next_invoice_counts_waiting_items_once(mid: World) -> None:
    """An older item that rides on today's invoice is not on the next one as well."""
    await _wait(mid, subscription=(await mid.subscription())["id"])
    await mid.pass_time(60)
    quote = await mid.quote({"seats": 8})
    assert [9900] == _pending(quote)
    assert quote["next_invoice"]["amount"] == quote["from_now_on"]["amount"]


async def test_item_of_the_same_second_is_an_older_one(mid: World) -> None:
    """The list of what waits tells whose a line is, where seconds cannot."""
    await _wait(mid)
    quote = await mid.quote({"seats": 8})
    assert [9900] == _pending(quote)
    assert 0 == quote["estimate_difference_minor"]


async def test_waiting_item_is_charged_as_quoted(mid: World) -> None:
    """Quoted as a line of its own, billed with the change, and the difference is 0."""
    await _wait(mid)
    quote = await mid.quote({"seats": 8})
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert quote["due_today"] == change["now"]["charged"]
    assert [] == await _waiting(mid)


async def test_declined_increase_leaves_the_waiting_item(mid: World) -> None:
    """No invoice is made that would have to be voided together with the older item."""
    await _wait(mid)
    await mid.card("pm_card_chargeCustomerFail")
    before = len(await mid.invoices())
    said = await mid.confirm(await mid.quote({"seats": 8}))
    assert (402, "payment_declined") == (said.status, said.body["code"])
    assert ([9900], before) == (await _waiting(mid), len(await mid.invoices()))


async def test_item_that_comes_after_the_quote_makes_it_stale(mid: World) -> None:
    """What the admin saw had no such line, so it is not charged with it."""
    quote = await mid.quote({"seats": 8})
    await _wait(mid)
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert [9900] == _pending(said.body["new_quote"])


async def test_item_of_another_subscription_stays_out(mid: World) -> None:
    """It waits for that subscription's invoice and is no business of this change."""
    customer = (await mid.view())["stripe_customer_id"]
    price = (await mid.subscription())["items"]["data"][0]["price"]["id"]
    other = await mid.stripe("POST", "/v1/subscriptions", customer=customer, **{"items[0][price]": price})
    await _wait(mid, subscription=other["id"])
    assert [] == _pending(await mid.quote({"seats": 8}))


async def test_first_purchase_charges_what_was_quoted_beside_waiting_items(world: World) -> None:
    """A one-time item of the customer would ride on the first invoice: refused, never a surprise."""
    await world.sell(MARKETING)
    await world.account()
    await _wait(world)
    quote = await world.quote(MARKETING.to_json())
    assert ["pending_items_waiting"] == [each["code"] for each in quote["refusals"]]
    assert None is quote["due_today"]
    said = await world.confirm(quote)
    assert (409, "pending_items_waiting") == (said.status, said.body["code"])


async def test_declined_first_purchase_does_not_swallow_waiting_items(world: World) -> None:
    """A voided invoice takes the customer's older items with it, so it is never made."""
    await world.sell(MARKETING)
    await world.account(card="pm_card_chargeCustomerFail")
    quote = await world.quote(MARKETING.to_json())
    await _wait(world)
    said = await world.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert ["pending_items_waiting"] == [each["code"] for each in said.body["new_quote"]["refusals"]]
    assert [9900] == await _waiting(world)


async def _wait(world: World, **more: str) -> None:
    """Somebody makes an invoice item of 99 dollars."""
    customer = (await world.view())["stripe_customer_id"]
    await world.stripe("POST", "/v1/invoiceitems", customer=customer, amount=9900, currency="usd", **more)


async def _waiting(world: World) -> list[int]:
    customer = (await world.view())["stripe_customer_id"]
    found = await world.stripe("GET", "/v1/invoiceitems", customer=customer, pending="true")
    return [item["amount"] for item in found["data"]]


def _pending(quote: dict[str, Any]) -> list[int]:
    return [line["amount_minor"] for line in quote["due_today_lines"] if line["kind"] == "pending"]
