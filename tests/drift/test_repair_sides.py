"""The other sides of a repair: Stripe wins, a promise is written again, a schedule goes, a fresh look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync import audit
from sync.errors import Code, Refused
from sync.parking import park, unpark
from sync.reconcile.anew import reconcile_account
from sync.reconcile.repair_sides import Side
from sync.reconcile.shown import show, try_out
from sync.rules.drift import FindingKind
from tests.drift.edits import (
    BY,
    PRO,
    by_hand,
    find,
    item,
    money,
    more_seats,
    own,
    posts,
    prices,
    repair,
    set_item,
)
from tests.faults.hands import Hands
from tests.flows.world import MARKETING

SCHEDULES = "/v1/subscription_schedules"


# ---- what Stripe bills was meant


async def test_stripe_wins_and_its_items_are_the_terms_from_now_on(slow: Hands) -> None:
    """Nothing is sent; the history says since when, and by which repair."""
    world = slow.world
    finding = await more_seats(world)
    before, sent = await money(world), await posts(slow)
    run = (await try_out(world.billing, finding.id, Side.STRIPE))["dry_run"]
    assert ([], 3, 10) == (run["calls"], run["terms"]["before"]["seats"], run["terms"]["after"]["seats"])
    found = await repair(world.billing, finding.id, **BY, side=Side.STRIPE)
    assert ("repaired", "stripe") == (found["state"], found["repairs"][0]["side"])
    view = await world.view()
    assert replace(MARKETING, seats=10).to_json() == view["terms"]
    assert [found["repairs"][0]["id"], None] == [
        view["history"][0]["change_id"],
        view["history"][0]["ended_at"],
    ]
    assert view["history"][0]["effective_at"] == view["history"][1]["ended_at"]
    assert (before, sent) == (await money(world), await posts(slow))
    assert [] == await reconcile_account(world.billing, "acme")
    assert (await world.quote({"seats": 12}))["refusals"] == []


async def test_items_that_are_no_terms_cannot_win(slow: Hands) -> None:
    """Half of another tier is nothing that is sold."""
    world = slow.world
    await world.sell(PRO)
    await set_item(world, "base", price=(await prices(world, PRO))["base"], quantity=1)
    finding = await find(world, FindingKind.WRONG_PRICE)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY, side=Side.STRIPE)
    assert Code.REPAIR_NEEDS_STAFF == no.value.code
    assert MARKETING.to_json() == (await world.view())["terms"]


async def test_terms_that_a_promise_was_reckoned_from_stay(slow: Hands) -> None:
    """Withdraw it first: it would take away at the renewal what was just taken over."""
    world = slow.world
    await promised(slow)
    finding = await more_seats(world)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY, side=Side.STRIPE)
    assert Code.CHANGE_IN_PROGRESS == no.value.code


async def test_accounts_that_lost_their_terms_take_over_what_is_billed(slow: Hands) -> None:
    """Its subscription lives, and nothing is known of what was bought."""
    world = slow.world
    await world.billing.pool.execute("DELETE FROM account_terms")
    finding = await find(world, FindingKind.TERMS_MISSING)
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert MARKETING.to_json() == (await world.view())["terms"]


# ---- promises and schedules


async def promised(slow: Hands) -> str:
    """Eight seats, and five promised for the renewal; returns the change."""
    await slow.settle(await slow.step(await slow.confirm(await slow.world.quote({"seats": 8}))))
    change = await slow.step(await slow.confirm(await slow.world.quote({"seats": 5})))
    assert "scheduled" == change["state"], change
    return str(change["id"])


async def test_a_promise_that_was_released_is_written_again(slow: Hands) -> None:
    """By its own steps; the dry run shows the same calls, and nothing is charged before the renewal."""
    world = slow.world
    change_id = await promised(slow)
    path = f"{SCHEDULES}/{(await world.subscription())['schedule']}"
    await by_hand(world, f"{path}/release")
    finding = await find(world, FindingKind.RENEWAL_LEG_MISSING)
    before = await money(world)
    calls = (await try_out(world.billing, finding.id))["dry_run"]["calls"]
    assert [SCHEDULES, f"{SCHEDULES}/{{the new schedule}}"] == [call["path"] for call in calls]
    found = await repair(world.billing, finding.id, **BY)
    assert "repaired" == found["state"]
    stored = await world.billing.pool.fetch(
        "SELECT path, params FROM stripe_call WHERE subject_id = $1 ORDER BY created_at DESC LIMIT 2",
        change_id,
    )
    assert [call["body"] for call in calls] == [row["params"] for row in reversed(stored)]
    assert before == await money(world)
    links, _ = await audit.shown(world.billing.pool, "acme", limit=2)
    assert ["finding.repaired", "repair.begun"] == [link.entry.act for link in links]
    assert {BY["actor"]} == {link.entry.actor for link in links}
    assert [] == await reconcile_account(world.billing, "acme")


async def test_a_promise_that_was_edited_is_written_again(slow: Hands) -> None:
    """Its next phase says something else: one call writes both phases in full."""
    world = slow.world
    await promised(slow)
    path = f"{SCHEDULES}/{(await world.subscription())['schedule']}"
    await by_hand(world, path, end_behavior="cancel")
    finding = await find(world, FindingKind.RENEWAL_LEG_MISSING)
    calls = (await try_out(world.billing, finding.id))["dry_run"]["calls"]
    assert [path] == [call["path"] for call in calls]
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert "release" == (await world.stripe("GET", path))["end_behavior"]


async def test_a_promise_of_a_parked_account_waits_with_it(slow: Hands) -> None:
    """Its own steps obey the parking, so the repair says what to do instead of beginning."""
    world = slow.world
    await promised(slow)
    await by_hand(world, f"{SCHEDULES}/{(await world.subscription())['schedule']}/release")
    finding = await find(world, FindingKind.RENEWAL_LEG_MISSING)
    await park(world.billing, "acme", actor="olga", reason="a test")
    sent = await posts(slow)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert (Code.ACCOUNT_PARKED, sent) == (no.value.code, await posts(slow))
    await unpark(world.billing, "acme", actor="olga", reason="looked at")
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]


async def test_items_are_set_beside_a_promise_and_the_promise_stays(slow: Hands) -> None:
    """The schedule's running phase follows the items; the next one is as promised."""
    world = slow.world
    await promised(slow)
    finding = await more_seats(world, 9)
    before = await money(world)
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert (5, before) == ((await item(world, "seats"))["quantity"], await money(world))
    schedule = await world.stripe("GET", f"{SCHEDULES}/{(await world.subscription())['schedule']}")
    seats = (await prices(world, MARKETING))["seats"]
    last = {each["price"]: each["quantity"] for each in schedule["phases"][-1]["items"]}
    assert 2 == last[seats]
    assert [] == await reconcile_account(world.billing, "acme")


