"""Thin events: notifications without objects, read with the real SDK."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator

import pytest
import stripe

from tests.twin.api import JSON, Api, first_item
from tests.twin.receiver import Receiver
from worker.twin import contract

DESTINATION: JSON = {
    "name": "Mirror",
    "type": "webhook_endpoint",
    "event_payload": "thin",
    "enabled_events": ["v1.customer.subscription.updated"],
    "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    listening = await Receiver().start()
    yield listening
    await listening.close()


async def listen(sdk: stripe.StripeClient, receiver: Receiver, **changed: object) -> JSON:
    """A destination made by the SDK's own client."""
    params = {**DESTINATION, "webhook_endpoint": {"url": receiver.url}, **changed}
    made = await sdk.v2.core.event_destinations.create_async(params)  # type: ignore[arg-type]
    found: JSON = made.to_dict()
    return found


async def test_a_notification_leads_to_its_object(
    api: Api, sdk: stripe.StripeClient, receiver: Receiver
) -> None:
    """The SDK accepts the delivery, fetches the object it names, and the event with what changed."""
    secret = (await listen(sdk, receiver))["webhook_endpoint"]["signing_secret"]
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    await api.change(subscription, item, proration_behavior="none", key="change:1")
    await receiver.until(lambda: bool(receiver.got))
    body, raw, header = receiver.got[0]
    note = sdk.parse_event_notification(raw, header, secret)
    assert isinstance(note, stripe.events.V1CustomerSubscriptionUpdatedEventNotification)
    assert "data" not in body
    related = await note.fetch_related_object_async()
    assert (related.id, related["items"].data[0].quantity) == (subscription["id"], 8)
    event = await note.fetch_event_async()
    assert event.changes is not None
    assert event.snapshot_event is not None
    assert event.changes["before"]["items"]["data"][0]["quantity"] == 5
    assert event.changes["after"]["items"]["data"][0]["quantity"] == 8
    assert (await api.get(f"/v1/events/{event.snapshot_event}"))["type"] == "customer.subscription.updated"
    assert body["reason"]["request"]["idempotency_key"] == "change:1"


async def test_only_the_wanted_types_come(api: Api, sdk: stripe.StripeClient, receiver: Receiver) -> None:
    """A thin destination names types with `v1.`; others are not sent."""
    await listen(sdk, receiver, enabled_events=["v1.product.created"])
    await api.customer()
    await api.post("/v1/products", {"name": "x"})
    await receiver.until(lambda: bool(receiver.got))
    assert receiver.types() == ["v1.product.created"]


async def test_a_snapshot_destination_gets_snapshots(
    api: Api, sdk: stripe.StripeClient, receiver: Receiver
) -> None:
    """`event_payload: snapshot` is an ordinary event in `snapshot_api_version`."""
    version = "2025-02-24.acacia"
    names = ["product.created"]
    await listen(sdk, receiver, event_payload="snapshot", enabled_events=names, snapshot_api_version=version)
    await api.post("/v1/products", {"name": "x"})
    await receiver.until(lambda: bool(receiver.got))
    assert (receiver.got[0][0]["object"], receiver.got[0][0]["api_version"]) == ("event", version)


async def test_the_history_of_one_object(api: Api, sdk: stripe.StripeClient) -> None:
    """Thin events are listed by object, by type and by time, page by page, newest first."""
    customer = await api.customer(None, name="0")
    await api.customer(None)
    for n in range(1, 4):
        await api.post(f"/v1/customers/{customer['id']}", {"name": str(n)})
    page = await sdk.v2.core.events.list_async({"object_id": customer["id"], "limit": 2})
    assert [e.type async for e in page.auto_paging_iter()] == ["v1.customer.updated"] * 3 + [
        "v1.customer.created"
    ]
    by_type = await sdk.v2.core.events.list_async({"types": ["v1.customer.created"]})
    assert len(by_type.data) == 2
    later = await sdk.v2.core.events.list_async({"created": {"gt": "2999-01-01T00:00:00Z"}})
    assert later.data == []
    await api.get("/v2/core/events", {"created": {"gt": "yesterday"}}, status=400)


