"""EUR beside USD: every kind of change in the account's own currency, which never changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync import catalog_push
from sync.rules.money import minimum_charge_minor
from sync.rules.proration import prorate
from sync.rules.terms import Terms
from tests.flows.test_change_requests import approve, ask
from tests.flows.test_fewer_at_renewal import applied, fewer, renew
from tests.flows.world import ADMIN, MARKETING, Said, World

BOUGHT = replace(MARKETING, contact_limit=2500, seats=8)
HALF_MONTH = 14 * 86_400


async def open_account(world: World, currency: str = "eur", **more: Any) -> Said:
    """A new account with a card, or the refusal."""
    body = {
        "account_id": "acme",
        "email": "billing@acme.example",
        "name": "Acme",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
        "locale": "fr",
        "currency": currency,
        "payment_method": "pm_card_visa",
    }
    return await world.call("POST", "/v1/accounts", body | more)


async def sell(world: World, *terms: Terms, currency: str = "eur") -> None:
    """Push the prices of these terms in one currency."""
    wanted = {slot for each in terms for slot in world.billing.catalog.items_for(each, currency)}
    plan = await catalog_push.diff(world.billing, [currency], only=wanted)
    await catalog_push.push(world.billing, plan)


def catalog_minor(world: World, terms: Terms) -> int:
    return int(world.billing.catalog.recurring_minor(terms, "eur"))


@pytest.fixture
async def shop(world: World) -> World:
    """An account in EUR that has bought nothing yet; the same plan is sold in USD, too."""
    for currency in ("usd", "eur"):
        await sell(world, BOUGHT, currency=currency)
    assert (await open_account(world)).status == 200
    return world


@pytest.fixture
async def mid(shop: World) -> World:
    """The same in the middle of its first period, with smaller and larger plans on sale."""
    await shop.change(BOUGHT.to_json())
    await sell(shop, replace(BOUGHT, contact_limit=1000), replace(BOUGHT, contact_limit=5000))
    await sell(shop, replace(BOUGHT, tier="starter"))
    await shop.pass_time(HALF_MONTH)
    return shop


def currencies(said: Any) -> set[str]:
    """Every currency that an answer names, wherever it stands."""
    if isinstance(said, dict):
        own = {said["currency"]} if isinstance(said.get("currency"), str) else set()
        return own.union(*(currencies(part) for part in said.values()))
    return set().union(*(currencies(part) for part in said)) if isinstance(said, list) else set()


async def test_a_first_purchase_costs_the_euro_prices(shop: World) -> None:
    """Quote, charge, invoice and subscription are in EUR, with the amounts of the catalog."""
    quote = await shop.quote(BOUGHT.to_json())
    change = await shop.settled((await shop.confirm(quote)).body)

    assert quote["due_today"] == {"amount_minor": catalog_minor(shop, BOUGHT), "currency": "eur"}
    assert catalog_minor(shop, BOUGHT) != shop.billing.catalog.recurring_minor(BOUGHT, "usd")
    assert (change["state"], change["now"]["charged"]) == ("settled", quote["due_today"])
    assert currencies(quote) == currencies(change) == currencies(await shop.view()) == {"eur"}
    assert (await shop.subscription())["currency"] == "eur"


async def test_an_increase_is_the_prorated_euro_price(mid: World) -> None:
    """More contacts at mid-cycle: the share of the difference that is left of the period."""
    quote = await mid.quote({"contact_limit": 5000})
    item = (await mid.subscription())["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    lines = [line["amount_minor"] for line in quote["due_today_lines"] if line["amount_minor"]]
    amounts = [
        minor
        for slot, minor in mid.billing.catalog.amounts.items()
        if slot.currency == "eur" and slot.role == "contacts" and slot.band in (2500, 5000)
        if (slot.product, slot.tier, slot.interval) == (BOUGHT.product, BOUGHT.tier, BOUGHT.interval)
    ]
    less, more = sorted(amounts)
    left = end - quote["proration_date"]
    assert sorted(lines) == [prorate(-less, left, end - start), prorate(more, left, end - start)]

    await mid.pass_time(300)
    change = await mid.settled((await mid.confirm(quote)).body)
    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0)
    assert change["now"]["charged"] == quote["due_today"]
    assert (await mid.invoices())[0]["currency"] == "eur"


async def test_less_than_the_minimum_of_the_euro_is_not_collected_today(mid: World) -> None:
    """Hours before the renewal a seat costs some cents: they wait on the balance for the next invoice."""
    item = (await mid.subscription())["items"]["data"][0]
    now = (await mid.control("GET", "clock"))["now"]
    await mid.pass_time(item["current_period_end"] - now - 6 * 3600)
    quote = await mid.quote({"seats": 9})
    cents = sum(line["amount_minor"] for line in quote["due_today_lines"] if line["kind"] != "balance")

    assert 0 < cents < minimum_charge_minor("eur")
    assert quote["due_today"] == {"amount_minor": 0, "currency": "eur"}
    assert quote["to_balance"] == {"amount_minor": cents, "currency": "eur"}
    change = await mid.settled((await mid.confirm(quote)).body)
    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0)


async def test_a_decrease_is_invoiced_in_euro_at_the_renewal(mid: World) -> None:
    """Nothing today; the renewal's invoice has the smaller amount of the EUR catalog."""
    change = await fewer(mid, seats=5, contact_limit=1000)
    await renew(mid)
    over = await applied(mid, change)

    less = catalog_minor(mid, replace(BOUGHT, seats=5, contact_limit=1000))
    newest = (await mid.invoices())[0]
    assert over["at_renewal"]["state"] == "settled"
    assert (newest["billing_reason"], newest["total"], newest["currency"]) == (
        "subscription_cycle",
        less,
        "eur",
    )


