"""What stands in the way of a change, as it stands at Stripe: refused in words, and nothing is charged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.world import MARKETING, World


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


async def test_refunded_period_is_not_credited(mid: World) -> None:
    """The current invoice was refunded; crediting its unused time would be a gift."""
    [charge] = (await mid.stripe("GET", "/v1/charges"))["data"]
    await mid.stripe("POST", "/v1/refunds", charge=charge["id"])
    assert ["needs_request"] == await _refusals(mid)


async def test_partly_refunded_increase_is_not_credited(mid: World) -> None:
    """Its debit would be credited in full, whatever was given back of it."""
    await mid.change({"seats": 8})
    newest = (await mid.stripe("GET", "/v1/charges"))["data"][0]
    await mid.stripe("POST", "/v1/refunds", charge=newest["id"], amount=100)
    assert ["needs_request"] == await _refusals(mid, seats=9)


async def test_disputed_period_is_not_credited(mid: World) -> None:
    """The bank may take the money back."""
    [charge] = (await mid.stripe("GET", "/v1/charges"))["data"]
    await mid.control("POST", "dashboard", {"act": "dispute", "charge": charge["id"]})
    assert ["needs_request"] == await _refusals(mid)


async def test_credited_period_is_not_credited_again(mid: World) -> None:
    """A credit note has given a part of the period back already."""
    [invoice] = await mid.invoices()
    await mid.stripe("POST", "/v1/credit_notes", invoice=invoice["id"], amount=500, credit_amount=500)
    assert ["needs_request"] == await _refusals(mid)


async def test_refund_of_something_else_is_no_obstacle(mid: World) -> None:
    """A one-time invoice of the same customer was refunded: the period is paid all the same."""
    customer = (await mid.view())["stripe_customer_id"]
    await mid.stripe("POST", "/v1/invoiceitems", customer=customer, amount=700, currency="usd")
    invoice = await mid.stripe(
        "POST", "/v1/invoices", customer=customer, pending_invoice_items_behavior="include"
    )
    await mid.stripe("POST", f"/v1/invoices/{invoice['id']}/pay")
    [charge] = [each for each in (await mid.stripe("GET", "/v1/charges"))["data"] if each["amount"] == 700]
    await mid.stripe("POST", "/v1/refunds", charge=charge["id"])
    assert [] == await _refusals(mid)


async def test_refund_of_an_earlier_period_is_no_obstacle(mid: World) -> None:
    """Only what the present period was paid with is credited."""
    [charge] = (await mid.stripe("GET", "/v1/charges"))["data"]
    await mid.stripe("POST", "/v1/refunds", charge=charge["id"])
    await _pass_renewal(mid, 7200)
    assert [] == await _refusals(mid)


async def test_refund_after_the_quote_makes_it_stale(mid: World) -> None:
    """The credit was right when it was quoted, and is a gift now."""
    quote = await mid.quote({"seats": 8})
    [charge] = (await mid.stripe("GET", "/v1/charges"))["data"]
    await mid.stripe("POST", "/v1/refunds", charge=charge["id"])
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])


async def test_draft_renewal_blocks_although_another_invoice_is_newer(mid: World) -> None:
    """It is the latest cycle invoice that counts; an edit by hand in its draft hour does not hide it."""
    await _pass_renewal(mid, 600)
    assert ["renewal_unpaid"] == await _refusals(mid)
    subscription = await mid.subscription()
    item = next(each for each in subscription["items"]["data"] if "seats" in each["price"]["lookup_key"])
    for quantity in (item["quantity"] + 1, item["quantity"]):
        edit = {"items[0][id]": item["id"], "items[0][quantity]": quantity}
        path = f"/v1/subscriptions/{subscription['id']}"
        await mid.stripe("POST", path, proration_behavior="always_invoice", **edit)
    assert "subscription_update" == (await mid.invoices())[0]["billing_reason"]
    assert ["renewal_unpaid"] == await _refusals(mid)


async def test_no_bank_confirmation_is_started_minutes_before_the_renewal(mid: World) -> None:
    """None is started in the last 30 minutes of a period: nobody knows before whether the bank will ask."""
    # A minute, because the clock also goes on while we ask.
    await _pass_renewal(mid, -1860)
    assert [] == await _refusals(mid)
    await mid.pass_time(60)
    assert ["renewal_near"] == await _refusals(mid)


async def test_quote_ends_where_the_last_minutes_begin(mid: World) -> None:
    """A quote of half an hour and a minute before the renewal is stale a minute later."""
    await _pass_renewal(mid, -1860)
    quote = await mid.quote({"seats": 8})
    await mid.pass_time(60)
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert ["renewal_near"] == [each["code"] for each in said.body["new_quote"]["refusals"]]


async def test_card_of_the_subscription_counts(mid: World) -> None:
    """Stripe charges the subscription's own default card first; without one on the customer it is enough."""
    customer = (await mid.view())["stripe_customer_id"]
    subscription = (await mid.subscription())["id"]
    [method] = (await mid.stripe("GET", f"/v1/customers/{customer}/payment_methods"))["data"]
    await mid.stripe("POST", f"/v1/subscriptions/{subscription}", default_payment_method=method["id"])
    none = {"invoice_settings[default_payment_method]": ""}
    await mid.stripe("POST", f"/v1/customers/{customer}", **none)
    change = await mid.change({"seats": 8})
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])


async def test_second_subscription_is_not_sold(world: World) -> None:
    """Somebody gave the customer a subscription at Stripe, so a first purchase would be a second one."""
    await world.sell(MARKETING)
    await world.account()
    quote = await world.quote(MARKETING.to_json())
    await _subscribe(world)
    said = await world.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert ["subscription_exists"] == [each["code"] for each in said.body["new_quote"]["refusals"]]


async def _subscribe(world: World) -> None:
    customer = (await world.view())["stripe_customer_id"]
    prices = (await world.stripe("GET", "/v1/prices"))["data"]
    await world.stripe("POST", "/v1/subscriptions", customer=customer, **{"items[0][price]": prices[0]["id"]})


async def _refusals(world: World, seats: int = 8) -> list[str]:
    """The codes that a quote for more seats answers with."""
    quote: dict[str, Any] = await world.quote({"seats": seats})
    return [each["code"] for each in quote["refusals"]]


async def _pass_renewal(world: World, after_seconds: int) -> None:
    """Move the clock to so many seconds after the present period's end; negative is before it."""
    end = (await world.subscription())["items"]["data"][0]["current_period_end"]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(end + after_seconds - now)
