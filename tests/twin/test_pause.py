"""The two pauses: collection that stops while invoices go on, and a subscription that stands still.

Sources: Stripe docs "Pause payment collection", "Pause subscriptions"; the SDK's texts of `pause`, `resume`
and `status_details`; changelogs "Adds the ability to pause and resume Subscriptions on demand" and "Adds the
subscription pause endpoint" (no attempt in the request by default).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH
JANUARY = DECEMBER + 31 * 86400
DAY = 86400


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await now_of(api, subscription)


async def now_of(api: Api, subscription: JSON) -> JSON:
    """The subscription with its invoice."""
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def act(api: Api, subscription: JSON, name: str, status: int = 200, **params: Any) -> JSON:
    """Pause or resume."""
    return await api.post(f"/v1/subscriptions/{subscription['id']}/{name}", params, status=status)


async def paused(api: Api, **params: Any) -> JSON:
    """Five seats, paused in the middle of November."""
    subscription = await api.seats()
    await advance(api, subscription, MID_NOVEMBER)
    return await act(api, subscription, "pause", **params)


async def waiting(api: Api, subscription: JSON) -> list[int]:
    """Amounts that wait for an invoice, newest first."""
    found = await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True})
    return [i["amount"] for i in found["data"]]


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")],
)
async def test_collection_pauses_and_invoices_go_on(api: Api, behavior: str, status: str) -> None:
    """A renewal's invoice stays a draft, is voided or given up; the status is active, nothing is charged."""
    subscription = await api.seats()
    charges = len(await api.ledger(kind="charge"))
    held = await api.post(
        f"/v1/subscriptions/{subscription['id']}", {"pause_collection": {"behavior": behavior}}
    )
    assert (held["status"], held["pause_collection"]) == (
        "active",
        {"behavior": behavior, "resumes_at": None},
    )
    now = await advance(api, subscription, DECEMBER + 2 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("active", status)
    assert len(await api.ledger(kind="charge")) == charges


@pytest.mark.parametrize(("behavior", "status"), [("keep_as_draft", "draft"), ("void", "void")])
async def test_a_change_while_collection_pauses_is_not_charged(api: Api, behavior: str, status: str) -> None:
    """The change holds; its invoice goes the way of all others."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"pause_collection": {"behavior": behavior}})
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    assert (changed["status"], first_item(changed)["quantity"]) == ("active", 8)
    assert changed["latest_invoice"]["status"] == status


async def test_collection_resumes_by_itself(api: Api) -> None:
    """`resumes_at` clears the pause with an event, and the next renewal is paid."""
    subscription = await api.seats()
    asked: dict[str, Any] = {"pause_collection": {"behavior": "void", "resumes_at": DECEMBER + 10 * DAY}}
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, asked)
    await advance(api, subscription, DECEMBER + 10 * DAY)
    last = (await api.events(type="customer.subscription.updated"))[0]
    assert last["data"]["previous_attributes"] == asked
    now = await advance(api, subscription, JANUARY + 3600)
    assert (now["pause_collection"], now["latest_invoice"]["status"]) == (None, "paid")
    past = {"pause_collection": {"behavior": "void", "resumes_at": NOVEMBER}}
    await api.post(path, past, status=400)


async def test_collection_resumes_by_hand(api: Api) -> None:
    """An empty value clears it; an old `resumes_at` has no effect on a new pause."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"pause_collection": {"behavior": "void", "resumes_at": MID_NOVEMBER}})
    assert (await api.post(path, {"pause_collection": ""}))["pause_collection"] is None
    await api.post(path, {"pause_collection": {"behavior": "keep_as_draft"}})
    now = await advance(api, subscription, DECEMBER + 7200)
    assert (now["latest_invoice"]["status"], now["latest_invoice"]["auto_advance"]) == ("draft", False)


async def test_a_paused_subscription_stands_still(api: Api) -> None:
    """Unused time is credited, no period begins, no invoice is made, and the reason is shown."""
    subscription = await paused(api)
    assert (subscription["status"], await waiting(api, subscription)) == ("paused", [-4833])
    assert subscription["status_details"]["paused"] == {
        "subscription": {"type": "pause_requested"},
        "transitioned_at": MID_NOVEMBER,
        "type": "subscription",
    }
    assert types(await api.events())[:2] == ["customer.subscription.paused", "customer.subscription.updated"]
    now = await advance(api, subscription, DECEMBER + 10 * DAY)
    assert (now["status"], first_item(now)["current_period_end"]) == ("paused", DECEMBER)
    assert now["latest_invoice"]["id"] == subscription["latest_invoice"]


@pytest.mark.parametrize(("since", "credit"), [("none", []), ("item_current_period_start", [-10000])])
async def test_what_a_pause_gives_back(api: Api, since: str, credit: list[int]) -> None:
    """Nothing, or the whole period."""
    subscription = await paused(api, bill_for={"unused_time_from": {"type": since}})
    assert await waiting(api, subscription) == credit


async def test_a_pause_can_be_invoiced_at_once(api: Api) -> None:
    """`invoicing_behavior=invoice`: the credit goes to the balance."""
    subscription = await paused(api, invoicing_behavior="invoice")
    assert amounts((await now_of(api, subscription))["latest_invoice"]) == [-4833]
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["balance"] == -4833


async def test_resuming_begins_a_new_period_once_it_is_paid(api: Api) -> None:
    """By default nobody is charged in the request: it stays paused until the invoice is paid."""
    subscription = await paused(api)
    await advance(api, subscription, DECEMBER + 10 * DAY)
    held = await act(api, subscription, "resume", expand=["latest_invoice"])
    assert (held["status"], held["latest_invoice"]["status"]) == ("paused", "open")
    assert amounts(held["latest_invoice"]) == [10000, -4833]
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay")
    now = await now_of(api, subscription)
    assert (now["status"], now["status_details"]) == ("active", None)
    assert now["billing_cycle_anchor"] == first_item(now)["current_period_start"] == DECEMBER + 10 * DAY
    assert "customer.subscription.resumed" in types(await api.events())
    renewed = await advance(api, subscription, JANUARY + 10 * DAY + 3600)
    assert (renewed["status"], renewed["latest_invoice"]["total"]) == ("active", 10000)


async def test_resuming_on_payment_success_charges_at_once(api: Api) -> None:
    """A card that pays ends the pause within the request, one that fails leaves it paused."""
    subscription = await paused(api, bill_for={"unused_time_from": {"type": "none"}})
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    asked: dict[str, Any] = {"payment_behavior": "resume_on_payment_success"}
    failed = await act(api, subscription, "resume", **asked)
    assert failed["status"] == "paused"
    await api.new_card(subscription["customer"], "pm_card_visa")
    running = await act(api, subscription, "resume", **asked)
    assert running["status"] == "active"
    invoices = await api.get("/v1/invoices", {"subscription": subscription["id"]})
    assert [i["status"] for i in invoices["data"]] == ["paid", "void", "paid"]


async def test_a_resumption_that_nobody_pays_is_void_after_23_hours(api: Api) -> None:
    """It stays paused, and the next attempt bills anew."""
    subscription = await paused(api)
    await act(api, subscription, "resume")
    now = await advance(api, subscription, MID_NOVEMBER + 23 * 3600)
    assert (now["status"], now["latest_invoice"]["status"]) == ("paused", "void")
    again = await act(api, subscription, "resume", expand=["latest_invoice"])
    assert amounts(again["latest_invoice"])[0] == 10000


async def test_resuming_with_the_anchor_unchanged_bills_the_rest(api: Api) -> None:
    """Active at once; the rest of the running period waits for the renewal."""
    subscription = await paused(api)
    await advance(api, subscription, NOVEMBER + 24 * DAY)
    running = await act(api, subscription, "resume", billing_cycle_anchor={"type": "unchanged"})
    assert (running["status"], running["billing_cycle_anchor"]) == ("active", NOVEMBER)
    assert await waiting(api, subscription) == [2000, -4833]
    renewed = await advance(api, subscription, DECEMBER + 3600)
    assert renewed["latest_invoice"]["total"] == 10000 + 2000 - 4833


@pytest.mark.parametrize("why", ["classic", "schedule", "trial", "paused", "sent"])
async def test_what_cannot_be_paused(api: Api, why: str) -> None:
    """Classic mode, a schedule, a trial, a pause, sent invoices."""
    extra: dict[str, JSON] = {
        "classic": {"billing_mode": {"type": "classic"}},
        "trial": {"trial_period_days": 5},
        "sent": {"collection_method": "send_invoice", "days_until_due": 5},
    }
    subscription = await api.seats(**extra.get(why, {}))
    if why == "schedule":
        await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    if why == "paused":
        await act(api, subscription, "pause")
    await act(api, subscription, "pause", status=400)
    if why != "paused":
        await act(api, subscription, "resume", status=400)


async def test_a_period_that_is_over_has_no_end_to_wait_for(api: Api) -> None:
    """Long into a pause `cancel_at_period_end` is refused; cancelling works."""
    subscription = await paused(api)
    await advance(api, subscription, DECEMBER + 10 * DAY)
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"cancel_at_period_end": True}, status=400)
    assert (await api.delete(path))["status"] == "canceled"


async def test_changes_during_a_pause_cost_nothing(api: Api) -> None:
    """No proration; the resumption bills the items of then."""
    subscription = await paused(api, bill_for={"unused_time_from": {"type": "none"}})
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]
    running = await act(api, subscription, "resume", expand=["latest_invoice"])
    assert amounts(running["latest_invoice"]) == [16000]
