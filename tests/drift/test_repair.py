"""Repairing items: Stripe is set to what was bought, and no money moves."""

from __future__ import annotations

from sync.reconcile.shown import show, try_out
from sync.rules.drift import FindingKind
from tests.drift.edits import (
    BY,
    PRO,
    WITH_SMS,
    by_hand,
    find,
    item,
    money,
    more_seats,
    other_price,
    own,
    posts,
    prices,
    raise_price,
    read_bills,
    repair,
    set_item,
    under,
)
from tests.faults.hands import Hands
from tests.flows.world import MARKETING


async def test_a_dry_run_shows_the_call_and_sends_nothing(slow: Hands) -> None:
    """Method, path and body stand there exactly as they would leave."""
    world = slow.world
    finding = await more_seats(world)
    before, sent = await money(world), await posts(slow)
    seats = await item(world, "seats")
    run = (await try_out(world.billing, finding.id))["dry_run"]
    path = f"/v1/subscriptions/{(await world.view())['stripe_subscription_id']}"
    entry = {"id": seats["id"], "price": seats["price"]["id"], "quantity": 0}
    body = {"items": [entry], "proration_behavior": "none"}
    assert [{"method": "POST", "path": path, "body": body}] == run["calls"]
    assert (None, "ours") == (run["refusal"], run["side"])
    assert (before, sent) == (await money(world), await posts(slow))
    assert run == (await show(world.billing, finding.id))["dry_run"]


async def test_repaired_it_bills_what_was_bought_and_no_money_moved(slow: Hands) -> None:
    """One call under its own key, and the finding says who, why and when."""
    world = slow.world
    bought = await world.items()
    finding = await more_seats(world, proration_behavior="always_invoice")
    assert bought != await world.items()
    before = await money(world)
    found = await repair(world.billing, finding.id, **BY)
    assert ("repaired", "olga") == (found["state"], found["decided_by"])
    assert [("repaired", "ours")] == [(each["outcome"], each["side"]) for each in found["repairs"]]
    assert bought == await world.items()
    assert before == await money(world)
    assert 1 == len(await under(world, f"repair:{finding.id}:1"))


async def test_every_touched_item_goes_with_price_and_quantity(slow: Hands) -> None:
    """Another tier by hand: one call sets base, contacts and seats back, and edits nothing else."""
    world = slow.world
    await world.sell(PRO)
    sold = await prices(world, PRO)
    for role in ("base", "contacts", "seats"):
        await set_item(world, role, price=sold[role], quantity=1)
    foreign = await other_price(world)
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", items=[{"price": foreign, "quantity": 4}])
    before = await money(world)
    finding = await find(world, FindingKind.WRONG_PRICE)
    run = (await try_out(world.billing, finding.id))["dry_run"]
    assert 3 == len(run["calls"][0]["body"]["items"])
    assert all({"id", "price", "quantity"} == set(entry) for entry in run["calls"][0]["body"]["items"])
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    items = {each["price"]["id"]: each["quantity"] for each in (await world.subscription())["items"]["data"]}
    assert (4, 0) == (items.pop(foreign), sum(items.values()) - 2)
    assert set(items) == set((await prices(world, MARKETING)).values())
    assert before == await money(world)


async def test_an_add_on_of_nobody_goes_without_a_credit(slow: Hands) -> None:
    """What was added by hand is removed, and what it was paid with stays paid."""
    world = slow.world
    await world.sell(WITH_SMS)
    sms = (await prices(world, WITH_SMS))["addon"]
    items = [{"price": sms, "quantity": 2}]
    path = f"/v1/subscriptions/{await own(world)}"
    await by_hand(world, path, items=items, proration_behavior="always_invoice")
    before = await money(world)
    finding = await find(world, FindingKind.EXTRA_ITEM)
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert 3 == len(await world.items())
    assert before == await money(world)


async def test_what_an_edit_left_for_the_next_invoice_stays_and_is_said(slow: Hands) -> None:
    """Prorations of the edit wait at Stripe: no repair deletes them, and the dry run names them."""
    world = slow.world
    finding = await more_seats(world, proration_behavior="create_prorations")
    before = await money(world)
    run = (await try_out(world.billing, finding.id))["dry_run"]
    assert "wait for the next invoice" in run["warnings"][0]
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert before == await money(world)


async def test_an_item_gets_the_price_that_was_paid_and_not_the_one_of_today(slow: Hands) -> None:
    """The catalog costs more by now: whoever bought before is put back to the price of then."""
    world = slow.world
    bought = (await prices(world, MARKETING))["base"]
    await read_bills(world)
    await raise_price(world, MARKETING, "base")
    assert bought != (await prices(world, MARKETING))["base"]
    await world.sell(PRO)
    await set_item(world, "base", price=(await prices(world, PRO))["base"], quantity=1)
    finding = await find(world, FindingKind.WRONG_PRICE)
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert bought == (await item(world, "base"))["price"]["id"]
