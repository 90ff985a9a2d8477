"""Accounts: one customer each, whatever Stripe says and however often it is asked."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.flows.world import ADMIN, MARKETING, Said, World


async def create(world: World, account_id: str = "acme", **other: Any) -> Said:
    """POST /v1/accounts with some data."""
    body = {
        "account_id": account_id,
        "email": "b@acme.example",
        "name": "Acme",
        "locale": "en",
        "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
        **other,
    }
    return await world.call("POST", "/v1/accounts", body)


async def fail_creation(world: World, **fault: Any) -> None:
    """What goes wrong with the next customer that is created."""
    await world.control("POST", "faults", {"method": "POST", "path": "/v1/customers", **fault})


async def customers(world: World) -> list[dict[str, Any]]:
    """Every customer at Stripe."""
    return list((await world.stripe("GET", "/v1/customers"))["data"])


async def customer_with_card(world: World) -> str:
    """A customer that somebody else made, with a card."""
    customer = (await world.stripe("POST", "/v1/customers", payment_method="pm_card_visa"))["id"]
    [method] = (await world.stripe("GET", f"/v1/customers/{customer}/payment_methods"))["data"]
    default = {"invoice_settings[default_payment_method]": method["id"]}
    await world.stripe("POST", f"/v1/customers/{customer}", **default)
    return str(customer)


# ---- a no, and what follows


async def test_account_with_a_refused_card_can_be_created_with_another(world: World) -> None:
    """The card is refused when the customer is created; the next try with a good one must work."""
    await world.control("POST", "account", {"refuse_declining_cards_on_attach": True})
    first = await create(world, payment_method="pm_card_chargeDeclined")
    second = await create(world, payment_method="pm_card_visa")
    assert (422, "stripe_refused") == (first.status, first.body["code"])
    assert 200 == second.status, second.body


async def test_refused_data_can_be_corrected(world: World) -> None:
    """Stripe refuses the address: the same account is created with another one."""
    await fail_creation(world, status=400)
    first = await create(world, email="wrong@acme.example")
    second = await create(world, email="right@acme.example")
    assert (422, 200) == (first.status, second.status), second.body
    assert "right@acme.example" == second.body["email"]
    assert ["right@acme.example"] == [each["email"] for each in await customers(world)]


async def test_denied_key_is_not_a_no(world: World) -> None:
    """Our key was wrong and nothing was executed: the account's data stay, and another card may follow."""
    await fail_creation(world, status=401)
    first = await create(world, payment_method="pm_card_visa")
    other = await create(world, email="other@acme.example")
    second = await create(world, payment_method="pm_card_mastercard")
    assert (503, 409, 200) == (first.status, other.status, second.status), second.body


# ---- an answer that never came


async def test_account_creation_survives_a_stored_500(world: World) -> None:
    """Stripe replays a 500 under the key for a day: read back instead of repeating it."""
    await fail_creation(world, when="after", status=500)
    said = [await create(world, payment_method="pm_card_visa") for _ in range(2)]
    assert [503, 200] == [each.status for each in said], said[-1].body
    assert [said[-1].body["stripe_customer_id"]] == [each["id"] for each in await customers(world)]


async def test_customer_of_a_lost_answer_is_found(world: World) -> None:
    """The customer is found by its address and its mark; another customer of that address is not it."""
    await fail_creation(world, when="after", reset=True)
    first = await create(world)
    await world.stripe("POST", "/v1/customers", email="b@acme.example")
    second = await create(world)
    _, ours = await customers(world)
    assert (503, 200) == (first.status, second.status), second.body
    assert ours["id"] == second.body["stripe_customer_id"]


async def test_another_card_after_a_lost_answer_is_not_ignored(world: World) -> None:
    """The customer exists with the first card: the second request is told so, and the account is usable."""
    await fail_creation(world, when="after", reset=True)
    await create(world, payment_method="pm_card_visa")
    said = await create(world, payment_method="pm_card_mastercard")
    assert (409, "account_exists") == (said.status, said.body["code"])
    assert (await world.view())["stripe_customer_id"] is not None


async def test_two_requests_at_once_make_one_customer(world: World) -> None:
    """Both get the account; one of them finds the call of the other under way."""
    await fail_creation(world, slow_seconds=0.3, when="before")
    said = await asyncio.gather(create(world), create(world))
    assert [200, 200] == [each.status for each in said], [each.body for each in said]
    assert 1 == len(await customers(world))


async def test_another_card_waits_for_the_one_under_way(world: World) -> None:
    """Two cards at once: one is used, the other one's request is told to come back."""
    await fail_creation(world, slow_seconds=1.0, when="before")
    cards = ("pm_card_visa", "pm_card_mastercard")
    said = await asyncio.gather(*(create(world, payment_method=card) for card in cards))
    assert [200, 504] == sorted(each.status for each in said), [each.body for each in said]
    assert 1 == len(await customers(world))


# ---- linking


async def test_two_accounts_of_one_customer_are_a_conflict(world: World) -> None:
    """The second link is refused in words, and leaves no half account behind."""
    await world.account()
    customer = (await world.view())["stripe_customer_id"]
    said = await create(world, "other", stripe_customer_id=customer)
    left = await world.call("GET", "/v1/accounts/other")
    assert (409, "account_exists", 404) == (said.status, said.body["code"], left.status)
    assert "belongs to another account" in said.body["detail"]


async def test_two_links_at_once_are_a_conflict(world: World) -> None:
    """Whoever is later finds the customer taken when it writes."""
    customer = await customer_with_card(world)
    both = [create(world, account_id, stripe_customer_id=customer) for account_id in ("one", "two")]
    said = await asyncio.gather(*both)
    listed = (await world.call("GET", "/v1/accounts")).body["data"]
    assert [200, 409] == sorted(each.status for each in said)
    assert 1 == len(listed)


async def test_linked_customer_is_not_sold_a_second_subscription(world: World) -> None:
    """A linked customer that already pays for a subscription is to be adopted, not sold to again."""
    await world.sell(MARKETING)
    customer = await customer_with_card(world)
    prices = (await world.stripe("GET", "/v1/prices"))["data"]
    items = {f"items[{place}][price]": price["id"] for place, price in enumerate(prices)}
    await world.stripe("POST", "/v1/subscriptions", customer=customer, **items)
    said = await create(world, stripe_customer_id=customer)
    left = await world.call("GET", "/v1/accounts/acme")
    assert (409, "subscription_exists", 404) == (said.status, said.body["code"], left.status)
    assert "`prorata adopt --subscription sub_" in said.body["detail"]


async def test_repeated_link_stays_linked_after_a_purchase(world: World) -> None:
    """What was bought here is no stranger's subscription: the same request gives the same account."""
    customer = await customer_with_card(world)
    await world.sell(MARKETING)
    assert 200 == (await create(world, stripe_customer_id=customer)).status
    change = await world.change(MARKETING.to_json())
    again = await create(world, stripe_customer_id=customer)
    assert ("settled", 200) == (change["state"], again.status), again.body
