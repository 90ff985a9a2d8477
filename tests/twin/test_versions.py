"""Older API versions: what a client of yesterday's version sees of today's objects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe

from tests.twin.api import JSON, Api, first_item
from tests.twin.receiver import Receiver
from worker.twin.server import TwinSettings, start

ACACIA, BASIL, CLOVER = "2025-02-24.acacia", "2025-03-31.basil", "2025-09-30.clover"
DAHLIA, TWENTY = "2026-08-26.dahlia", "2020-08-27"


async def ask(
    api: Api, version: str, path: str, params: JSON | None = None, *, method: str = "GET", status: int = 200
) -> Any:
    """One request in a version."""
    headers = {"Authorization": "Bearer sk_test_twin", "Stripe-Version": version}
    sent: JSON = {"data": params or {}} if method == "POST" else {"params": params or {}}
    async with api.session.request(method, api.base_url + path, headers=headers, **sent) as answer:
        body = await answer.json()
        assert answer.status == status, body
        api.headers = dict(answer.headers)
        return body


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    listening = await Receiver().start()
    yield listening
    await listening.close()


async def upgraded(api: Api) -> JSON:
    """Seats 5 -> 8, invoiced and paid."""
    subscription = await api.seats()
    return await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})


async def test_the_period_stood_on_the_subscription(api: Api) -> None:
    """Before basil the subscription has the period, its only plan and quantity; the items have no period."""
    now = await upgraded(api)
    old = await ask(api, ACACIA, f"/v1/subscriptions/{now['id']}")
    item = first_item(now)
    assert old["current_period_end"] == item["current_period_end"]
    assert (old["plan"]["id"], old["quantity"]) == (item["price"]["id"], 8)
    assert "current_period_end" not in first_item(old)
    assert not {"billing_mode", "status_details"} & set(old)
    assert api.headers["Stripe-Version"] == ACACIA
    assert "current_period_end" not in await ask(api, BASIL, f"/v1/subscriptions/{now['id']}")


async def test_an_invoice_named_its_subscription_and_payment(api: Api) -> None:
    """Before basil: subscription, payment intent, charge, paid, tax and discount on the invoice itself."""
    now = await upgraded(api)
    old = await ask(api, ACACIA, f"/v1/invoices/{now['latest_invoice']['id']}")
    intent = (await api.get("/v1/payment_intents"))["data"][0]
    assert (old["subscription"], old["payment_intent"]) == (now["id"], intent["id"])
    assert (old["charge"], old["paid"], old["paid_out_of_band"]) == (intent["latest_charge"], True, False)
    assert (old["tax"], old["total_tax_amounts"], old["discount"], old["quote"]) == (None, [], None, None)
    assert not {"parent", "total_taxes", "amount_overpaid", "status_details"} & set(old)


async def test_a_line_named_its_price_and_item(api: Api) -> None:
    """Before basil prorations are of type `invoiceitem`, the first invoice's lines of type `subscription`."""
    subscription = await api.seats()
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    lines = (await ask(api, ACACIA, f"/v1/invoices/{changed['latest_invoice']['id']}"))["lines"]["data"]
    item, price = first_item(changed)["id"], first_item(changed)["price"]["id"]
    assert [(x["type"], x["proration"], x["subscription_item"]) for x in lines] == [
        ("invoiceitem", True, item)
    ] * 2
    assert {(x["price"]["id"], x["plan"]["object"]) for x in lines} == {(price, "plan")}
    assert not {"parent", "pricing", "taxes"} & set(lines[0])
    first = (await ask(api, ACACIA, f"/v1/invoices/{subscription['latest_invoice']}"))["lines"]["data"][0]
    assert (first["type"], first["proration"]) == ("subscription", False)


async def test_charges_and_intents_named_their_invoice(api: Api) -> None:
    """Before basil; and before 2022-11-15 an intent carries its charges, a charge its refunds."""
    now = await upgraded(api)
    invoice = now["latest_invoice"]["id"]
    intent = (await ask(api, TWENTY, "/v1/payment_intents"))["data"][0]
    charge = intent["charges"]["data"][0]
    assert (intent["invoice"], charge["invoice"]) == (invoice, invoice)
    assert charge["refunds"]["data"] == []
    later = (await ask(api, ACACIA, "/v1/payment_intents"))["data"][0]
    assert (later["invoice"], "charges" in later) == (invoice, False)
    assert "invoice" not in (await ask(api, BASIL, "/v1/payment_intents"))["data"][0]


