"""A tour of every operation: one answer at least of each, recorded on the way out of the twin.

The probes of `tests.sandbox` reach about half of the operations; the rest is asked for here by name, and
what is left to read (retrieve and list) follows from the objects that were made. A new operation without an
example is reported by `test_shapes`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import stripe

import tests.sandbox.probes  # noqa: F401  # importing registers them
from tests.sandbox.lab import Session
from tests.sandbox.probe import PROBES
from tests.sandbox.run import run
from tests.twin.api import JSON, Api, first_item
from worker.twin import exchange
from worker.twin.operations import OPERATIONS
from worker.twin.server import RunningTwin

Answers = dict[str, list[JSON]]
EXAMPLES = 40  # answers kept of each operation


async def tour(twin: RunningTwin, api: Api, sdk: stripe.StripeClient, patch: pytest.MonkeyPatch) -> Answers:
    """Answers by operation, each as a client sees it."""
    found = record(patch)
    session = Session("sk_test_tour", twin.base_url, "tour")
    await run(session, PROBES.values())
    await corrections(api)
    await unhappy_invoices(api)
    await catalogue(api)
    await subscriptions(api)
    await account(api, sdk)
    await readings(api, found)
    await endings(api)
    return found


def record(patch: pytest.MonkeyPatch) -> Answers:
    """Keep answers as they leave, without changing anything about them."""
    found: Answers = {}
    execute = exchange.execute

    def recording(world: Any, call: Any) -> JSON:
        answer = execute(world, call)
        kept = found.setdefault(call.operation, [])
        if len(kept) < EXAMPLES:
            kept.append(msgspec.json.decode(msgspec.json.encode(answer)))
        return answer

    patch.setattr(exchange, "execute", recording)
    return found


async def first(api: Api, path: str, **params: Any) -> str:
    """The id of the newest object of a list."""
    rows = (await api.get(path, params))["data"]
    assert rows, f"the tour has made nothing that {path} lists"
    return str(rows[0]["id"])


async def paid_charge(api: Api) -> tuple[str, str]:
    """(a charge, the paid invoice behind it)."""
    subscription = await api.seats()
    return await first(api, "/v1/charges"), str(subscription["latest_invoice"])


async def corrections(api: Api) -> None:
    """Refunds, credit notes, disputes, payouts."""
    charge, invoice = await paid_charge(api)
    refund = (await api.post("/v1/refunds", {"charge": charge, "amount": 100}))["id"]
    await api.post(f"/v1/refunds/{refund}", {"metadata": {"a": "1"}})
    line = (await api.get(f"/v1/invoices/{invoice}/lines"))["data"][0]["id"]
    lines = [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 100}]
    note = {"invoice": invoice, "lines": lines, "credit_amount": 100}
    await api.get("/v1/credit_notes/preview", note)
    await api.get("/v1/credit_notes/preview/lines", note)
    made = (await api.post("/v1/credit_notes", note))["id"]
    await api.post(f"/v1/credit_notes/{made}", {"memo": "sorry"})
    await api.get(f"/v1/credit_notes/{made}/lines")
    held = (await api.held_change())["latest_invoice"]["id"]
    undone = (await api.post("/v1/credit_notes", {"invoice": held, "amount": 100}))["id"]
    await api.post(f"/v1/credit_notes/{undone}/void")
    other, _ = await paid_charge(api)
    dispute = (await api.control("dashboard", {"act": "dispute", "charge": other}))["id"]
    await api.post(f"/v1/disputes/{dispute}", {"evidence": {"uncategorized_text": "No."}})
    third, _ = await paid_charge(api)
    dispute = (await api.control("dashboard", {"act": "dispute", "charge": third}))["id"]
    await api.post(f"/v1/disputes/{dispute}/close")


async def unhappy_invoices(api: Api) -> None:
    """Invoices by hand, given up, sent, and payments that are confirmed or cancelled."""
    customer = await api.customer()
    item = {"customer": customer["id"], "amount": 5000, "currency": "usd"}
    made = (await api.post("/v1/invoiceitems", item))["id"]
    await api.post(f"/v1/invoiceitems/{made}", {"description": "other"})
    by_hand = {"customer": customer["id"], "pending_invoice_items_behavior": "include"}
    invoice = (await api.post("/v1/invoices", {**by_hand, "auto_advance": False}))["id"]
    await api.post(f"/v1/invoices/{invoice}", {"description": "by hand"})
    await api.post(f"/v1/invoices/{invoice}/finalize", {"auto_advance": False})
    await api.post(f"/v1/invoices/{invoice}/mark_uncollectible")
    doomed = (await api.post("/v1/invoiceitems", item))["id"]
    await api.delete(f"/v1/invoiceitems/{doomed}")
    draft = (await api.post("/v1/invoices", {"customer": customer["id"]}))["id"]
    await api.delete(f"/v1/invoices/{draft}")
    sent = {**by_hand, "collection_method": "send_invoice", "days_until_due": 7}
    await api.post("/v1/invoiceitems", item)
    await api.post(f"/v1/invoices/{(await api.post('/v1/invoices', sent))['id']}/send")
    await api.held_change("pm_card_chargeCustomerFail")
    intent = await first(api, "/v1/payment_intents")
    await api.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"})


async def catalogue(api: Api) -> None:
    """Coupons, promotion codes, tax rates, payment methods."""
    coupon = (await api.post("/v1/coupons", {"percent_off": 5, "duration": "once"}))["id"]
    await api.post(f"/v1/coupons/{coupon}", {"name": "five"})
    code = {"promotion": {"type": "coupon", "coupon": coupon}}
    made = (await api.post("/v1/promotion_codes", code))["id"]
    await api.post(f"/v1/promotion_codes/{made}", {"active": False})
    rate = await api.post("/v1/tax_rates", {"display_name": "x", "percentage": 5, "inclusive": False})
    await api.post(f"/v1/tax_rates/{rate['id']}", {"active": False})
    customer = await api.customer(None)
    card = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040}}
    method = (await api.post("/v1/payment_methods", card))["id"]
    await api.post(f"/v1/payment_methods/{method}/attach", {"customer": customer["id"]})
    await api.post(f"/v1/payment_methods/{method}", {"metadata": {"a": "1"}})
    await api.get(f"/v1/customers/{customer['id']}/payment_methods")
    await api.get(f"/v1/customers/{customer['id']}/payment_methods/{method}")
    await api.get("/v1/payment_methods", {"customer": customer["id"]})
    await api.post(f"/v1/payment_methods/{method}/detach")
    adjustment = {"amount": -5, "currency": "usd"}
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    transaction = (await api.post(path, adjustment))["id"]
    await api.post(f"{path}/{transaction}", {"description": "sorry"})
    await api.get(f"{path}/{transaction}")


async def subscriptions(api: Api) -> None:
    """Items by their own endpoints, discounts, migration, pausing, schedules that are cancelled."""
    coupon = (await api.post("/v1/coupons", {"percent_off": 5, "duration": "forever"}))["id"]
    subscription = await api.seats(discounts=[{"coupon": coupon}], billing_mode={"type": "classic"})
    fresh = {"subscription": subscription["id"], "price": await api.price(700)}
    item = (await api.post("/v1/subscription_items", fresh))["id"]
    await api.post(f"/v1/subscription_items/{item}", {"quantity": 2})
    await api.get("/v1/subscription_items", {"subscription": subscription["id"]})
    await api.get(f"/v1/subscription_items/{item}")
    await api.delete(f"/v1/subscription_items/{item}")
    await api.delete(f"/v1/subscriptions/{subscription['id']}/discount")
    await api.post(f"/v1/subscriptions/{subscription['id']}/migrate", {"billing_mode": {"type": "flexible"}})
    pause = {"type": "subscription", "bill_for": {"unused_time_from": {"type": "now"}}}
    await api.post(f"/v1/subscriptions/{subscription['id']}/pause", pause)
    await api.post(
        f"/v1/subscriptions/{subscription['id']}/resume", {"billing_cycle_anchor": {"type": "now"}}
    )
    schedule = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    await api.post(f"/v1/subscription_schedules/{schedule['id']}/cancel")
    other = await api.seats()
    item = first_item(other)["id"]
    await api.change(other, {"id": item, "quantity": 6}, proration_behavior="create_prorations")
    await api.change(other, {"id": item, "quantity": 4}, proration_behavior="create_prorations")
    await api.get("/v1/invoiceitems", {"customer": other["customer"]})


async def account(api: Api, sdk: stripe.StripeClient) -> None:
    """The account, the portal, payouts, endpoints and destinations of events."""
    customer = await api.customer()
    await api.post("/v1/billing_portal/sessions", {"customer": customer["id"]})
    endpoint = {"url": "http://127.0.0.1:9/", "enabled_events": ["coupon.deleted"]}
    made = (await api.post("/v1/webhook_endpoints", endpoint))["id"]
    await api.post(f"/v1/webhook_endpoints/{made}", {"disabled": True})
    await api.control("clock", {"advance_seconds": 8 * 86400})  # what was charged becomes available
    payout = (await api.post("/v1/payouts", {"amount": 100, "currency": "usd"}))["id"]
    await api.post(f"/v1/payouts/{payout}", {"metadata": {"a": "1"}})
    await api.post(f"/v1/payouts/{payout}/cancel")
    event = (await sdk.v2.core.events.list_async()).data[0]
    await sdk.v2.core.events.retrieve_async(event.id)
    destinations = sdk.v2.core.event_destinations
    wanted: Any = {
        "name": "tour",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["*"],
        "webhook_endpoint": {"url": "http://127.0.0.1:9/"},
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
    }
    destination = (await destinations.create_async(wanted)).id
    await destinations.update_async(destination, {"description": "x"})
    await destinations.disable_async(destination)
    await destinations.enable_async(destination)
    await destinations.retrieve_async(destination)
    await destinations.list_async()
    await destinations.delete_async(destination)


async def readings(api: Api, found: Answers) -> None:
    """Every list without an id in its path, and every object of such a list by its id."""
    for name, (method, path) in OPERATIONS.items():
        if method == "GET" and "{" not in path and name not in found and path.startswith("/v1/"):
            await api.get(path)
    for name, (method, path) in OPERATIONS.items():
        if method == "GET" and path.count("{") == 1 and path.endswith("/{id}") and name not in found:
            await api.get(path.replace("{id}", await first(api, path.removesuffix("/{id}"))))


async def endings(api: Api) -> None:
    """What deletes whole customers comes last."""
    coupon = (await api.post("/v1/coupons", {"percent_off": 5, "duration": "forever"}))["id"]
    customer = await api.customer()
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    wanted = {"discounts": [{"coupon": coupon}]}
    await api.post(f"/v1/subscriptions/{subscription['id']}", wanted)
    await api.control("dashboard", {"act": "discount_customer", "customer": customer["id"], "coupon": coupon})
    await api.delete(f"/v1/customers/{customer['id']}/discount")
    await api.delete(f"/v1/customers/{customer['id']}")
