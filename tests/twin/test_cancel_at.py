"""The end of a subscription that was asked for earlier: on a date, or with a period.

Sources: the SDK's text of `cancel_at` (before the period's end it prorates if `proration_behavior` lets it;
in a future period it always does), Stripe docs "Cancel subscriptions", "Mixed interval subscriptions",
"Compare classic and flexible billing mode" (an early `cancel_at` resets a classic anchor); dust-tt/dust PR
32051 (refusal under a schedule).
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH
DAY = 86400
CLASSIC: dict[str, Any] = {"billing_mode": {"type": "classic"}}


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def waiting(api: Api, subscription: JSON) -> list[JSON]:
    """Invoice items that wait for an invoice, newest first."""
    found = await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True})
    data: list[JSON] = found["data"]
    return data


async def update(api: Api, subscription: JSON, status: int = 200, **params: Any) -> JSON:
    """Change the subscription."""
    return await api.post(f"/v1/subscriptions/{subscription['id']}", params, status=status)


@pytest.mark.parametrize("mode", ["flexible", "classic"])
async def test_a_date_in_the_period_credits_what_lies_after_it(api: Api, mode: str) -> None:
    """100.00 for November, the end on the 16th at noon: -48.33, from then to the period's end."""
    subscription = await api.seats(billing_mode={"type": mode})
    ends = await update(api, subscription, cancel_at=MID_NOVEMBER)
    (credit,) = await waiting(api, subscription)
    assert (credit["amount"], credit["period"]) == (-4833, {"start": MID_NOVEMBER, "end": DECEMBER})
    assert (ends["cancel_at"], ends["cancel_at_period_end"], ends["canceled_at"]) == (
        MID_NOVEMBER,
        False,
        NOVEMBER,
    )
    assert first_item(ends)["current_period_end"] == MID_NOVEMBER


async def test_the_credit_is_billed_when_the_end_comes(api: Api) -> None:
    """No renewal: a last invoice brings the credit to the customer's balance."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at=MID_NOVEMBER)
    ended = await advance(api, subscription, MID_NOVEMBER + DAY)
    assert (ended["status"], ended["ended_at"]) == ("canceled", MID_NOVEMBER)
    assert amounts(ended["latest_invoice"]) == [-4833]
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["balance"] == -4833
    assert types(await api.events()).count("customer.subscription.deleted") == 1


async def test_always_invoice_credits_at_once_as_previewed(api: Api) -> None:
    """The preview is the invoice that comes."""
    subscription = await api.seats()
    asked: dict[str, Any] = {"cancel_at": MID_NOVEMBER, "proration_behavior": "always_invoice"}
    seen = await api.post(
        "/v1/invoices/create_preview", {"subscription": subscription["id"], "subscription_details": asked}
    )
    ends = await update(api, subscription, expand=["latest_invoice"], **asked)
    assert amounts(seen) == amounts(ends["latest_invoice"]) == [-4833]
    assert ends["latest_invoice"]["billing_reason"] == "subscription_update"


async def test_none_gives_nothing_back(api: Api) -> None:
    """`proration_behavior=none`: the end stands, no credit waits, and taking it back costs nothing."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at=MID_NOVEMBER, proration_behavior="none")
    assert await waiting(api, subscription) == []
    back = await update(api, subscription, cancel_at="")
    assert await waiting(api, subscription) == []
    assert first_item(back)["current_period_end"] == DECEMBER


async def test_taking_the_end_back_bills_the_time_again(api: Api) -> None:
    """`""` clears it: the credited time is debited, and the period runs to its old end."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at=MID_NOVEMBER)
    back = await update(api, subscription, cancel_at="")
    assert [i["amount"] for i in await waiting(api, subscription)] == [4833, -4833]
    assert (back["cancel_at"], back["canceled_at"]) == (None, None)
    assert first_item(back)["current_period_end"] == DECEMBER
    renewed = await advance(api, subscription, DECEMBER + 10)
    assert (renewed["status"], renewed["latest_invoice"]["total"]) == ("active", 10000)


async def test_a_later_end_bills_the_time_between(api: Api) -> None:
    """Moved from the 11th to the 16th: five and a half days are bought back."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at=NOVEMBER + 10 * DAY)
    moved = await update(api, subscription, cancel_at=MID_NOVEMBER)
    debit, credit = await waiting(api, subscription)
    assert (credit["amount"], debit["amount"]) == (-6667, 1833)
    assert debit["period"] == {"start": NOVEMBER + 10 * DAY, "end": MID_NOVEMBER}
    assert first_item(moved)["current_period_end"] == MID_NOVEMBER


