"""What follows a payment that fails, and an invoice that nobody pays.

Sources: the SDK's texts of a subscription's `status` and of `customer.delinquent`; Stripe docs "Subscription
invoices", "Manage failed payments" (what becomes of it is a setting of the account; the invoices of an unpaid
subscription are drafts that nobody collects; paying the latest one makes it active again), "Collection
methods".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, first_item, types

DECEMBER = NOVEMBER + MONTH
JANUARY = DECEMBER + 31 * 86400
DAY = 86400


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def failing(api: Api, **extra: Any) -> JSON:
    """A subscription whose card stopped paying after the first invoice."""
    subscription = await api.seats(**extra)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    return subscription


async def delinquent(api: Api, subscription: JSON) -> bool:
    """The customer's flag."""
    return bool((await api.get(f"/v1/customers/{subscription['customer']}"))["delinquent"])


async def heard(api: Api) -> list[str]:
    """Types of events, oldest first."""
    return types(await api.events())[::-1]


@pytest.mark.parametrize(
    ("setting", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("leave", "past_due")]
)
async def test_after_the_last_retry_the_account_decides(api: Api, setting: str, status: str) -> None:
    """Past due during the retries; then canceled, unpaid or still past due. The invoice stays open."""
    await api.control("account", {"after_last_retry": setting})
    subscription = await failing(api)
    now = await advance(api, subscription, DECEMBER + 7200)
    assert (now["status"], now["latest_invoice"]["attempt_count"]) == ("past_due", 1)
    first = now["latest_invoice"]["id"]
    now = await advance(api, subscription, DECEMBER + 3600 + 15 * DAY)
    invoice = await api.get(f"/v1/invoices/{first}")
    assert now["status"] == status
    assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == ("open", 4, None)
    if setting == "cancel":
        assert now["cancellation_details"]["reason"] == "payment_failed"


async def test_retries_are_planned_by_the_account(api: Api) -> None:
    """`next_payment_attempt` names the next one, counted from the failure before."""
    await api.control("account", {"retry_days": [1, 2]})
    subscription = await failing(api)
    planned, now = [], subscription
    for at in (DECEMBER + 3600, DECEMBER + 3600 + DAY, DECEMBER + 3600 + 3 * DAY):
        now = await advance(api, subscription, at)
        planned.append(now["latest_invoice"]["next_payment_attempt"])
    assert planned == [DECEMBER + 3600 + DAY, DECEMBER + 3600 + 3 * DAY, None]
    assert now["status"] == "canceled"


async def test_an_unpaid_subscription_makes_drafts_that_nobody_collects(api: Api) -> None:
    """Each period has its draft, with a card that pays as without; nothing is charged."""
    await api.control("account", {"after_last_retry": "unpaid"})
    subscription = await failing(api)
    await advance(api, subscription, DECEMBER + 3600 + 16 * DAY)
    await api.new_card(subscription["customer"], "pm_card_visa")
    now = await advance(api, subscription, JANUARY + 5 * DAY)
    invoice = now["latest_invoice"]
    assert (now["status"], first_item(now)["current_period_start"]) == ("unpaid", JANUARY)
    assert (invoice["status"], invoice["auto_advance"], invoice["automatically_finalizes_at"]) == (
        "draft",
        False,
        None,
    )
    await api.post(f"/v1/invoices/{invoice['id']}/finalize")
    await api.post(f"/v1/invoices/{invoice['id']}/pay")
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "active"


async def test_only_the_latest_invoice_brings_it_back(api: Api) -> None:
    """An older one that is paid changes nothing about the status."""
    await api.control("account", {"after_last_retry": "leave"})
    subscription = await failing(api)
    older = (await advance(api, subscription, DECEMBER + 20 * DAY))["latest_invoice"]["id"]
    latest = (await advance(api, subscription, JANUARY + 3600))["latest_invoice"]["id"]
    await api.new_card(subscription["customer"], "pm_card_visa")
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(f"/v1/invoices/{older}/pay")
    assert (await api.get(path))["status"] == "past_due"
    await api.post(f"/v1/invoices/{latest}/pay")
    assert (await api.get(path))["status"] == "active"


async def test_delinquent_follows_failures_and_payments(api: Api) -> None:
    """A failed automatic payment sets the flag, any payment clears it; each time the customer is updated."""
    subscription = await failing(api)
    await advance(api, subscription, DECEMBER + 3600)
    assert await delinquent(api, subscription)
    last = next(e for e in await api.events() if e["type"] == "customer.updated")
    assert last["data"]["previous_attributes"] == {"delinquent": False}
    invoice = (await api.get(f"/v1/subscriptions/{subscription['id']}"))["latest_invoice"]
    await api.post(f"/v1/invoices/{invoice}/pay", {"payment_method": "pm_card_visa"})
    assert not await delinquent(api, subscription)


