"""What time does: renewals, retries, cancellation, and the two kinds of clock."""

from __future__ import annotations

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH
DAY = 86400


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def test_a_renewal_is_a_draft_for_an_hour(api: Api) -> None:
    """The period rolls at once; the invoice is finalised and paid an hour later."""
    subscription = await api.seats()
    now = await advance(api, subscription, DECEMBER + 10)
    assert first_item(now)["current_period_start"] == DECEMBER
    assert (now["latest_invoice"]["status"], now["latest_invoice"]["billing_reason"]) == (
        "draft",
        "subscription_cycle",
    )
    assert now["latest_invoice"]["automatically_finalizes_at"] == DECEMBER + 3600
    now = await advance(api, subscription, DECEMBER + 3600)
    assert (now["latest_invoice"]["status"], amounts(now["latest_invoice"])) == ("paid", [10000])


async def test_a_month_s_end_stays_the_month_s_end(api: Api) -> None:
    """An anchor on the 31st renews on the 28th of February and on the 31st of March."""
    january = 1801353600  # 2027-01-31T00:00:00Z
    subscription = await api.subscribe(await api.frozen_customer(january), (await api.price(2000), 1))
    ends = [first_item(subscription)["current_period_end"]]
    for _ in range(2):
        ends.append(first_item(await advance(api, subscription, ends[-1]))["current_period_end"])
    assert ends == [january + 28 * DAY, january + 59 * DAY, january + 89 * DAY]


async def test_renewals_run_in_order_of_time(api: Api) -> None:
    """A year's jump of the twin's clock gives twelve renewals, each at its own moment."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.control("clock", {"advance_seconds": 366 * DAY})
    invoices = (await api.get("/v1/invoices", {"subscription": subscription["id"], "limit": 20}))["data"]
    assert [i["status"] for i in invoices] == ["paid"] * 13
    assert sorted((i["created"] for i in invoices), reverse=True) == [i["created"] for i in invoices]
    assert len({i["created"] for i in invoices}) == 13


async def test_a_declined_renewal_is_past_due_and_retried(api: Api) -> None:
    """Retries after 3, 5 and 7 days; then, by the account's setting, the subscription is canceled."""
    subscription = await api.seats()
    card = await api.new_card(subscription["customer"], "pm_card_visa")
    await api.control(
        "dashboard", {"act": "set_card", "payment_method": card, "outcome": "insufficient_funds"}
    )
    now = await advance(api, subscription, DECEMBER + 3600)
    assert (now["status"], now["latest_invoice"]["status"]) == ("past_due", "open")
    assert now["latest_invoice"]["next_payment_attempt"] == DECEMBER + 3600 + 3 * DAY
    now = await advance(api, subscription, DECEMBER + 3600 + 20 * DAY)
    assert (now["status"], now["latest_invoice"]["attempt_count"]) == ("canceled", 4)


async def test_a_retry_that_pays_ends_the_dunning(api: Api) -> None:
    """The card works again before the second attempt."""
    subscription = await api.seats()
    card = await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    await advance(api, subscription, DECEMBER + 3600)
    await api.control("dashboard", {"act": "set_card", "payment_method": card, "outcome": "good"})
    now = await advance(api, subscription, DECEMBER + 3600 + 4 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("active", "paid")


async def test_cancelling_at_the_period_s_end(api: Api) -> None:
    """Set, unset, set: it ends with the period and no renewal is made."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    on = await api.post(path, {"cancel_at_period_end": True})
    assert (on["status"], on["cancel_at"], on["canceled_at"]) == ("active", DECEMBER, NOVEMBER)
    off = await api.post(path, {"cancel_at_period_end": False})
    assert (off["cancel_at"], off["canceled_at"]) == (None, None)
    await api.post(path, {"cancel_at_period_end": True})
    now = await advance(api, subscription, DECEMBER + 7200)
    assert (now["status"], now["ended_at"], now["latest_invoice"]["id"]) == (
        "canceled",
        DECEMBER,
        subscription["latest_invoice"],
    )
    assert "customer.subscription.deleted" in types(await api.events())


async def test_cancelling_now_drops_waiting_prorations(api: Api) -> None:
    """Without both flags nothing is billed or credited any more."""
    subscription = await api.seats()
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    await api.change(subscription, item, proration_behavior="create_prorations")
    ended = await api.delete(f"/v1/subscriptions/{subscription['id']}")
    assert (ended["status"], ended["ended_at"]) == ("canceled", NOVEMBER)
    assert (await api.get("/v1/invoiceitems", {"customer": subscription["customer"]}))["data"] == []


async def test_the_twin_s_clock_only_moves_forward(api: Api) -> None:
    """By seconds or to a moment, never back, and customers on a test clock stand still."""
    frozen = await api.seats()
    start = (await api.control("clock", method="GET"))["now"]
    moved = await api.control("clock", {"now": start + 40 * DAY})
    assert 0 <= moved["now"] - start - 40 * DAY <= 2
    await api.control("clock", {"now": start}, status=400)
    found = await api.get(f"/v1/subscriptions/{frozen['id']}")
    assert first_item(found)["current_period_start"] == NOVEMBER
    assert (await api.customer())["created"] >= start + 40 * DAY


async def test_test_clocks_advance_two_intervals_at_most(api: Api) -> None:
    """Forward only, at most two periods of the shortest subscription, and `ready` afterwards."""
    subscription = await api.seats()
    path = f"/v1/test_helpers/test_clocks/{subscription['test_clock']}"
    await api.post(f"{path}/advance", {"frozen_time": NOVEMBER}, status=400)
    await api.post(f"{path}/advance", {"frozen_time": NOVEMBER + 62 * DAY}, status=400)
    assert (await api.post(f"{path}/advance", {"frozen_time": NOVEMBER + 61 * DAY}))["status"] == "advancing"
    found = await api.get(path)
    assert (found["status"], found["frozen_time"]) == ("ready", NOVEMBER + 61 * DAY)


async def test_a_test_clock_stays_within_the_calendar(api: Api) -> None:
    """A frozen time whose periods would end after the last date there is, is refused."""
    for moment in (253402300799, 0):
        await api.post("/v1/test_helpers/test_clocks", {"frozen_time": moment}, status=400)
    clock = await api.post("/v1/test_helpers/test_clocks", {"frozen_time": 1793491200})
    path = f"/v1/test_helpers/test_clocks/{clock['id']}/advance"
    await api.post(path, {"frozen_time": 253402300799}, status=400)
