"""What a sweep finds beside the items: who vanished, what others attached, what nothing explains."""

from __future__ import annotations

from sync.mirror_rows import Kind
from sync.store import mirror
from tests.drift.edits import by_hand, item, own, set_item
from tests.drift.sweeping import (
    applied,
    catch_up_mirror,
    copy_of_subscription,
    findings_of,
    pretend,
    sweep,
    waiting,
    waiting_after,
)
from tests.faults.hands import Hands

# ---- what vanished


async def test_a_subscription_that_vanished_leaves_a_tombstone_and_a_finding(slow: Hands) -> None:
    """No list shows it, so it is asked for by itself."""
    world = slow.world
    await pretend(world, Kind.SUBSCRIPTION, await copy_of_subscription(world, id="sub_ghost"))
    await world.billing.pool.execute("UPDATE account SET stripe_subscription_id = 'sub_ghost'")
    await sweep(world)
    head = await mirror.head(world.billing.pool, "sub_ghost")
    assert head is not None
    assert head.deleted
    own_id = (await world.stripe("GET", "/v1/subscriptions"))["data"][0]["id"]
    assert [("second_subscription", own_id), ("subscription_missing", "sub_ghost")] == sorted(
        (row.kind, row.object_id) for row in await findings_of(world)
    )
    await world.billing.pool.execute("UPDATE account SET stripe_subscription_id = 'sub_never'")
    await sweep(world)
    assert ("subscription_missing", "acme") in await waiting(world), "one that the mirror never had"
    await world.billing.pool.execute("UPDATE account SET stripe_subscription_id = $1", own_id)
    await sweep(world)
    assert [] == await waiting(world)


async def test_a_deleted_customer_is_one_finding(slow: Hands) -> None:
    """Its subscription ended with it, which is no finding of its own; the events may be lost."""
    world = slow.world
    customer = (await world.view())["stripe_customer_id"]
    await by_hand(world, f"/v1/customers/{customer}", "DELETE")
    await sweep(world)
    assert [("customer_missing", "acme")] == await waiting(world)
    await sweep(world)
    [row] = await findings_of(world)
    assert (customer, "open", 2) == (row.object_id, row.state, row.times_seen)
    await world.account("other")
    customer = (await world.view("other"))["stripe_customer_id"]
    await by_hand(world, f"/v1/customers/{customer}", "DELETE")
    await catch_up_mirror(world)
    await sweep(world)
    found = [("customer_missing", "acme"), ("customer_missing", "other")]
    assert found == await waiting(world), "one that never bought is known by its event"


# ---- the other kinds


async def test_what_others_attached_is_found(slow: Hands) -> None:
    """A schedule, one to come, and a second subscription; each by its own object."""
    world = slow.world
    subscription, customer = await own(world), (await world.view())["stripe_customer_id"]
    price = (await item(world, "base"))["price"]["id"]
    attached = await by_hand(world, "/v1/subscription_schedules", from_subscription=subscription)
    later = int((await world.subscription())["items"]["data"][0]["current_period_end"])
    to_come = await by_hand(
        world,
        "/v1/subscription_schedules",
        customer=customer,
        start_date=later,
        phases=[{"items": [{"price": price}], "duration": {"interval": "month", "interval_count": 1}}],
    )
    second = await by_hand(world, "/v1/subscriptions", customer=customer, items=[{"price": price}])
    expected = sorted(
        [
            ("schedule_foreign", attached["id"]),
            ("schedule_foreign", to_come["id"]),
            ("second_subscription", second["id"]),
        ]
    )
    for _ in range(2):
        await sweep(world)
        assert expected == sorted((row.kind, row.object_id) for row in await findings_of(world, state="open"))
    await by_hand(world, f"/v1/subscription_schedules/{attached['id']}/release")
    await by_hand(world, f"/v1/subscription_schedules/{to_come['id']}/cancel")
    await by_hand(world, f"/v1/subscriptions/{second['id']}", "DELETE")
    assert [] == await waiting_after(world)
    await by_hand(world, f"/v1/subscriptions/{subscription}", "DELETE")
    assert [("status_differs", "acme")] == await waiting_after(world), "ended at once, and nobody said why"


async def test_a_portal_that_changes_plans_is_one_and_a_planned_end_is_none(slow: Hands) -> None:
    """Customers would go past the policy; an end is somebody's decision, before it has come and after."""
    world = slow.world
    await world.control("POST", "account", {"portal_changes_plans": True})
    assert [("portal_allows_updates", None)] == await waiting_after(world)
    await world.control("POST", "account", {"portal_changes_plans": False})
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", cancel_at_period_end=True)
    assert [] == await waiting_after(world)
    await world.pass_time(40 * 86_400)
    assert "canceled" == (await world.subscription())["status"]
    assert [] == await waiting_after(world)


async def test_invoices_that_nothing_explains(slow: Hands) -> None:
    """Somebody else's update and a bill by hand; our own purchases and void ones are explained."""
    world = slow.world
    await slow.settle(await applied(slow, {"seats": 5}))
    await set_item(world, "seats", quantity=9, proration_behavior="always_invoice")
    update = (await world.invoices())[0]
    customer = (await world.view())["stripe_customer_id"]
    await by_hand(world, "/v1/invoiceitems", customer=customer, amount=500, currency="usd")
    bill = await by_hand(world, "/v1/invoices", customer=customer, pending_invoice_items_behavior="include")
    await by_hand(world, f"/v1/invoices/{bill['id']}/finalize")
    await catch_up_mirror(world)
    await sweep(world)
    odd = await findings_of(world, kind="invoice_unexplained")
    assert {(update["id"], "subscription_update"), (bill["id"], "manual")} == {
        (row.object_id, row.found["billing_reason"]) for row in odd
    }
    await by_hand(world, f"/v1/invoices/{bill['id']}/void")
    await catch_up_mirror(world)
    await sweep(world)
    sightings = "SELECT count(*) FROM mirror_sighting"
    assert 0 == await world.billing.pool.fetchval(sightings), "lists and events show the same columns"
    assert {update["id"]: "open", bill["id"]: "gone"} == {
        row.object_id: row.state for row in await findings_of(world, kind="invoice_unexplained")
    }
