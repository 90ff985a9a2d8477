"""Events: what changed, who asked, and in which order they are listed."""

from __future__ import annotations

from tests.twin.api import Api, first_item, types


async def test_an_item_change_shows_the_old_items_whole(api: Api) -> None:
    """Arrays appear whole in `previous_attributes`; laid over the snapshot they give the old object."""
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    await api.change(subscription, item, proration_behavior="none")
    event = (await api.events(type="customer.subscription.updated"))[0]
    previous = event["data"]["previous_attributes"]
    assert list(previous) == ["items"]
    assert previous["items"]["data"] == subscription["items"]["data"]
    assert event["data"]["object"]["items"]["data"][0]["quantity"] == 8


async def test_hashes_show_changed_keys_only(api: Api) -> None:
    """Metadata: the old value, null for a new key."""
    customer = await api.customer(metadata={"a": "1", "b": "2"})
    await api.post(f"/v1/customers/{customer['id']}", {"metadata": {"b": "3", "c": "4"}})
    event = (await api.events(type="customer.updated"))[0]
    assert event["data"]["previous_attributes"] == {"metadata": {"b": "2", "c": None}}


async def test_no_event_without_a_change(api: Api) -> None:
    """Writing what is there already is silent."""
    customer = await api.customer(name="Ada")
    await api.post(f"/v1/customers/{customer['id']}", {"name": "Ada"})
    assert await api.events(type="customer.updated") == []


async def test_a_request_is_named_by_its_key(api: Api) -> None:
    """Own changes are recognised by `request.idempotency_key`; edits by hand and the clock have no
    request.
    """
    made = await api.post("/v1/customers", key="change:1:now:update:0")
    event = (await api.events(type="customer.created"))[0]
    assert (
        event["request"] == {"id": api.headers["Request-Id"], "idempotency_key": "change:1:now:update:0"}
        or made
    )
    assert event["request"]["idempotency_key"] == "change:1:now:update:0"
    edit = {"method": "POST", "path": f"/v1/customers/{made['id']}", "params": {"name": "By hand"}}
    assert (await api.control("dashboard", edit))["name"] == "By hand"
    assert (await api.events(type="customer.updated"))[0]["request"] is None


async def test_snapshots_do_not_change_afterwards(api: Api) -> None:
    """An event shows its object as it was then, not as it is now."""
    customer = await api.customer(name="Before")
    await api.post(f"/v1/customers/{customer['id']}", {"name": "After"})
    event = (await api.events(type="customer.created"))[0]
    assert (await api.get(f"/v1/events/{event['id']}"))["data"]["object"]["name"] == "Before"


async def test_filters_of_the_list(api: Api) -> None:
    """By type, by types, by time; both together are refused."""
    start = (await api.control("clock", method="GET"))["now"]
    await api.customer(None)
    await api.control("clock", {"advance_seconds": 1000})
    await api.post("/v1/products", {"name": "x"})
    assert types(await api.events(types=["customer.created", "product.created"])) == [
        "product.created",
        "customer.created",
    ]
    assert types(await api.events(created={"gte": start + 900})) == ["product.created"]
    assert types(await api.events(type="customer.*")) == ["customer.created"]
    await api.get("/v1/events", {"type": "a", "types": ["b"]}, status=400)


async def test_events_are_kept_for_thirty_days(api: Api) -> None:
    """Older ones are not listed any more."""
    await api.customer(None)
    await api.control("clock", {"advance_seconds": 31 * 86400})
    assert await api.events() == []


async def test_a_renewal_shows_the_old_period(api: Api) -> None:
    """The roll-over is a change of the items, with the period as it was."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.control("clock", {"advance_seconds": 32 * 86400})
    event = (await api.events(type="customer.subscription.updated"))[-1]
    old = event["data"]["previous_attributes"]["items"]["data"][0]
    assert old["current_period_end"] == first_item(subscription)["current_period_end"]
    assert event["created"] == first_item(subscription)["current_period_end"]


async def test_pages_of_events(api: Api) -> None:
    """Cursors and limit work together with a filter; a missing cursor is refused."""
    for n in range(5):
        await api.post("/v1/customers", {"name": str(n)})
        await api.post("/v1/products", {"name": str(n)})

    async def page(**params: object) -> tuple[list[str], bool]:
        found = await api.get("/v1/events", {"type": "customer.created", "limit": 2, **params})
        return [e["data"]["object"]["name"] for e in found["data"]], found["has_more"]

    every = await api.events(type="customer.created")
    assert await page() == (["4", "3"], True)
    assert await page(starting_after=every[1]["id"]) == (["2", "1"], True)
    assert await page(starting_after=every[3]["id"]) == (["0"], False)
    assert await page(ending_before=every[3]["id"]) == (["3", "2"], True)
    await api.get("/v1/events", {"starting_after": "evt_no"}, status=400)
    await api.get("/v1/events", {"types": [f"a{n}" for n in range(21)]}, status=400)
    await api.get("/v1/events/evt_no", status=404)


async def test_ranges_of_time(api: Api) -> None:
    """`gt`, `gte`, `lt`, `lte`, and one moment."""
    await api.customer(None)
    first = (await api.events())[0]["created"]
    await api.control("clock", {"advance_seconds": 100})
    await api.post("/v1/products", {"name": "x"})
    second = (await api.events())[0]["created"]
    assert types(await api.events(created={"gt": first})) == ["product.created"]
    assert types(await api.events(created={"lte": first})) == ["customer.created"]
    assert types(await api.events(created={"gte": first, "lt": second})) == ["customer.created"]
    assert types(await api.events(created=second)) == ["product.created"]