async def test_an_older_path_can_be_expanded(api: Api) -> None:
    """`latest_invoice.payment_intent` expands before basil and is refused from then on."""
    now = await upgraded(api)
    path, query = f"/v1/subscriptions/{now['id']}", {"expand[]": "latest_invoice.payment_intent"}
    old = await ask(api, ACACIA, path, query)
    assert old["latest_invoice"]["payment_intent"]["status"] == "succeeded"
    await ask(api, BASIL, path, query, status=400)


async def test_a_discount_carried_its_coupon(api: Api) -> None:
    """Before clover `discount.coupon` is the coupon, before basil the subscription has one `discount`."""
    coupon = await api.post("/v1/coupons", {"percent_off": 10, "duration": "forever"})
    made = await api.seats(discounts=[{"coupon": coupon["id"]}])
    path, query = f"/v1/subscriptions/{made['id']}", {"expand[]": "discounts"}
    assert (await ask(api, BASIL, path, query))["discounts"][0]["coupon"]["percent_off"] == 10
    assert (await ask(api, ACACIA, path))["discount"]["coupon"]["id"] == coupon["id"]
    assert "coupon" not in (await ask(api, CLOVER, path, query))["discounts"][0]


async def test_an_older_subscription_is_classic_by_default(api: Api) -> None:
    """Flexible became the default with clover."""
    price, customer = await api.price(2000), await api.customer()
    form = {"customer": customer["id"], "items[0][price]": price}
    for version, mode in ((DAHLIA, "flexible"), ("2025-08-27.basil", "classic")):
        made = await ask(api, version, "/v1/subscriptions", form, method="POST")
        assert made["billing_mode"]["type"] == mode


async def test_the_anchor_s_form_follows_the_version(api: Api) -> None:
    """Text before 2026-09-30.endive, an object from then on; each refuses the other's."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    text, hashed = {"billing_cycle_anchor": "now"}, {"billing_cycle_anchor[type]": "now"}
    await ask(api, DAHLIA, path, text, method="POST")
    error = (await ask(api, DAHLIA, path, hashed, method="POST", status=400))["error"]
    assert error["param"] == "billing_cycle_anchor"
    await ask(api, "2026-09-30.endive", path, text, method="POST", status=400)
    await ask(api, "2026-09-30.endive", path, hashed, method="POST")
    await ask(api, DAHLIA, path, {"billing_cycle_anchor": "later"}, method="POST", status=400)


@pytest.mark.parametrize("version", ["2019-2-19", "9999-01-01.zebra", "2020-08-27, 2020-08-27", "", "x"])
async def test_a_version_that_does_not_exist_is_refused(api: Api, version: str) -> None:
    """Malformed, doubled, or newer than the SDK: 400, and nothing is executed."""
    error = (await ask(api, version, "/v1/customers", method="POST", status=400))["error"]
    assert error["message"].startswith(f"Invalid Stripe API version: {version}")
    assert (await api.get("/v1/customers"))["data"] == []


@pytest.mark.parametrize("version", [TWENTY, "2024-06-20", ACACIA, BASIL, CLOVER, DAHLIA])
async def test_every_object_can_be_read_in_every_version(api: Api, version: str) -> None:
    """No list of the account fails, and the older answers do not change the account's own objects."""
    await upgraded(api)
    held = await api.held_change()
    await api.post("/v1/subscription_schedules", {"from_subscription": held["id"]})
    names = ("subscriptions", "invoices", "invoiceitems", "charges", "payment_intents", "prices", "products")
    customers = {"customer": held["customer"]}
    before = [await api.get(f"/v1/{name}") for name in names]
    for name in (*names, "subscription_schedules", "customers", "coupons", "events", "invoice_payments"):
        await ask(api, version, f"/v1/{name}")
    assert (await ask(api, version, "/v1/subscriptions", customers))["data"][0]["pending_update"]
    assert [await api.get(f"/v1/{name}") for name in names] == before