async def test_a_change_under_an_early_end_is_billed_until_then(api: Api) -> None:
    """Eight seats instead of five, from the first until the 16th at noon."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at=MID_NOVEMBER)
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    assert amounts(changed["latest_invoice"]) == [-5167, 8267, -4833]
    assert first_item(changed)["current_period_end"] == MID_NOVEMBER


async def test_a_date_in_a_later_period_shortens_that_period(api: Api) -> None:
    """Always prorated: ten of December's 31 days, whatever `proration_behavior` said."""
    subscription = await api.seats()
    end = DECEMBER + 10 * DAY
    ends = await update(api, subscription, cancel_at=end, proration_behavior="none")
    assert first_item(ends)["current_period_end"] == DECEMBER
    renewed = await advance(api, subscription, DECEMBER + 3600)
    assert amounts(renewed["latest_invoice"]) == [3226]
    assert first_item(renewed)["current_period_end"] == end
    ended = await advance(api, subscription, end + 7200)
    assert (ended["status"], ended["ended_at"]) == ("canceled", end)


async def test_classic_moves_the_anchor_to_an_early_end(api: Api) -> None:
    """And so the subscription that is kept after all renews on that day."""
    subscription = await api.seats(**CLASSIC)
    ends = await update(api, subscription, cancel_at=MID_NOVEMBER)
    assert ends["billing_cycle_anchor"] == MID_NOVEMBER
    await update(api, subscription, cancel_at="")
    renewed = await advance(api, subscription, MID_NOVEMBER + 10)
    assert amounts(renewed["latest_invoice"]) == [-4833, 10000]
    flexible = await api.seats()
    assert (await update(api, flexible, cancel_at=MID_NOVEMBER))["billing_cycle_anchor"] == NOVEMBER


async def test_the_end_of_a_period_by_name(api: Api) -> None:
    """Month and year in one subscription: the shorter or the longer one, and what the longer gets back."""
    month, year = await api.price(2000), await api.price(36500, "year")
    ends = {}
    for name in ("min_period_end", "max_period_end"):
        subscription = await api.subscribe(await api.frozen_customer(), (month, 1), (year, 1))
        ends[name] = (await update(api, subscription, cancel_at=name))["cancel_at"]
        credits = [i["amount"] for i in await waiting(api, subscription)]
        assert credits == ([-33500] if name == "min_period_end" else [])
    assert ends == {"min_period_end": DECEMBER, "max_period_end": NOVEMBER + 365 * DAY}
    subscription = await api.subscribe(await api.frozen_customer(), (month, 1), (year, 1))
    ended = await update(api, subscription, cancel_at_period_end=True)
    assert (ended["cancel_at"], ended["cancel_at_period_end"]) == (DECEMBER, True)


async def test_the_end_follows_a_fresh_period(api: Api) -> None:
    """`cancel_at_period_end` means the period that runs, also after an anchor reset."""
    subscription = await api.seats()
    await update(api, subscription, cancel_at_period_end=True)
    await advance(api, subscription, MID_NOVEMBER)
    fresh = await update(api, subscription, billing_cycle_anchor={"type": "now"})
    assert fresh["cancel_at_period_end"]
    assert fresh["cancel_at"] == first_item(fresh)["current_period_end"] == MID_NOVEMBER + 30 * DAY


