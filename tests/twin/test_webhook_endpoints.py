"""Webhook endpoints: how many, when they are tried again, and what their owner does by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import stripe

from tests.twin.api import JSON, Api, first_item
from tests.twin.receiver import Receiver
from worker.twin.server import TwinSettings, start


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    listening = await Receiver().start()
    yield listening
    await listening.close()


async def listen(api: Api, url: str, *kinds: str) -> JSON:
    """A new endpoint."""
    return await api.post(
        "/v1/webhook_endpoints", {"url": url, "enabled_events": list(kinds) or ["customer.created"]}
    )


async def states(api: Api) -> list[str]:
    """The state of every delivery, oldest first."""
    return [d["status"] for d in (await api.control("deliveries", method="GET"))["data"]]


async def test_an_account_has_sixteen_endpoints(api: Api) -> None:
    """The seventeenth is refused until one is deleted; thin destinations count, too."""
    made = [await listen(api, f"http://127.0.0.1:9/{n}", "coupon.created") for n in range(16)]
    error = (
        await api.post(
            "/v1/webhook_endpoints",
            {"url": "http://127.0.0.1:9/", "enabled_events": ["coupon.created"]},
            status=400,
        )
    )["error"]
    assert "maximum of 16" in error["message"]
    await api.delete(f"/v1/webhook_endpoints/{made[0]['id']}")
    await listen(api, "http://127.0.0.1:9/", "coupon.created")


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x"}, {"url": ""}, {"enabled_events": ["no.such"]}, {"enabled_events": ""}]
)
async def test_what_an_endpoint_refuses(api: Api, wrong: JSON) -> None:
    """An address without http, an event that Stripe does not have."""
    form = {"url": "http://127.0.0.1:9/", "enabled_events": ["*"], **wrong}
    error = (await api.post("/v1/webhook_endpoints", form, status=400))["error"]
    assert error["param"].startswith(next(iter(wrong)))


async def test_an_event_waits_for_every_endpoint(api: Api, receiver: Receiver) -> None:
    """`pending_webhooks` counts the endpoints left; delivery succeeds when the last one answered 2xx."""
    second = await Receiver().start()
    await listen(api, receiver.url)
    await listen(api, second.url)
    second.statuses = [500]
    await api.customer(None)
    await second.until(lambda: len(second.got) == 1)
    await receiver.until(lambda: len(receiver.got) == 1)
    await api.until("/v1/events?delivery_success=false")
    await second.until(lambda: len(second.got) == 2)
    await api.until("/v1/events?delivery_success=true")
    event = (await api.events())[0]
    assert (event["pending_webhooks"], await api.events(delivery_success=False)) == (0, [])
    assert second.got[1][0]["pending_webhooks"] == 1
    await second.close()


@pytest.mark.parametrize("status", [301, 302, 400, 404, 410, 503])
async def test_all_but_2xx_is_tried_again(api: Api, receiver: Receiver, status: int) -> None:
    """A redirection is a failure and is not followed."""
    await listen(api, receiver.url)
    receiver.statuses = [status]
    await api.customer(None)
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.ids()[0] == receiver.ids()[1]


async def test_a_slow_answer_is_a_failure(api: Api, receiver: Receiver) -> None:
    """After the time limit the event comes again, although the receiver has worked on it."""
    await listen(api, receiver.url)
    await api.control("delivery", {"mode": "normal", "timeout_seconds": 0.2})
    receiver.slow = [0.6]
    await api.customer(None)
    await receiver.until(lambda: len(receiver.got) == 2)
    log = (await api.control("deliveries", method="GET"))["data"]
    assert log[0]["answers"][0] == "TimeoutError"


@pytest.mark.parametrize("act", ["disable", "delete"])
async def test_an_endpoint_that_is_gone_gets_no_further_tries(api: Api, receiver: Receiver, act: str) -> None:
    """Whoever is switched off or deleted between two tries is not tried again."""
    made = await listen(api, receiver.url)
    await api.control("delivery", {"mode": "hold"})
    await api.customer(None)
    path = f"/v1/webhook_endpoints/{made['id']}"
    if act == "delete":
        await api.delete(path)
    else:
        await api.post(path, {"disabled": True})
    await api.control("delivery/flush")
    await api.control("delivery", {"mode": "normal"})
    await listen(api, receiver.url, "product.created")
    await api.post("/v1/products", {"name": "later"})
    await receiver.until(lambda: bool(receiver.got))
    assert receiver.types() == ["product.created"]
    assert (await states(api))[0] == "given up"


async def test_a_rolled_secret_signs_for_a_while(api: Api, receiver: Receiver) -> None:
    """Both secrets verify until the old one expires; then only the new one does."""
    made = await listen(api, receiver.url)
    roll = {"act": "roll_secret", "endpoint": made["id"]}
    new = (await api.control("dashboard", {**roll, "expire_seconds": 3600}))["secret"]
    await api.customer(None)
    await receiver.until(lambda: len(receiver.got) == 1)
    _, raw, header = receiver.got[0]
    assert header.count("v1=") == 2
    for secret in (made["secret"], new):
        stripe.Webhook.construct_event(raw, header, secret)
    newest = (await api.control("dashboard", {**roll, "expire_seconds": 0}))["secret"]
    await api.customer(None)
    await receiver.until(lambda: len(receiver.got) == 2)
    _, raw, header = receiver.got[1]
    stripe.Webhook.construct_event(raw, header, newest)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(raw, header, new)


async def test_an_event_can_be_sent_again_by_hand(api: Api, receiver: Receiver) -> None:
    """The same event under its old id, to everyone who wants it or to one endpoint."""
    made = await listen(api, receiver.url)
    await api.customer(None)
    await receiver.until(lambda: len(receiver.got) == 1)
    again = {"act": "resend", "event": receiver.ids()[0]}
    assert (await api.control("dashboard", again))["sent"] == 1
    assert (await api.control("dashboard", {**again, "endpoint": made["id"]}))["sent"] == 1
    await receiver.until(lambda: len(receiver.got) == 3)
    assert len(set(receiver.ids())) == 1


async def test_an_endpoint_can_be_changed(api: Api, receiver: Receiver) -> None:
    """Address, events, metadata; the secret is never shown again."""
    made = await listen(api, "http://127.0.0.1:9/", "product.created")
    path = f"/v1/webhook_endpoints/{made['id']}"
    form = {"url": receiver.url, "enabled_events": ["customer.created"], "metadata": {"a": "1"}}
    changed = await api.post(path, form)
    assert (changed["url"], changed["metadata"], "secret" in changed) == (receiver.url, {"a": "1"}, False)
    await api.customer(None)
    await receiver.until(lambda: receiver.types() == ["customer.created"])
    assert (await api.get("/v1/webhook_endpoints"))["data"] == [changed]


async def test_finalising_waits_for_the_webhook(api: Api, receiver: Receiver) -> None:
    """With the setting on, a renewal's draft waits for `invoice.created`, 72 hours at most."""
    await api.control("account", {"finalize_after_delivery": True})
    subscriptions = [await api.subscribe(await api.customer(), (await api.price(2000), 1)) for _ in range(2)]
    await listen(api, receiver.url, "invoice.created")
    await api.control("delivery", {"mode": "hold"})
    await api.control("clock", {"now": first_item(subscriptions[1])["current_period_end"] + 60})
    await api.control("clock", {"advance_seconds": 7200})
    drafts = [i["id"] for i in (await api.get("/v1/invoices", {"status": "draft"}))["data"]]
    assert len(drafts) == 2
    held = (await api.control("deliveries", method="GET"))["data"]
    await api.control("delivery", {"mode": "normal"})
    await api.control("dashboard", {"act": "resend", "event": held[0]["event"]})
    await receiver.until(lambda: len(receiver.got) == 1)
    told = receiver.got[0][0]["data"]["object"]["id"]
    await api.until("/v1/events?delivery_success=true&type=invoice.created&limit=1")
    await api.control("clock", {"advance_seconds": 3600})
    left = [i["id"] for i in (await api.get("/v1/invoices", {"status": "draft"}))["data"]]
    assert left == [i for i in drafts if i != told]
    await api.control("clock", {"advance_seconds": 72 * 3600})
    assert (await api.get("/v1/invoices", {"status": "draft"}))["data"] == []


async def test_deliveries_go_on_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    """What had not arrived when the twin was closed is tried again when it starts from its file."""
    settings = TwinSettings(persist_path=str(tmp_path / "twin.json"))
    running = await start(settings)
    async with aiohttp.ClientSession() as session:
        api = Api(running.base_url, session)
        await listen(api, receiver.url)
        receiver.statuses = [503]
        made = await api.customer(None)
        await receiver.until(lambda: len(receiver.got) == 1)
    await running.close()
    running = await start(settings)
    await receiver.until(lambda: len(receiver.got) == 2)
    assert receiver.got[1][0]["data"]["object"]["id"] == made["id"]
    assert receiver.ids()[0] == receiver.ids()[1]
    await running.close()