async def test_near_a_promised_renewal_no_items_are_set(slow: Hands) -> None:
    """The renewal might come first, and the repair would take the promise back."""
    world = slow.world
    await promised(slow)
    finding = await more_seats(world, 9)
    end = (await item(world, "seats"))["current_period_end"]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(end - now - 600)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert "within the half hour" in no.value.detail


async def test_after_a_promised_renewal_no_items_are_set_to_the_terms_of_before(slow: Hands) -> None:
    """Until the promise is in force here, our own terms are the old ones: the repair would undo it."""
    world = slow.world
    await promised(slow)
    finding = await more_seats(world, 9)
    end = (await item(world, "seats"))["current_period_end"]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(end - now + 120)
    renewed = await world.items()
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert (Code.CHANGE_IN_PROGRESS, True) == (no.value.code, no.value.retryable)
    assert "It has renewed" in no.value.detail
    assert renewed == await world.items()
    assert None is (await world.view())["parked"]


async def test_a_schedule_of_ours_without_a_promise_is_released(slow: Hands) -> None:
    """The subscription stays as it is, and the account has no schedule any more."""
    world = slow.world
    change_id = await promised(slow)
    await world.billing.pool.execute(
        "UPDATE change_leg SET state = 'withdrawn', ended_at = now() WHERE change_id = $1", change_id
    )
    finding = await find(world, FindingKind.SCHEDULE_LEFT_OVER)
    before, items = await money(world), await world.items()
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert (None, items) == ((await world.subscription())["schedule"], await world.items())
    assert before == await money(world)
    assert None is await world.billing.pool.fetchval("SELECT stripe_schedule_id FROM account")
    assert 0 == len(await slow.requests("POST", f"/v1/subscriptions/{await own(world)}/"))


# ---- a fresh look


async def test_whatever_was_put_right_by_hand_is_repaired_by_a_look(slow: Hands) -> None:
    """A person did what was advised, and asks for a look; while it is still there it stays open."""
    world = slow.world
    await world.sell(PRO)
    items = [{"price": (await prices(world, PRO))["seats"], "quantity": 2}]
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", items=items, proration_behavior="none")
    finding = await find(world, FindingKind.DUPLICATE_ITEM)
    still = await repair(world.billing, finding.id, **BY, side=Side.REFRESH)
    assert ("open", "failed") == (still["state"], still["repairs"][0]["outcome"])
    double = (await world.subscription())["items"]["data"][-1]
    await by_hand(world, f"/v1/subscription_items/{double['id']}", "DELETE", proration_behavior="none")
    sent = await posts(slow)
    found = await repair(world.billing, finding.id, **BY, side=Side.REFRESH)
    assert ("repaired", "refresh", sent) == (found["state"], found["repairs"][0]["side"], await posts(slow))
    assert None is (await show(world.billing, finding.id))["dry_run"]
