"""What the account view and the change say while a promise stands, and other prices than dollars a month."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync.renewal.phases import Promise, bodies
from sync.rules.items import Item
from sync.rules.terms import Interval, Terms
from sync.stripe_objects import Price, Span, Subscription, SubscriptionItem
from sync.stripe_objects.catalog import Recurring
from sync.stripe_objects.subscription import SubscriptionItems
from tests.flows.world import MARKETING, World

BOUGHT = replace(MARKETING, seats=8)
DAY = 86_400


async def renew(world: World, change: dict[str, Any]) -> dict[str, Any]:
    """Let the period end; the change once its renewal was compared."""
    item = (await world.subscription())["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + 2 * 3600)

    async def over() -> bool:
        found = (await world.call("GET", f"/v1/changes/{change['id']}")).body
        return found["at_renewal"]["state"] in ("settled", "failed")

    await world.eventually(over)
    return (await world.call("GET", f"/v1/changes/{change['id']}")).body


async def test_the_view_is_right_at_every_moment(world: World) -> None:
    """Before, promised, taken back, promised again, renewed: legs, terms, next invoice."""
    recurring = world.billing.catalog.recurring_minor
    await world.buy(BOUGHT)
    await world.pass_time(14 * DAY)

    async def seen(legs: list[str], now: Terms, after: Terms) -> None:
        view = await world.view()
        assert legs == [leg["state"] for leg in view["open_legs"]]
        assert (now.to_json(), after.to_json()) == (view["terms"], view["terms_after_renewal"])
        assert recurring(after, "usd") == view["next_invoice"]["amount"]["amount_minor"]
        assert view["entitled"] == view["terms"]

    fewer = replace(BOUGHT, seats=5)
    await seen([], BOUGHT, BOUGHT)
    first = (await world.confirm(await world.quote({"seats": 5}))).body
    await seen(["scheduled"], BOUGHT, fewer)
    shown = (await world.call("GET", f"/v1/changes/{first['id']}")).body["at_renewal"]
    assert (await world.view())["next_invoice"]["on"] == shown["effective_on"]
    await world.call("POST", f"/v1/changes/{first['id']}/withdraw", {"actor": "ada"})
    await seen([], BOUGHT, BOUGHT)
    second = (await world.confirm(await world.quote({"seats": 5}))).body
    promised = (await world.view())["next_invoice"]["amount"]["amount_minor"]
    await renew(world, second)
    await seen([], fewer, fewer)
    assert promised == (await world.invoices())[0]["total"]


async def test_fewer_seats_and_a_higher_tier(world: World) -> None:
    """Six seats are promised; then the tier goes up, which includes more of them: still six in the end."""
    higher = replace(BOUGHT, tier="pro")
    await world.buy(BOUGHT)
    await world.sell(higher)
    await world.pass_time(14 * DAY)
    await world.confirm(await world.quote({"seats": 6}))
    change = await world.change({"tier": "pro"})
    after = replace(higher, seats=6)
    assert after.to_json() == (await world.view())["terms_after_renewal"]

    done = await renew(world, change)
    assert ("settled", 0) == (done["at_renewal"]["state"], done["at_renewal"]["difference_minor"])
    assert after.to_json() == (await world.view())["terms"]
    assert world.billing.catalog.recurring_minor(after, "usd") == (await world.invoices())[0]["total"]


async def test_fewer_seats_of_a_year(world: World) -> None:
    """Paid by the year, the decrease waits for the year's end."""
    yearly = replace(BOUGHT, interval=Interval.YEAR)
    await world.buy(yearly)
    await world.pass_time(100 * DAY)
    change = (await world.confirm(await world.quote({"seats": 5}))).body
    assert "scheduled" == change["state"]
    done = await renew(world, change)
    after = replace(yearly, seats=5)
    assert ("settled", 0) == (done["at_renewal"]["state"], done["at_renewal"]["difference_minor"])
    assert world.billing.catalog.recurring_minor(after, "usd") == (await world.invoices())[0]["total"]


def test_metered_and_foreign_items_are_carried_along() -> None:
    """An item billed by use has no quantity in any phase; what hangs on an item stays on it."""
    by_use = Recurring(interval="month", usage_type="metered")
    metered = Price(id="price_use", product="prod_use", currency="eur", recurring=by_use)
    held = SubscriptionItem(id="si_use", price=metered, discounts=["di_1"], metadata={"theirs": "yes"})
    subscription = Subscription(
        id="sub_1",
        customer="cus_1",
        status="active",
        currency="eur",
        items=SubscriptionItems(data=[held]),
        discounts=["di_2"],
    )
    wanted = Promise("chg_1", [Item("si_use", "price_use", 0, metered=True)], Interval.MONTH)
    now, following = bodies(subscription, Span(start_date=1, end_date=2), wanted)
    carried = {"price": "price_use", "discounts": [{"discount": "di_1"}], "metadata": {"theirs": "yes"}}
    assert [carried] == now["items"] == following["items"]
    assert [{"discount": "di_2"}] == now["discounts"] == following["discounts"]
    assert "none" == following["proration_behavior"]
