"""Bursts: which events Stripe sends for one act, each of them once. Order is not promised.

Sources: reference list of an immediate upgrade's events (derived from Stripe's docs "Using webhooks with
subscriptions" and the meaning of each type in the API reference, "Types of events").
"""

from __future__ import annotations

from collections import Counter

from tests.twin.api import JSON, Api, first_item
from worker.twin import contract

PAID = {
    "invoice.finalized": 1,
    "payment_intent.created": 1,
    "charge.succeeded": 1,
    "payment_intent.succeeded": 1,
    "invoice_payment.paid": 1,
    "invoice.updated": 1,
    "invoice.paid": 1,
    "invoice.payment_succeeded": 1,
}
BILLED = {"invoiceitem.created": 2, "invoice.created": 1}
CHANGED = {"customer.subscription.updated": 1}
DECLINED = {
    "invoice.finalized": 1,
    "payment_intent.created": 1,
    "charge.failed": 1,
    "payment_intent.payment_failed": 1,
    "invoice.payment_failed": 1,
}
WAITS = {
    "invoice.finalized": 1,
    "payment_intent.created": 1,
    "payment_intent.requires_action": 1,
    "invoice.payment_failed": 1,
    "invoice.payment_action_required": 1,
}


class Burst:
    """What happened since the last look."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._seen: set[str] = set()

    async def take(self) -> Counter[str]:
        """How often each type came."""
        events = [e for e in await self._api.events() if e["id"] not in self._seen]
        self._seen.update(e["id"] for e in events)
        return Counter(e["type"] for e in events)


def expected(*parts: dict[str, int]) -> Counter[str]:
    """One burst out of its parts."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


async def started(api: Api) -> tuple[JSON, Burst]:
    """Five seats, paid, and a burst that begins now."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 5))
    burst = Burst(api)
    await burst.take()
    return subscription, burst


def seats(subscription: JSON, quantity: int) -> JSON:
    """An entry of `items`."""
    return {"id": first_item(subscription)["id"], "quantity": quantity}


async def test_a_creation(api: Api) -> None:
    """The invoice is made, finalised and paid in one go."""
    customer, price = await api.customer(), await api.price(2000)
    burst = Burst(api)
    await burst.take()
    await api.subscribe(customer, (price, 5))
    got = await burst.take()
    made = {"customer.subscription.created": 1, "invoice.created": 1}
    assert got - Counter({"customer.updated": 9}) == expected(made, PAID)


async def test_an_immediate_upgrade(api: Api) -> None:
    """Credit and debit as invoice items, an invoice, its payment, the subscription."""
    subscription, burst = await started(api)
    await api.change(subscription, seats(subscription, 8))
    assert await burst.take() == expected(BILLED, CHANGED, PAID)


async def test_a_change_without_an_invoice(api: Api) -> None:
    """`create_prorations` leaves two pending items, `none` nothing but the subscription."""
    subscription, burst = await started(api)
    await api.change(subscription, seats(subscription, 8), proration_behavior="create_prorations")
    assert await burst.take() == expected({"invoiceitem.created": 2}, CHANGED)
    await api.change(subscription, seats(subscription, 9), proration_behavior="none")
    assert await burst.take() == expected(CHANGED)


async def test_a_decline(api: Api) -> None:
    """A held change: the charge fails, the invoice stays open, the subscription shows a pending update."""
    subscription, burst = await started(api)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    await burst.take()
    await api.change(subscription, seats(subscription, 8), payment_behavior="pending_if_incomplete")
    got = await burst.take()
    assert got["charge.succeeded"] == got["invoice.paid"] == 0
    assert expected(BILLED, CHANGED, DECLINED) <= got


async def test_three_d_secure(api: Api) -> None:
    """First the customer is needed; when he has done it, the payment and the held change."""
    subscription, burst = await started(api)
    await api.new_card(subscription["customer"], "pm_card_authenticationRequired")
    await burst.take()
    held = await api.change(subscription, seats(subscription, 8), payment_behavior="pending_if_incomplete")
    got = await burst.take()
    assert expected(BILLED, CHANGED, WAITS) <= got
    assert got["charge.succeeded"] == got["charge.failed"] == 0
    done = {"act": "complete_authentication", "invoice": held["latest_invoice"]["id"]}
    await api.control("dashboard", done)
    got = await burst.take()
    wanted = expected(PAID, CHANGED, {"customer.subscription.pending_update_applied": 1})
    assert wanted - Counter({"invoice.finalized": 1, "payment_intent.created": 1}) <= got
    assert got["invoice.created"] == got["invoiceitem.created"] == 0


async def test_a_renewal(api: Api) -> None:
    """A draft when the period ends; an hour later it is finalised and paid. Nobody asked for it."""
    subscription, burst = await started(api)
    end, now = (
        first_item(subscription)["current_period_end"],
        (await api.control("clock", method="GET"))["now"],
    )
    await api.control("clock", {"advance_seconds": end - now + 60})
    got = await burst.take()
    assert expected({"invoice.created": 1}, CHANGED) <= got
    assert got["invoice.finalized"] == 0
    await api.control("clock", {"advance_seconds": 3600})
    assert expected(PAID) <= await burst.take()
    events = await api.events(type="invoice.paid")
    assert events[0]["request"] is None


async def test_a_schedule_s_transition(api: Api) -> None:
    """Entering a phase at the period's end updates the subscription and the schedule, and renews."""
    subscription, burst = await started(api)
    schedule = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    assert await burst.take() == expected(CHANGED, {"subscription_schedule.created": 1})
    phase = schedule["phases"][0]
    price = first_item(subscription)["price"]["id"]
    current = {"items": [{"price": price, "quantity": 5}]}
    current.update(start_date=phase["start_date"], end_date=phase["end_date"])
    later = {"items": [{"price": price, "quantity": 2}], "duration": {"interval": "month"}}
    path = f"/v1/subscription_schedules/{schedule['id']}"
    await api.post(path, {"phases": [current, later], "end_behavior": "release"})
    assert (await burst.take())["subscription_schedule.updated"] == 1
    now = (await api.control("clock", method="GET"))["now"]
    await api.control("clock", {"advance_seconds": phase["end_date"] - now + 60})
    got = await burst.take()
    assert got["subscription_schedule.updated"] >= 1
    assert got["customer.subscription.updated"] >= 1
    assert got["invoice.created"] == 1


async def test_a_cancellation(api: Api) -> None:
    """At the period's end: an update now, the deletion later; at once: the deletion."""
    subscription, burst = await started(api)
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"cancel_at_period_end": True})
    assert await burst.take() == expected(CHANGED)
    await api.delete(path)
    assert await burst.take() == expected({"customer.subscription.deleted": 1})


async def test_a_refund(api: Api) -> None:
    """The refund and the charge that it changes."""
    _, burst = await started(api)
    charge = (await api.get("/v1/charges"))["data"][0]["id"]
    await api.post("/v1/refunds", {"charge": charge, "amount": 100})
    assert expected({"refund.created": 1, "charge.refunded": 1}) <= await burst.take()


async def test_every_type_is_one_of_stripe_s(api: Api) -> None:
    """Nothing is sent that the SDK does not know."""
    held = await api.held_change()
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void")
    await api.post(f"/v1/customers/{held['customer']}", {"balance": -500})
    await api.control("clock", {"advance_seconds": 20 * 86400})
    known = contract.schema_of("webhook_endpoint_create")["properties"]["enabled_events"]["items"]["enum"]
    assert {e["type"] for e in await api.events()} <= set(known)