async def test_a_destination_can_be_switched_off(
    api: Api, sdk: stripe.StripeClient, receiver: Receiver
) -> None:
    """Disabled it gets nothing, enabled again it does; deleted it is gone; the secret is shown once only."""
    made = await listen(sdk, receiver, enabled_events=["*"])
    destinations = sdk.v2.core.event_destinations
    found = await destinations.retrieve_async(made["id"], {"include": ["webhook_endpoint.url"]})
    assert found.webhook_endpoint is not None
    assert (found.webhook_endpoint.url, found.webhook_endpoint.signing_secret) == (receiver.url, None)
    assert (await destinations.disable_async(made["id"])).status == "disabled"
    await api.post("/v1/products", {"name": "unseen"})
    await destinations.enable_async(made["id"])
    await api.customer(None)
    await receiver.until(lambda: bool(receiver.got))
    assert receiver.types() == ["v1.customer.created"]
    await destinations.delete_async(made["id"])
    assert (await destinations.list_async()).data == []
    await api.get(f"/v2/core/event_destinations/{made['id']}", status=404)


async def test_what_a_destination_refuses(api: Api) -> None:
    """A version on thin events, no address, an unknown parameter, a body that is not JSON."""
    form = {**DESTINATION, "webhook_endpoint": {"url": "http://127.0.0.1:9/"}}
    for wrong in (
        {"snapshot_api_version": stripe.api_version},
        {"webhook_endpoint": None},
        {"type": "amazon_eventbridge"},
        {"nonsense": 1},
    ):
        await post_json(api, {**form, **wrong}, 400)
    await post_json(api, ["no", "object"], 400)
    await post_json(api, form, 200)


async def post_json(api: Api, body: object, status: int) -> None:
    """One JSON request to `/v2/`."""
    headers = {"Authorization": "Bearer sk_test_twin"}
    path = api.base_url + "/v2/core/event_destinations"
    async with api.session.post(path, headers=headers, json=body) as answer:
        assert answer.status == status, await answer.text()


def fields(module: str, name: str) -> set[str]:
    """The annotated fields of an SDK class."""
    tree = ast.parse((contract.sdk_folder() / module).read_text())
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return {n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}


async def test_answers_have_the_sdk_s_fields(api: Api) -> None:
    """Destinations, thin events and notifications carry what the SDK's classes name, and nothing else."""
    made = await api.post("/v2/core/event_destinations", status=400)
    assert made["error"]["code"] == "parameter_missing"
    await post_json(api, {**DESTINATION, "webhook_endpoint": {"url": "http://127.0.0.1:9/"}}, 200)
    destination = (await api.get("/v2/core/event_destinations"))["data"][0]
    assert set(destination) == fields("v2/core/_event_destination.py", "EventDestination") - {"OBJECT_NAME"}
    await api.customer(None)
    event = (await api.get("/v2/core/events"))["data"][0]
    named = fields("v2/core/_event.py", "Event") - {"OBJECT_NAME"}
    assert set(event) == named | {"related_object"}
    again = await api.get(f"/v2/core/events/{event['id']}")
    assert again == event
    related = await api.get(again["related_object"]["url"])
    assert (related["id"], related["object"]) == (
        again["related_object"]["id"],
        again["related_object"]["type"],
    )


async def test_every_event_leads_to_its_object(api: Api) -> None:
    """`related_object.url` answers for every kind of object that still exists."""
    held = await api.held_change("pm_card_authenticationRequired")
    await api.post("/v1/subscription_schedules", {"from_subscription": held["id"]})
    await api.post("/v1/coupons", {"percent_off": 5, "duration": "once"})
    charge = (await api.get("/v1/charges"))["data"][0]["id"]
    await api.post("/v1/refunds", {"charge": charge, "amount": 1})
    events = (await api.get("/v2/core/events", {"limit": 100}))["data"]
    related = {e["related_object"]["url"]: e["related_object"] for e in events}
    assert {"subscription", "invoice", "charge", "refund", "price"} <= {r["type"] for r in related.values()}
    for url, wanted in related.items():
        assert (await api.get(url))["id"] == wanted["id"]
