"""Adoption as a whole: what maps is taken over once, what does not is left alone and said why."""

from __future__ import annotations

import asyncio

import pytest

from sync.adopt import Naming
from sync.store import adoptions
from tests.adopt.builders import BASE, CONTACTS, SEATS, SMS
from tests.adopt.shop import EMAIL, Shop, outcomes
from tests.flows.world import ADMIN, World

PLUS = {BASE: 1, CONTACTS: 1, SEATS: 2}
WRITTEN = ("account", "account_terms", "adoption", "catalog_price")


async def counts(world: World) -> dict[str, int]:
    """How many rows there are of everything that an adoption writes."""
    pool = world.billing.pool
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in WRITTEN}


@pytest.fixture
async def tagged(shop: Shop) -> Shop:
    """A shop whose prices name their slots."""
    await shop.tagged(BASE, CONTACTS, SEATS, SMS)
    return shop


async def test_living_subscriptions_become_accounts_with_terms(tagged: Shop, world: World) -> None:
    """In both billing modes: account, customer, subscription and terms, with the adoption as their cause."""
    named = await tagged.customer(account_id="acme", primary_admin_user_id="bob")
    plain = await tagged.customer()
    first = await tagged.subscribe(named, PLUS)
    second = await tagged.subscribe(plain, {**PLUS, SMS: 3}, "classic")
    done = await tagged.adopt()
    view, other = await world.view("acme"), await world.view(plain)

    assert {first: ["adopted"], second: ["adopted"]} == outcomes(done)
    assert (named, first, "usd", EMAIL) == tuple(
        view[name] for name in ("stripe_customer_id", "stripe_subscription_id", "currency", "email")
    )
    assert {"user_id": ADMIN, "email": EMAIL} == view["primary_admin"]
    assert {"product": "marketing", "tier": "plus", "contact_limit": 1000, "seats": 5, "add_ons": {},
            "interval": "month"} == view["terms"]  # fmt: skip
    assert {"sms": 3} == other["terms"]["add_ons"]
    adoption = next(each for each in done.results if each.subscription_id == first)
    assert [adoption.adoption_id] == [each["change_id"] for each in view["history"]]
    assert ("active", True) == (view["subscription_status"], view["payment_method"]["present"])


async def test_again_nothing_happens(tagged: Shop, world: World) -> None:
    """A second run finds everything in its place; what was bought here is in its place as well."""
    subscription = await tagged.subscribe(await tagged.customer(account_id="acme"), PLUS)
    await tagged.adopt()
    before, view = await counts(world), await world.view()
    again = await tagged.adopt()

    assert {subscription: ["already"]} == outcomes(again)
    assert again.results[0].adoption_id is not None
    assert (before, view) == (await counts(world), await world.view())


async def test_dry_run_writes_nothing(tagged: Shop, world: World) -> None:
    """It says what would happen, and neither the accounts nor the outcomes change."""
    good = await tagged.subscribe(await tagged.customer(), PLUS)
    strange = await tagged.subscribe(await tagged.customer(), {CONTACTS: 1})
    before = await counts(world)
    done = await tagged.adopt(dry_run=True)

    assert {good: ["would_adopt"], strange: ["refused", "no_base_item"]} == outcomes(done)
    assert before == await counts(world)


async def test_second_subscription_of_a_customer_is_nobodys_first(tagged: Shop, world: World) -> None:
    """Which of two is the account's is not ours to say: both are left alone, also one by one."""
    customer = await tagged.customer(account_id="acme")
    both = [await tagged.subscribe(customer, PLUS) for _ in range(2)]
    done = await tagged.adopt()
    one = await tagged.adopt(both[0])

    assert {each: ["refused", "second_subscription"] for each in both} == outcomes(done)
    assert {both[0]: ["refused", "second_subscription"]} == outcomes(one)
    assert (404, 0) == (
        (await world.call("GET", "/v1/accounts/acme")).status,
        (await counts(world))["account_terms"],
    )


