"""What the twin does not need at the moment is packed, and nobody notices."""

from __future__ import annotations

import pytest

from tests.twin.api import MID_NOVEMBER, Api, first_item, types
from tests.twin.fuzz.run import History
from worker.twin.server import RunningTwin

MONTH_AND_A_DAY = 31 * 86400


@pytest.fixture
def packed(twin: RunningTwin) -> RunningTwin:
    """A twin that packs everything after every request."""
    twin.twin.world.store.room.limit = 0
    return twin


@pytest.mark.parametrize("seed", range(4))
async def test_a_change_of_an_unpacked_object_is_never_lost(seed: int) -> None:
    """Whatever happens, a world that is packed after each request is the same as one that never is."""
    plain, packing = History(seed), History(seed)
    plain.world.store.room.limit, packing.world.store.room.limit = 10**9, 0

    await plain.run(80)
    await packing.run(80)

    assert packing.log == plain.log
    assert packing.world.ledger.effects == plain.world.ledger.effects
    for kind, table in plain.world.store.tables.items():
        assert packing.world.store[kind].docs == table.docs, kind


async def test_a_later_request_changes_what_was_packed(packed: RunningTwin, api: Api) -> None:
    """Metadata of three requests comes together, on the subscription, its item and its paid invoice."""
    subscription = await api.seats()
    item = first_item(subscription)["id"]
    for name in ("one", "two", "three"):
        await api.post(f"/v1/subscriptions/{subscription['id']}", {"metadata": {name: "1"}})
        await api.post(f"/v1/subscription_items/{item}", {"metadata": {name: "1"}})
        await api.post(f"/v1/invoices/{subscription['latest_invoice']}", {"metadata": {name: "1"}})

    shown = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})

    everything = {"one": "1", "two": "1", "three": "1"}
    assert shown["metadata"] == everything
    assert first_item(shown)["metadata"] == everything
    assert shown["latest_invoice"]["metadata"] == everything


async def test_an_item_is_one_object_however_it_is_reached(packed: RunningTwin, api: Api) -> None:
    """A change of an item by itself shows in its subscription, and the other way round."""
    subscription = await api.seats(5)
    path = f"/v1/subscription_items/{first_item(subscription)['id']}"

    await api.post(path, {"quantity": 7, "proration_behavior": "none"})
    assert first_item(await api.get(f"/v1/subscriptions/{subscription['id']}"))["quantity"] == 7
    await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 9})
    assert (await api.get(path))["quantity"] == 9


async def test_a_changed_price_shows_in_packed_items(packed: RunningTwin, api: Api) -> None:
    """An item shows its price (and the legacy plan) as it is now."""
    subscription = await api.seats()
    price = first_item(subscription)["price"]["id"]

    await api.post(f"/v1/prices/{price}", {"nickname": "Seats"})

    item = first_item(await api.get(f"/v1/subscriptions/{subscription['id']}"))
    assert (item["price"]["nickname"], item["plan"]["nickname"]) == ("Seats", "Seats")


async def test_lists_pages_and_expansion_show_what_is_packed(packed: RunningTwin, api: Api) -> None:
    """Newest first, both ways through the pages, with objects expanded inside."""
    price, customer = await api.price(1000), await api.customer()
    made = [(await api.subscribe(customer, (price, 1)))["id"] for _ in range(5)]

    first = await api.get("/v1/subscriptions", {"limit": 2, "expand": ["data.latest_invoice.customer"]})
    rest = await api.get("/v1/subscriptions", {"limit": 9, "starting_after": first["data"][-1]["id"]})
    back = await api.get("/v1/subscriptions", {"limit": 2, "ending_before": made[1]})

    assert [s["id"] for s in (*first["data"], *rest["data"])] == made[::-1]
    assert first["data"][0]["latest_invoice"]["customer"]["id"] == customer["id"]
    assert ([s["id"] for s in back["data"]], back["has_more"]) == ([made[3], made[2]], True)


async def test_events_and_the_state_show_what_is_packed(packed: RunningTwin, api: Api) -> None:
    """An event keeps what it showed when it happened; the state shows every object whole."""
    subscription = await api.seats(5)
    await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})

    event = next(e for e in await api.events() if e["type"] == "customer.subscription.created")
    state = await api.control("state", method="GET")

    assert first_item(event["data"]["object"])["quantity"] == 5
    shown = state["objects"]["subscription"][0]
    assert first_item(shown)["quantity"] == 8
    assert first_item(shown)["price"]["unit_amount"] == 2000


async def test_a_replayed_answer_is_the_first_answer(packed: RunningTwin, api: Api) -> None:
    """The body under a key is kept packed, and comes back byte for byte."""
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    first = await api.change(subscription, item, key="change-1", proration_date=MID_NOVEMBER)
    await api.change(subscription, {**item, "quantity": 3})

    again = await api.change(subscription, item, key="change-1", proration_date=MID_NOVEMBER)

    assert again == first
    assert api.headers["Idempotent-Replayed"] == "true"


async def test_a_reset_forgets_what_was_packed(packed: RunningTwin, api: Api) -> None:
    """Nothing is left, and the same calls give the same ids."""
    before = await api.customer()
    await api.control("reset")

    assert (await api.get("/v1/customers"))["data"] == []
    await api.get(f"/v1/customers/{before['id']}", status=404)
    assert (await api.customer())["id"] == before["id"]


async def test_events_of_more_than_30_days_ago_are_gone(twin: RunningTwin, api: Api) -> None:
    """They are neither listed nor retrieved, by type or without, and need no memory any more."""
    old = await api.customer()
    event = (await api.events())[-1]
    await api.control("clock", {"advance_seconds": MONTH_AND_A_DAY})
    await api.customer(email="new@example.com")

    assert {e["data"]["object"].get("email") for e in await api.events(type="customer.created")} == {
        "new@example.com"
    }
    await api.get(f"/v1/events/{event['id']}", status=404)
    assert all(e["created"] > old["created"] for e in await api.events())
    assert event["id"] not in twin.twin.world.store["event"].docs
    assert "customer.created" in types(await api.events())


async def test_keys_of_more_than_a_day_ago_are_gone(twin: RunningTwin, api: Api) -> None:
    """An old key starts anew, and does not stay in memory until somebody uses it again."""
    await api.post("/v1/customers", {"email": "one@example.com"}, key="old")
    await api.control("idempotency", {"age_seconds": 86401})
    await api.post("/v1/customers", {"email": "two@example.com"}, key="new")

    assert list(twin.twin.keys.stored) == ["new"]
