"""What no repair touches: it would move money, or only a person can tell what was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from sync.errors import Code, Refused
from sync.reconcile.repair_items import Facts, update_of
from sync.reconcile.repair_sides import Side, advice
from sync.reconcile.shown import show, try_out
from sync.rules.drift import FindingKind
from sync.rules.terms import Interval, Terms
from sync.state_at_stripe import items_of
from sync.store import catalog_prices
from sync.stripe_objects import BillingMode
from tests.drift.edits import (
    BY,
    PRO,
    WITH_SMS,
    begin_terms,
    by_hand,
    find,
    item,
    money,
    other_price,
    own,
    posts,
    prices,
    raise_price,
    repair,
    set_item,
)
from tests.faults.hands import Hands
from tests.flows.world import MARKETING


async def refused(slow: Hands, kind: FindingKind, why: str, terms: Terms | None = None) -> None:
    """The repair says why a person is needed; nothing is sent, and the finding stays open."""
    world = slow.world
    if terms is not None:
        await begin_terms(world, terms)
    finding = await find(world, kind)
    before, sent = await money(world), await posts(slow)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert Code.REPAIR_NEEDS_STAFF == no.value.code
    assert why in no.value.detail
    assert "nothing was charged" in no.value.detail
    assert why in (await try_out(world.billing, finding.id))["dry_run"]["refusal"]["detail"]
    assert (before, sent) == (await money(world), await posts(slow))
    assert "open" == (await show(world.billing, finding.id))["state"]


async def test_beside_an_update_that_waits_for_its_payment_nothing_is_sent(slow: Hands) -> None:
    """Setting items would throw it away, and its payment with it."""
    world = slow.world
    await world.card("pm_card_authenticationRequired")
    seats = await item(world, "seats")
    edit = {"items": [{"id": seats["id"], "quantity": 9}], "payment_behavior": "pending_if_incomplete"}
    path = f"/v1/subscriptions/{await own(world)}"
    await by_hand(world, path, **edit, proration_behavior="always_invoice")
    await world.sell(WITH_SMS)
    await refused(slow, FindingKind.MISSING_ITEM, "waits for its payment", terms=WITH_SMS)


async def test_beside_a_schedule_of_somebody_else_nothing_is_sent(slow: Hands) -> None:
    """It would undo the repair at its next phase."""
    world = slow.world
    await by_hand(world, "/v1/subscription_schedules", from_subscription=await own(world))
    await set_item(world, "seats", quantity=7)
    await refused(slow, FindingKind.WRONG_QUANTITY, "of somebody else drives")


async def test_doubled_items_are_left_to_a_person(slow: Hands) -> None:
    """Nobody here knows which of the two is meant; neither side can be asked for."""
    world = slow.world
    await world.sell(PRO)
    sold = (await prices(world, PRO))["seats"]
    items = [{"price": sold, "quantity": 2}]
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", items=items, proration_behavior="none")
    await refused(slow, FindingKind.DUPLICATE_ITEM, "which of the two")
    await refused(slow, FindingKind.WRONG_QUANTITY, "both stand for seats")


async def test_a_price_outside_the_catalog_may_stand_for_the_missing_item(slow: Hands) -> None:
    """Adding ours beside it would bill the customer twice."""
    world = slow.world
    await set_item(world, "contacts", price=await other_price(world), quantity=1)
    await refused(slow, FindingKind.MISSING_ITEM, "outside the catalog")


async def test_another_interval_is_never_set_back(slow: Hands) -> None:
    """Stripe bills a new period at once, prorated or not: a person agrees on it with the customer."""
    world = slow.world
    year = replace(MARKETING, interval=Interval.YEAR)
    await world.sell(year)
    sold = await prices(world, year)
    items = [
        {"id": (await item(world, role))["id"], "price": sold[role], "quantity": 1}
        for role in ("base", "contacts", "seats")
    ]
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", items=items, proration_behavior="none")
    await refused(slow, FindingKind.WRONG_INTERVAL, "billed at once")
    await refused(slow, FindingKind.WRONG_QUANTITY, "another interval")


@pytest.mark.parametrize(("mode", "is_refused"), [("classic", True), ("flexible", False)])
async def test_in_classic_mode_nothing_is_added_to_what_bills_nothing(
    slow: Hands, mode: str, is_refused: bool
) -> None:
    """Stripe would begin a new period with the first item that costs something, and bill it at once."""
    world = slow.world
    read = await world.billing.gateway.subscription(await own(world))
    items = [structs.replace(each, quantity=0) for each in read.items.data]
    empty = structs.replace(
        read, items=structs.replace(read.items, data=items), billing_mode=BillingMode(type=mode)
    )
    facts = Facts(
        subscription=empty,
        items=items_of(empty),
        terms=MARKETING,
        currency="usd",
        own_schedule_id=None,
        schedule_id=None,
        last_billed={},
        promised_unix=None,
        renewal_is_near=False,
    )
    prices = await catalog_prices.book(world.billing.pool)
    if is_refused:
        with pytest.raises(Refused, match="billed at once"):
            update_of(facts, world.billing.catalog, prices)
    else:
        assert update_of(facts, world.billing.catalog, prices)


async def test_what_only_a_person_can_put_right_says_how(slow: Hands) -> None:
    """No call is made up for it, and the answer is what to do."""
    kinds = [kind for kind in FindingKind if advice(kind).side is Side.STAFF]
    assert 8 < len(kinds)
    for kind in kinds:
        await refused(slow, kind, advice(kind).what)


async def test_without_a_paid_invoice_nobody_guesses_the_price(slow: Hands) -> None:
    """Two versions are known, and none was paid: a person has to tell."""
    world = slow.world
    await raise_price(world, MARKETING, "base")
    await world.sell(PRO)
    await set_item(world, "base", price=(await prices(world, PRO))["base"], quantity=1)
    await world.billing.pool.execute("DELETE FROM stripe_invoice")
    await refused(slow, FindingKind.WRONG_PRICE, "has 2 prices")