async def test_delinquent_follows_a_change_that_nobody_paid(api: Api) -> None:
    """The invoice of an update counts; marking it uncollectible by hand clears the flag and the status."""
    subscription = await failing(api)
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    assert (changed["status"], await delinquent(api, subscription)) == ("past_due", True)
    await api.post(f"/v1/invoices/{changed['latest_invoice']['id']}/mark_uncollectible")
    assert not await delinquent(api, subscription)
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "active"


async def test_the_notice_of_a_renewal_comes_seven_days_before(api: Api) -> None:
    """`invoice.upcoming` shows the preview without an id, once for each renewal."""
    subscription = await api.seats()
    await advance(api, subscription, DECEMBER - 7 * DAY - 1)
    assert "invoice.upcoming" not in await heard(api)
    await api.post(
        f"/v1/subscriptions/{subscription['id']}",
        {
            "items": [{"id": first_item(subscription)["id"], "quantity": 6}],
            "proration_behavior": "none",
        },
    )
    await advance(api, subscription, DECEMBER - 7 * DAY)
    (notice,) = await api.events(type="invoice.upcoming")
    shown = notice["data"]["object"]
    assert ("id" in shown, shown["total"], shown["period_end"]) == (False, 12000, DECEMBER)
    await advance(api, subscription, JANUARY)
    assert (await heard(api)).count("invoice.upcoming") == 2


@pytest.mark.parametrize("asked", [{"cancel_at_period_end": True}, None])
async def test_no_notice_without_a_renewal(api: Api, asked: JSON | None) -> None:
    """Not for a subscription that ends, and not if the account wants none."""
    if asked is None:
        await api.control("account", {"upcoming_invoice_days": 0})
    subscription = await api.seats()
    await api.post(f"/v1/subscriptions/{subscription['id']}", asked or {"metadata": {"a": "b"}})
    await advance(api, subscription, DECEMBER + 3600)
    assert "invoice.upcoming" not in await heard(api)


async def test_a_sent_invoice_has_its_reminders(api: Api) -> None:
    """Sent at once; a reminder three days before it is due; overdue and past due; at last the deadline."""
    subscription = await api.seats(collection_method="send_invoice", days_until_due=10)
    assert (await heard(api))[-2:] == ["invoice.sent", "customer.subscription.created"]
    await advance(api, subscription, NOVEMBER + 7 * DAY)
    assert (await heard(api))[-2] == "invoice.will_be_due"
    now = await advance(api, subscription, NOVEMBER + 10 * DAY)
    assert now["status"] == "past_due"
    assert "invoice.overdue" in await heard(api)
    assert await delinquent(api, subscription)
    now = await advance(api, subscription, NOVEMBER + 40 * DAY)
    assert now["status"] == "canceled"
    assert await api.ledger(kind="charge") == []


async def test_a_sent_invoice_that_is_paid_has_none(api: Api) -> None:
    """Paid in time, out of band: no reminder, no status but active."""
    subscription = await api.seats(collection_method="send_invoice", days_until_due=10)
    path = f"/v1/invoices/{subscription['latest_invoice']}/pay"
    await api.post(path, {"paid_out_of_band": True})
    now = await advance(api, subscription, NOVEMBER + 11 * DAY)
    assert now["status"] == "active"
    assert not {"invoice.will_be_due", "invoice.overdue"} & set(await heard(api))


async def test_the_collection_method_can_change(api: Api) -> None:
    """To sending with its days, and back, which forgets the days; the next invoice follows."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"collection_method": "send_invoice"}, status=400)
    await api.post(path, {"days_until_due": 5}, status=400)
    sent = await api.post(path, {"collection_method": "send_invoice", "days_until_due": 5})
    assert (sent["collection_method"], sent["days_until_due"]) == ("send_invoice", 5)
    now = await advance(api, subscription, DECEMBER + 3600)
    assert now["latest_invoice"]["due_date"] == DECEMBER + 3600 + 5 * DAY
    back = await api.post(path, {"collection_method": "charge_automatically"})
    assert back["days_until_due"] is None
    now = await advance(api, subscription, JANUARY + 3600)
    assert (now["latest_invoice"]["status"], now["latest_invoice"]["due_date"]) == ("paid", None)


async def test_an_incomplete_subscription_expires_and_voids(api: Api) -> None:
    """After 23 hours; the invoice is void, and nothing renews."""
    customer = await api.frozen_customer(card="pm_card_chargeCustomerFail")
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    now = await advance(api, subscription, NOVEMBER + 23 * 3600 - 1)
    assert now["status"] == "incomplete"
    now = await advance(api, subscription, NOVEMBER + 40 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("incomplete_expired", "void")
    assert now["ended_at"] == NOVEMBER + 23 * 3600
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"cancel_at_period_end": True}, status=400)
