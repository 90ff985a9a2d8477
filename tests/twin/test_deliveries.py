"""Webhooks: signed, retried, and spoilt on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import stripe

from tests.twin.api import Api, first_item
from tests.twin.receiver import Receiver

PAID_UPDATE = {
    "invoiceitem.created",
    "invoice.created",
    "customer.subscription.updated",
    "invoice.updated",
    "invoice.finalized",
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice_payment.paid",
    "invoice.paid",
    "invoice.payment_succeeded",
}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    listening = await Receiver().start()
    yield listening
    await listening.close()


async def listen(api: Api, receiver: Receiver, *kinds: str) -> str:
    """Register the receiver; returns the signing secret."""
    params = {"url": receiver.url, "enabled_events": list(kinds) or ["*"]}
    endpoint = await api.post("/v1/webhook_endpoints", params)
    assert "secret" not in await api.get(f"/v1/webhook_endpoints/{endpoint['id']}")
    return str(endpoint["secret"])


async def test_a_delivery_is_signed_over_its_raw_bytes(api: Api, receiver: Receiver) -> None:
    """The SDK's own check accepts it, although the twin's clock is a month ahead."""
    await api.control("clock", {"advance_seconds": 30 * 86400})
    secret = await listen(api, receiver, "customer.created")
    customer = await api.customer()
    await receiver.until(lambda: bool(receiver.got))
    event, raw, header = receiver.got[0]
    checked = stripe.Webhook.construct_event(raw, header, secret)
    assert (checked.id, event["data"]["object"]["id"]) == (event["id"], customer["id"])
    assert event["api_version"] == stripe.api_version


async def test_the_burst_of_a_paid_update(api: Api, receiver: Receiver) -> None:
    """Everything that Stripe sends for an immediate upgrade arrives, and each event once."""
    subscription = await api.seats()
    await listen(api, receiver)
    await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    await receiver.until(lambda: set(receiver.types()) >= PAID_UPDATE)
    assert set(receiver.types()) == PAID_UPDATE
    assert len(receiver.ids()) == len(set(receiver.ids()))


async def test_failures_are_tried_again(api: Api, receiver: Receiver) -> None:
    """After a 500 the same event comes again, and until then it counts as undelivered."""
    await listen(api, receiver, "customer.created")
    receiver.statuses = [500]
    await api.customer()
    await receiver.until(lambda: len(receiver.got) == 1)
    assert len(await api.events(delivery_success=False)) == 1
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.ids()[0] == receiver.ids()[1]
    log = (await api.control("deliveries", method="GET"))["data"]
    assert log[0]["answers"][0] == 500


async def test_a_receiver_that_comes_back_gets_everything(api: Api, receiver: Receiver) -> None:
    """Nobody listens for a while; afterwards nothing is missing."""
    await listen(api, receiver, "customer.created")
    port = receiver.port
    await receiver.close()
    made = {(await api.post("/v1/customers"))["id"] for _ in range(20)}
    back = await Receiver().start(port)
    await back.until(lambda: {e["data"]["object"]["id"] for e, _, _ in back.got} == made)
    await back.close()


async def test_hold_and_flush(api: Api, receiver: Receiver) -> None:
    """Held events stay until they are let go, also when the mode is normal again."""
    await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": "hold"})
    held = await api.customer()
    await api.control("delivery", {"mode": "normal"})
    later = await api.customer()
    await receiver.until(lambda: bool(receiver.got))
    assert receiver.got[0][0]["data"]["object"]["id"] == later["id"]
    assert (await api.control("delivery/flush"))["sent"] == 1
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.got[1][0]["data"]["object"]["id"] == held["id"]


async def test_dropped_events_can_only_be_listed(api: Api, receiver: Receiver) -> None:
    """A dropped delivery never arrives; the events API still has it."""
    await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": "drop", "share": 1})
    lost = await api.customer()
    await api.control("delivery", {"mode": "normal"})
    await api.customer()
    await receiver.until(lambda: bool(receiver.got))
    listed = await api.events(type="customer.created", delivery_success=False)
    assert [e["data"]["object"]["id"] for e in listed] == [lost["id"]]


async def test_duplicates(api: Api, receiver: Receiver) -> None:
    """Every event comes twice under one id."""
    await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": "duplicate", "share": 1})
    await api.customer()
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.ids()[0] == receiver.ids()[1]


async def test_shuffled_events_all_arrive(api: Api, receiver: Receiver) -> None:
    """The order is broken, nothing is lost."""
    await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": "shuffle", "share": 1})
    made = [(await api.post("/v1/customers"))["id"] for _ in range(12)]
    await receiver.until(lambda: len(receiver.got) == 12)
    arrived = [e["data"]["object"]["id"] for e, _, _ in receiver.got]
    assert (arrived != made, sorted(arrived)) == (True, sorted(made))


async def test_delays(api: Api, receiver: Receiver) -> None:
    """A delayed event comes after one that happened later."""
    await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": "delay", "delay_seconds": 0.3})
    slow = await api.customer()
    await api.control("delivery", {"mode": "normal"})
    await api.customer()
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.got[1][0]["data"]["object"]["id"] == slow["id"]


@pytest.mark.parametrize(
    ("mode", "reason"), [("bad_signature", "signatures found"), ("old_timestamp", "outside the tolerance")]
)
async def test_spoilt_signatures(api: Api, receiver: Receiver, mode: str, reason: str) -> None:
    """The first try of a spoilt delivery does not verify, the next one does."""
    secret = await listen(api, receiver, "customer.created")
    await api.control("delivery", {"mode": mode})
    receiver.statuses = [400]
    await api.customer()
    await receiver.until(lambda: len(receiver.got) == 2)
    _, raw, header = receiver.got[0]
    with pytest.raises(stripe.SignatureVerificationError, match=reason):
        stripe.Webhook.construct_event(raw, header, secret)
    stripe.Webhook.construct_event(receiver.got[1][1], receiver.got[1][2], secret)


async def test_endpoints_choose_their_events(api: Api, receiver: Receiver) -> None:
    """Only what was asked for arrives, and nothing at a disabled endpoint."""
    await listen(api, receiver, "product.created")
    await api.customer()
    await api.post("/v1/products", {"name": "x"})
    await receiver.until(lambda: bool(receiver.got))
    await asyncio.sleep(0)
    assert receiver.types() == ["product.created"]
    await api.control("delivery", {"mode": "upside-down"}, status=400)