async def test_refusals_are_kept_until_they_are_over(tagged: Shop, world: World) -> None:
    """The last outcome of each can be looked up; one that was adopted or has ended since is no refusal."""
    repaired = await tagged.subscribe(await tagged.customer(), {BASE: 1, SEATS: 2})
    ended = await tagged.subscribe(await tagged.customer(), {CONTACTS: 1})
    await tagged.adopt()
    refused = await adoptions.page(world.billing.pool, outcome="refused")
    await world.stripe(
        "POST", f"/v1/subscriptions/{repaired}", **{"items[0][price]": tagged.prices[CONTACTS]}
    )
    await _cancel(world, ended)
    await tagged.adopt()

    assert sorted([repaired, ended]) == [row.subscription_id for row in refused]
    assert {"no_contacts_item", "no_base_item"} == {row.reasons[0]["code"] for row in refused}
    found = {row.subscription_id: row.outcome for row in await adoptions.page(world.billing.pool)}
    assert {repaired: "adopted", ended: "gone"} == found


async def _cancel(world: World, subscription_id: str) -> None:
    headers = {"Authorization": "Bearer sk_test_story"}
    url = f"{world.twin.base_url}/v1/subscriptions/{subscription_id}"
    async with world.client.delete(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def test_customer_must_say_whose_it_is(tagged: Shop) -> None:
    """No account without its id, its admin and an address; two customers are not one account."""
    nameless = await tagged.subscribe(await tagged.customer(), PLUS)
    shared = [await tagged.subscribe(await tagged.customer(host="acme"), PLUS) for _ in range(2)]
    admin_key = await tagged.subscribe(await tagged.customer(host="beta", owner="bob"), PLUS)
    done = outcomes(await tagged.adopt(naming=Naming("host", None, "owner")))

    assert ["refused", "account_id_missing", "primary_admin_missing"] == done[nameless]
    assert [["refused", "primary_admin_missing"]] * 2 == [done[each] for each in shared]
    assert ["adopted"] == done[admin_key]
    again = outcomes(await tagged.adopt(naming=Naming("host", ADMIN)))
    assert [["refused", "account_id_shared"]] * 2 == [again[each] for each in shared]


async def test_account_that_exists_keeps_its_data(tagged: Shop, world: World) -> None:
    """A customer that was linked before its subscription was made needs no name and no admin; an id that
    belongs to another customer is refused."""
    linked, stranger = await tagged.customer(), await tagged.customer(account_id="acme")
    body = {
        "account_id": "acme", "email": "bob@acme.example", "name": "Acme Inc", "locale": "fr",
        "currency": "usd", "primary_admin": {"user_id": "bob", "email": "bob@acme.example"},
        "stripe_customer_id": linked,
    }  # fmt: skip
    assert 200 == (await world.call("POST", "/v1/accounts", body)).status
    ours, theirs = await tagged.subscribe(linked, PLUS), await tagged.subscribe(stranger, PLUS)
    done = outcomes(await tagged.adopt(naming=Naming()))
    again = outcomes(await tagged.adopt())
    view = await world.view("acme")

    assert (["adopted"], ["refused", "primary_admin_missing"]) == (done[ours], done[theirs])
    assert (["already"], ["refused", "account_taken"]) == (again[ours], again[theirs])
    assert (ours, "fr", "bob") == (
        view["stripe_subscription_id"],
        view["locale"],
        view["primary_admin"]["user_id"],
    )


async def test_one_that_is_adopted_by_itself_is_mirrored(tagged: Shop, world: World) -> None:
    """Without a word of Stripe's: the state of its subscription decides what it may use, from the start."""
    await world.control("POST", "delivery", {"mode": "drop", "share": 1.0})
    customer = await tagged.customer(account_id="acme")
    subscription = await tagged.subscribe(customer, PLUS)
    card = await world.stripe("POST", "/v1/payment_methods/pm_card_chargeDeclined/attach", customer=customer)
    default = {"invoice_settings[default_payment_method]": card["id"]}
    await world.stripe("POST", f"/v1/customers/{customer}", **default)
    await world.pass_time(32 * 86_400)
    tables = ("stripe_customer", "stripe_subscription")
    await tagged.adopt(subscription, dry_run=True)
    tried = [await world.billing.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    result = await tagged.adopted(subscription)
    view = await world.view()

    assert [0, 0] == tried
    assert result.mapped is not None
    assert ["unpaid"] == [str(each.code) for each in result.mapped.remarks]
    assert ("past_due", True) == (view["subscription_status"], view["payment_method"]["present"])
    assert view["entitlement"]["reason"] != "The subscription is paid."


async def test_subscription_after_one_that_ended_goes_on_with_the_account(tagged: Shop, world: World) -> None:
    """Bought here, canceled at Stripe and sold again by hand: the same account, with its history."""
    await world.buy()
    view = await world.view()
    await _cancel(world, view["stripe_subscription_id"])
    again = await tagged.subscribe(view["stripe_customer_id"], {**PLUS, SEATS: 4})
    assert {again: ["adopted"]} == outcomes(await tagged.adopt(naming=Naming()))
    after = await world.view()

    assert (again, 7) == (after["stripe_subscription_id"], after["terms"]["seats"])
    assert [7, 3] == [each["terms"]["seats"] for each in after["history"]]


async def test_what_moved_after_it_was_listed_is_read_again(tagged: Shop, world: World) -> None:
    """An event of a later second than the list: the terms are those of now, not those of the list."""
    subscription = await tagged.subscribe(await tagged.customer(account_id="acme"), PLUS)
    gateway, listed = world.billing.gateway, world.billing.gateway.list_objects

    async def then_moved(kind: str, params: object, **others: object) -> object:
        page = await listed(kind, params, **others)  # type: ignore[arg-type]
        if kind == "subscription":
            gateway.list_objects = listed  # type: ignore[method-assign]
            await world.pass_time(5)
            await world.stripe(
                "POST", f"/v1/subscriptions/{subscription}", **await _more(world, subscription)
            )
            await world.eventually(lambda: _mirrored(world, 4))
        return page

    gateway.list_objects = then_moved  # type: ignore[assignment]
    await tagged.adopt()
    assert 7 == (await world.view())["terms"]["seats"]


async def _more(world: World, subscription: str) -> dict[str, str]:
    items = (await world.stripe("GET", f"/v1/subscriptions/{subscription}"))["items"]["data"]
    return {"items[0][id]": items[2]["id"], "items[0][quantity]": "4"}


async def _mirrored(world: World, quantity: int) -> bool:
    sql = "SELECT quantity FROM stripe_subscription_item ORDER BY position DESC LIMIT 1"
    return bool(await world.billing.pool.fetchval(sql) == quantity)


async def test_nothing_is_written_to_stripe(tagged: Shop, world: World) -> None:
    """Adoption reads lists; the twin's own record has no write of ours."""
    for _ in range(3):
        await tagged.subscribe(await tagged.customer(), PLUS)
    before = len((await world.control("GET", "state"))["requests"])
    await tagged.adopt()
    asked = (await world.control("GET", "state"))["requests"][before:]

    # A worker's round may ask for something beside it, at the turn of a minute.
    paths = [each["path"].partition("?")[0] for each in asked]
    assert {"GET"} == {each["method"] for each in asked}
    assert (True, 1) == ("/v1/subscriptions" in paths, paths.count("/v1/products"))


async def test_adoptions_at_once_are_one(tagged: Shop, world: World) -> None:
    """One makes the account and its terms; the others find it in its place."""
    subscription = await tagged.subscribe(await tagged.customer(account_id="acme"), PLUS)
    done = await asyncio.gather(*(tagged.adopt() for _ in range(4)))
    found = sorted(outcomes(each)[subscription][0] for each in done)

    assert ["adopted", "already", "already", "already"] == found
    assert (1, 1) == ((await counts(world))["account_terms"], (await counts(world))["adoption"])