async def test_an_endpoint_gets_its_own_version(api: Api, receiver: Receiver) -> None:
    """The event names the endpoint's version; its object and `previous_attributes` have its shape."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 5))
    params = {"url": receiver.url, "enabled_events": ["customer.subscription.updated"], "api_version": ACACIA}
    await api.post("/v1/webhook_endpoints", params)
    await api.control("clock", {"advance_seconds": 32 * 86400})
    await receiver.until(lambda: bool(receiver.got))
    renewals = [e for e, _, _ in receiver.got if "current_period_end" in e["data"]["previous_attributes"]]
    old_end = first_item(subscription)["current_period_end"]
    assert renewals[0]["api_version"] == ACACIA
    assert renewals[0]["data"]["previous_attributes"]["current_period_end"] == old_end
    assert renewals[0]["data"]["object"]["current_period_start"] == old_end
    assert "items" not in renewals[0]["data"]["previous_attributes"]


async def test_events_keep_the_version_of_their_making(api: Api) -> None:
    """Listing renders an event in the account's version of that moment, whatever the reader's version is."""
    await api.control("account", {"default_api_version": ACACIA})
    subscription = await api.seats()
    assert "current_period_end" in subscription
    await api.control("account", {"default_api_version": ""})
    await api.seats()
    events = await api.events(type="customer.subscription.created")
    assert [e["api_version"] for e in events] == [stripe.api_version, ACACIA]
    assert ["current_period_end" in e["data"]["object"] for e in events] == [False, True]
    again = await ask(api, TWENTY, f"/v1/events/{events[0]['id']}")
    assert "current_period_end" not in again["data"]["object"]
    await api.control("account", {"default_api_version": "2019-13-01"}, status=400)


async def test_the_sdk_reads_an_older_version(api: Api, sdk: stripe.StripeClient) -> None:
    """The real client with an older `stripe_version` gets that version's fields."""
    made = await upgraded(api)
    found = await sdk.v1.subscriptions.retrieve_async(made["id"], options={"stripe_version": ACACIA})
    assert json.loads(json.dumps(found.to_dict(for_json=True)))["current_period_end"] > 0


async def test_an_endpoint_s_version_is_checked(api: Api) -> None:
    """A version that the SDK does not know, or that the twin cannot render, is refused with its parameter."""
    form = {"url": "http://127.0.0.1:9/", "enabled_events": ["*"]}
    for version in ("2019-12-03", "2030-01-01.zebra"):
        error = (await api.post("/v1/webhook_endpoints", {**form, "api_version": version}, status=400))[
            "error"
        ]
        assert error["param"] == "api_version"


async def test_upcoming_invoices_were_read(api: Api) -> None:
    """Before basil `GET /v1/invoices/upcoming` is the preview of today; from then on it is gone."""
    subscription = await api.seats()
    item, now = first_item(subscription)["id"], subscription["created"]
    query = {
        "subscription": subscription["id"],
        "subscription_items[0][id]": item,
        "subscription_items[0][quantity]": "8",
        "subscription_proration_behavior": "always_invoice",
        "subscription_proration_date": str(now + 3600),
        "subscription_billing_cycle_anchor": "unchanged",
    }
    old = await ask(api, ACACIA, "/v1/invoices/upcoming", query)
    details = {"items": [{"id": item, "quantity": 8}], "proration_behavior": "always_invoice"}
    form = {"subscription": subscription["id"], "subscription_details": details}
    preview = await api.post(
        "/v1/invoices/create_preview",
        {**form, "subscription_details": {**details, "proration_date": now + 3600}},
    )
    assert (old["total"], old["subscription"]) == (preview["total"], subscription["id"])
    assert [x["proration"] for x in old["lines"]["data"]] == [True, True]
    await ask(api, BASIL, "/v1/invoices/upcoming", query, status=400)


async def test_the_account_s_version_survives_in_a_file(tmp_path: Path) -> None:
    """Started again from its file, the twin still speaks the account's version."""
    settings = TwinSettings(persist_path=str(tmp_path / "twin.json"))
    for _ in range(2):
        running = await start(settings)
        async with aiohttp.ClientSession() as session:
            again = Api(running.base_url, session)
            if not (await again.get("/v1/customers"))["data"]:
                await again.control("account", {"default_api_version": ACACIA})
            await again.customer(None)
            assert (await again.events(type="customer.created"))[0]["api_version"] == ACACIA
            assert again.headers["Stripe-Version"] == ACACIA
        await running.close()
