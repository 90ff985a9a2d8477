"""Amounts and words that are not true, and guards that do not guard."""

from __future__ import annotations

import asyncio

from tests.flows.world import ADMIN, MARKETING
from tests.review.conftest import Hands


async def test_next_invoice_counts_waiting_items_once(mid: Hands) -> None:
    """An older item that rides on today's invoice is not on the next one as well."""
    customer = (await mid.world.view())["stripe_customer_id"]
    subscription = (await mid.world.subscription())["id"]
    await mid.world.stripe(
        "POST", "/v1/invoiceitems", customer=customer, subscription=subscription, amount=9900, currency="usd"
    )
    quote = await mid.world.quote({"seats": 8})
    assert 9900 in [line["amount_minor"] for line in quote["due_today_lines"] if line["kind"] == "pending"]
    assert quote["next_invoice"]["amount"] == quote["from_now_on"]["amount"]


async def test_declined_first_purchase_does_not_swallow_waiting_items(hands: Hands) -> None:
    """D17: a voided invoice takes the customer's older items with it, so it must not be made."""
    await hands.world.sell(MARKETING)
    await hands.world.account(card="pm_card_chargeCustomerFail")
    customer = (await hands.world.view())["stripe_customer_id"]
    await hands.world.stripe("POST", "/v1/invoiceitems", customer=customer, amount=9900, currency="usd")
    quote = await hands.world.quote(MARKETING.to_json())
    change = await hands.step(await hands.confirm(quote))
    assert "failed" == change["state"]
    waiting = await hands.world.stripe("GET", "/v1/invoiceitems", customer=customer, pending="true")
    assert [9900] == [item["amount"] for item in waiting["data"]]


async def test_first_purchase_shows_waiting_items_as_such(hands: Hands) -> None:
    """The contract's `pending` kind holds for a first purchase too."""
    await hands.world.sell(MARKETING)
    await hands.world.account()
    customer = (await hands.world.view())["stripe_customer_id"]
    await hands.world.stripe("POST", "/v1/invoiceitems", customer=customer, amount=9900, currency="usd")
    quote = await hands.world.quote(MARKETING.to_json())
    kinds = {line["amount_minor"]: line["kind"] for line in quote["due_today_lines"]}
    assert kinds.get(9900) in (None, "pending"), kinds


async def test_demoted_admin_cannot_confirm(mid: Hands) -> None:
    """S4: the actor is the primary admin when the intent is committed, not only when the request came."""
    quote = await mid.world.quote({"seats": 8})
    await mid.fault(method="POST", path="/v1/invoices/create_preview", slow_seconds=1.0)
    confirming = asyncio.create_task(
        mid.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    )
    await asyncio.sleep(0.4)
    await mid.world.call(
        "PUT", "/v1/accounts/acme/primary-admin", {"user_id": "bob", "email": "bob@acme.example"}
    )
    said = await confirming
    assert 403 == said.status, said.body


async def test_linked_customer_is_not_sold_a_second_subscription(hands: Hands) -> None:
    """A linked customer that already pays a subscription of our catalog must be adopted, not sold to again."""
    await hands.buy()
    customer = (await hands.world.view())["stripe_customer_id"]
    # The same customer in a fresh installation, as after a restore or a move.
    await hands.world.billing.pool.execute("UPDATE account SET stripe_customer_id = NULL WHERE id = 'acme'")
    body = {
        "account_id": "linked", "email": "b@acme.example", "name": "Acme", "locale": "en", "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"}, "stripe_customer_id": customer,
    }  # fmt: skip
    assert 200 == (await hands.world.call("POST", "/v1/accounts", body)).status
    quote = await hands.world.quote(MARKETING.to_json(), "linked")
    if quote["refusals"]:
        return
    await hands.step(await hands.confirm(quote))
    alive = (await hands.world.stripe("GET", "/v1/subscriptions", customer=customer, status="active"))["data"]
    assert 1 == len(alive)


async def test_stale_quote_repeats_only_what_was_wished(mid: Hands) -> None:
    """The new quote is for the same wish, not for the old value of everything that changed meanwhile."""
    plus = await mid.world.quote({"contact_limit": 2500})
    if plus["refusals"]:
        await mid.world.sell(MARKETING.__class__("marketing", "plus", 2500, 3))
        plus = await mid.world.quote({"contact_limit": 2500})
    seats = await mid.confirm(await mid.world.quote({"seats": 8}))
    assert (await mid.step(seats))["state"] == "applied"
    await mid.settle(seats)
    said = await mid.world.call("POST", f"/v1/quotes/{plus['id']}/confirm?wait=0", {"actor": ADMIN})
    assert 409 == said.status
    fresh = said.body["new_quote"]
    assert ([], None) == (fresh["refusals"], fresh["at_renewal"])
    assert 8 == fresh["now"]["seats"]


async def test_draft_renewal_blocks_although_another_invoice_is_newer(mid: Hands) -> None:
    """D18 looks at the latest cycle invoice; an edit by hand in its draft hour does not hide it."""
    await mid.world.pass_time(17 * 86_400)
    assert "renewal_unpaid" in [each["code"] for each in (await mid.world.quote({"seats": 8}))["refusals"]]
    subscription = await mid.world.subscription()
    item = next(each for each in subscription["items"]["data"] if "seats" in each["price"]["lookup_key"])
    for quantity in (item["quantity"] + 1, item["quantity"]):
        edit = {"items[0][id]": item["id"], "items[0][quantity]": quantity, "proration_behavior": "always_invoice"}
        await mid.world.stripe("POST", f"/v1/subscriptions/{subscription['id']}", **edit)
    invoices = await mid.world.invoices()
    assert "draft" in [each["status"] for each in invoices if each["billing_reason"] == "subscription_cycle"]
    assert "renewal_unpaid" in [each["code"] for each in (await mid.world.quote({"seats": 8}))["refusals"]]