async def test_an_approved_request_gives_credit_in_euro(mid: World) -> None:
    """A lower tier at once: the unused time becomes credit in EUR, and nothing is charged."""
    request = (await ask(mid, terms={"tier": "starter"})).body
    said = await approve(mid, request, "now")
    change = await mid.settled({"id": said.body["change_id"]})

    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0)
    customer = await mid.stripe("GET", f"/v1/customers/{(await mid.view())['stripe_customer_id']}")
    assert (customer["currency"], customer["balance"] < 0) == ("eur", True)
    quote = await mid.quote({"seats": 9})
    assert quote["due_today"] == {"amount_minor": 0, "currency": "eur"}


async def test_an_account_is_not_opened_again_in_another_currency(shop: World) -> None:
    """The same id with USD is another account: refused, and the account stays in EUR."""
    said = await open_account(shop, "usd")

    assert (said.status, said.body["code"]) == (409, "account_exists")
    assert (await shop.view())["currency"] == "eur"


async def test_nothing_is_sold_in_a_currency_that_the_catalog_has_not(world: World) -> None:
    """Yen are not sold: the refusal says so, and no customer is made at Stripe."""
    said = await open_account(world, "jpy")

    assert (said.status, said.body["code"]) == (422, "currency_mismatch")
    assert (await world.stripe("GET", "/v1/customers"))["data"] == []


async def test_a_customer_of_another_currency_is_not_linked(world: World) -> None:
    """One with a balance in USD cannot buy in EUR at Stripe, so the account is not opened on it."""
    customer = (await world.stripe("POST", "/v1/customers", email="billing@acme.example"))["id"]
    await credit(world, customer)
    said = await open_account(world, stripe_customer_id=customer, payment_method=None)

    assert (said.status, said.body["code"]) == (422, "currency_mismatch")
    assert "Nothing was created" in said.body["detail"]


async def test_a_balance_in_another_currency_refuses_the_purchase(shop: World) -> None:
    """Somebody gave a credit in USD at Stripe: refused in words, in a quote and at an older one's confirm."""
    old = await shop.quote(BOUGHT.to_json())
    await credit(shop, (await shop.view())["stripe_customer_id"])
    quote = await shop.quote(BOUGHT.to_json())
    said = await shop.confirm(old)

    assert [each["code"] for each in quote["refusals"]] == ["currency_mismatch"]
    assert "USD" in quote["refusals"][0]["detail"]
    assert "Nothing was charged" in quote["refusals"][0]["detail"]
    assert (said.status, said.body["code"]) == (409, "quote_stale")
    assert (await shop.stripe("GET", "/v1/charges"))["data"] == []


async def test_a_subscription_in_another_currency_is_not_changed(shop: World) -> None:
    """An account in EUR whose subscription was replaced by one in USD by hand is left to staff."""
    await shop.change(BOUGHT.to_json())
    await shop.billing.pool.execute("UPDATE account SET currency = 'usd'")
    quote = await shop.quote({"seats": 9})

    assert "currency_mismatch" in [each["code"] for each in quote["refusals"]]
    assert quote["due_today"] is None


async def credit(world: World, customer: str) -> None:
    """Staff give a credit of ten dollars in Stripe's dashboard."""
    path = f"/v1/customers/{customer}/balance_transactions"
    await world.stripe("POST", path, amount=-1000, currency="usd")