@pytest.mark.parametrize(
    "asked",
    [
        {"cancel_at": NOVEMBER},
        {"cancel_at": MID_NOVEMBER, "cancel_at_period_end": True},
    ],
)
async def test_refused_ends(api: Api, asked: JSON) -> None:
    """Not in the past, and not two of them."""
    subscription = await api.seats()
    await update(api, subscription, 400, **asked)
    assert await api.get(f"/v1/subscriptions/{subscription['id']}") == subscription


@pytest.mark.parametrize(
    "asked", [{"cancel_at": MID_NOVEMBER}, {"cancel_at_period_end": True}, {"cancel_at": ""}]
)
async def test_a_schedule_owns_the_end(api: Api, asked: JSON) -> None:
    """Under a schedule every change of the end is refused, and the message names it."""
    subscription = await api.seats()
    schedule = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    error = (await update(api, subscription, 400, **asked))["error"]
    assert schedule["id"] in error["message"]


@pytest.mark.parametrize(
    ("flags", "total"),
    [
        ({"prorate": True, "invoice_now": True}, -4833),
        ({"prorate": True}, None),
        ({"invoice_now": True}, None),
    ],
)
async def test_cancelling_now_with_its_flags(api: Api, flags: JSON, total: int | None) -> None:
    """`prorate` makes the credit, `invoice_now` bills what waits; a credit alone stays waiting."""
    subscription = await api.seats()
    await advance(api, subscription, MID_NOVEMBER)
    await api.delete(f"/v1/subscriptions/{subscription['id']}", flags)
    ended = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    assert ended["status"] == "canceled"
    first = ended["latest_invoice"]["id"] == subscription["latest_invoice"]
    assert first if total is None else amounts(ended["latest_invoice"]) == [total]
    left = [i["amount"] for i in await waiting(api, subscription)]
    assert left == ([-4833] if flags == {"prorate": True} else [])


async def test_a_subscription_can_be_born_with_its_end(api: Api) -> None:
    """The first period is cut and prorated, or not with `none`."""
    cut = await api.seats(cancel_at=MID_NOVEMBER, expand=["latest_invoice"])
    assert (amounts(cut["latest_invoice"]), cut["cancel_at"]) == ([5167], MID_NOVEMBER)
    whole = await api.seats(cancel_at=MID_NOVEMBER, proration_behavior="none", expand=["latest_invoice"])
    assert amounts(whole["latest_invoice"]) == [10000]
    assert (await advance(api, whole, MID_NOVEMBER + 1))["status"] == "canceled"


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_only_the_time_used_is_paid(api: Api, seed: int) -> None:
    """Ends that are set, moved and taken back between changes of quantity: the sum is the time used."""
    dice = random.Random(seed)
    subscription = await api.seats(2)
    item, seats, at = first_item(subscription)["id"], 2, NOVEMBER
    used = Fraction(0)
    for _ in range(6):
        later = at + dice.randint(3600, 4 * DAY)
        used += Fraction(2000 * seats * (later - at), MONTH)
        at = later
        await advance(api, subscription, at)
        seats = dice.choice([seats, dice.randint(1, 9)])
        ends: list[Any] = ["", NOVEMBER + 26 * DAY, DECEMBER - 3600, DECEMBER + 9 * DAY, "min_period_end"]
        params: dict[str, Any] = {"cancel_at": dice.choice(ends), "items": [{"id": item, "quantity": seats}]}
        params["proration_behavior"] = dice.choice(["create_prorations", "always_invoice"])
        await update(api, subscription, **params)
    end = NOVEMBER + 27 * DAY if dice.random() < 0.5 else DECEMBER + 5 * DAY
    await update(api, subscription, cancel_at=end)
    used += Fraction(2000 * seats * (min(end, DECEMBER) - at), MONTH)
    used += Fraction(2000 * seats * max(0, end - DECEMBER), 31 * DAY)
    assert (await advance(api, subscription, end + 7200))["status"] == "canceled"
    bills = (await api.get("/v1/invoices", {"subscription": subscription["id"], "limit": 100}))["data"]
    lines = sum(bill["lines"]["total_count"] for bill in bills)
    assert abs(sum(bill["subtotal"] for bill in bills) - used) <= lines / 2
