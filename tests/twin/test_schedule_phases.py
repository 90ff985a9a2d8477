"""Phases of a schedule: what entering one does to the subscription and to its money."""

from __future__ import annotations

import pytest

from tests.twin.api import MID_NOVEMBER, NOVEMBER, Api, amounts, first_item
from tests.twin.schedules import DAY, DECEMBER, JANUARY, adopt, at, items, plan, present, shape
from tests.twin.sdk_types import problems


async def test_another_price_at_the_renewal_is_billed_by_it(api: Api) -> None:
    """The renewal of the same second bills the new price in full; the item is a new one."""
    subscription = await api.seats()
    cheap = await api.price(1500)
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), {"items": items((cheap, 3)), "proration_behavior": "none"})
    now = await at(api, subscription, DECEMBER + 10)
    invoice = now["latest_invoice"]
    assert (shape(now), amounts(invoice), invoice["billing_reason"]) == (
        [(cheap, 3)],
        [4500],
        "subscription_cycle",
    )
    assert first_item(now)["id"] != first_item(subscription)["id"]
    assert first_item(now)["current_period_end"] == JANUARY


async def test_an_item_whose_price_stays_keeps_its_id(api: Api) -> None:
    """Another quantity is the same item."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(2000), 9)), "proration_behavior": "none"}
    await plan(api, schedule, present(schedule), later)
    now = await at(api, subscription, DECEMBER + 10)
    assert (first_item(now)["id"], first_item(now)["quantity"]) == (first_item(subscription)["id"], 9)


@pytest.mark.parametrize(
    ("behavior", "pending", "latest"),
    [
        ("none", [], [10000]),
        ("create_prorations", [7733, -4833], [10000]),
        ("always_invoice", [], [-4833, 7733]),
    ],
)
async def test_a_phase_in_mid_period_prorates_as_it_says(
    api: Api, behavior: str, pending: list[int], latest: list[int]
) -> None:
    """Nothing, pending items, or an invoice that stays a draft for an hour like a renewal's."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    more = {"items": items((await api.price(2000), 8)), "proration_behavior": behavior, "end_date": DECEMBER}
    await plan(api, schedule, present(schedule, end_date=MID_NOVEMBER), more)
    now = await at(api, subscription, MID_NOVEMBER + 10)
    waiting = await api.get("/v1/invoiceitems", {"pending": True, "customer": subscription["customer"]})
    assert ([i["amount"] for i in waiting["data"]], amounts(now["latest_invoice"])) == (pending, latest)
    if behavior == "always_invoice":
        assert now["latest_invoice"]["status"] == "draft"
        now = await at(api, subscription, MID_NOVEMBER + 3700)
        assert now["latest_invoice"]["status"] == "paid"


async def test_the_request_says_how_the_present_phase_prorates(api: Api) -> None:
    """The top-level `proration_behavior` is about this moment, the phase's about entering it."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await at(api, subscription, MID_NOVEMBER)
    seats = items((await api.price(2000), 8))
    await plan(api, schedule, present(schedule, items=seats), proration_behavior="always_invoice")
    now = await at(api, subscription, MID_NOVEMBER + 1)
    assert (amounts(now["latest_invoice"]), now["latest_invoice"]["status"]) == ([-4833, 7733], "paid")


async def test_phase_start_moves_the_anchor(api: Api) -> None:
    """A fresh period begins with the phase, and its computed end follows the new anchor."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    fresh = {"items": items((await api.price(2000), 5)), "billing_cycle_anchor": "phase_start"}
    made = await plan(api, schedule, present(schedule, end_date=MID_NOVEMBER), fresh)
    assert made["phases"][1]["end_date"] == MID_NOVEMBER + 30 * DAY
    now = await at(api, subscription, MID_NOVEMBER + 10)
    assert (now["billing_cycle_anchor"], first_item(now)["current_period_start"]) == (MID_NOVEMBER,) * 2
    assert amounts(now["latest_invoice"]) == [-4833, 10000]


async def test_phase_start_and_a_trial_exclude_each_other(api: Api) -> None:
    """400 from the request."""
    schedule = await adopt(api, await api.seats())
    both = {"items": items((await api.price(2000), 5)), "billing_cycle_anchor": "phase_start", "trial": True}
    await plan(api, schedule, present(schedule), both, status=400)


async def test_from_yearly_to_monthly_at_the_end_of_the_year(api: Api) -> None:
    """The first month is billed by the renewal, not given away."""
    yearly, monthly = await api.price(20000, "year"), await api.price(2000)
    subscription = await api.subscribe(await api.frozen_customer(), (yearly, 1))
    schedule = await adopt(api, subscription)
    later = {"items": items((monthly, 1)), "proration_behavior": "none"}
    await plan(api, schedule, present(schedule), later)
    now = await at(api, subscription, NOVEMBER + 365 * DAY + 10)
    assert (shape(now), amounts(now["latest_invoice"])) == ([(monthly, 1)], [2000])
    assert first_item(now)["current_period_end"] == NOVEMBER + 395 * DAY


async def test_from_monthly_to_yearly_needs_a_fresh_anchor_to_be_billed(api: Api) -> None:
    """In flexible mode the anchor stays unless the phase moves it: without, nothing is charged."""
    yearly = await api.price(20000, "year")
    last = []
    for extra in ({}, {"billing_cycle_anchor": "phase_start"}):
        subscription = await api.seats()
        schedule = await adopt(api, subscription)
        later = {"items": items((yearly, 1)), "proration_behavior": "none", **extra}
        await plan(api, schedule, present(schedule), later)
        last.append(amounts((await at(api, subscription, DECEMBER + 10))["latest_invoice"]))
    assert last == [[10000], [20000]]


async def test_one_time_items_ride_on_the_renewal(api: Api) -> None:
    """`add_invoice_items` of a phase appear once, on the invoice of its first second."""
    subscription = await api.seats()
    setup = await api.post(
        "/v1/prices", {"product_data": {"name": "Setup"}, "currency": "usd", "unit_amount": 900}
    )
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(2000), 5)), "add_invoice_items": [{"price": setup["id"]}]}
    made = await plan(
        api, schedule, present(schedule), {**later, "duration": {"interval": "month", "interval_count": 2}}
    )
    assert made["phases"][1]["add_invoice_items"][0]["price"] == setup["id"]
    assert amounts((await at(api, subscription, DECEMBER + 10))["latest_invoice"]) == [900, 10000]
    assert amounts((await at(api, subscription, JANUARY + 10))["latest_invoice"]) == [10000]


async def test_metadata_of_a_phase_merges_and_unsets(api: Api) -> None:
    """On entering, new keys are added and an empty value removes one; nothing flows back."""
    subscription = await api.seats(metadata={"keep": "1", "gone": "1"})
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(2000), 5)), "metadata": {"gone": "", "new": "2"}}
    await plan(api, schedule, present(schedule), later)
    now = await at(api, subscription, DECEMBER + 10)
    assert now["metadata"] == {"keep": "1", "new": "2"}
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert found["phases"][0]["metadata"] == {}


async def test_discounts_of_a_phase(api: Api) -> None:
    """A coupon begins with its phase; one that the next phase does not name is lost."""
    coupon = await api.post("/v1/coupons", {"percent_off": 50, "duration": "forever"})
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    seats = items((await api.price(2000), 5))
    half = {"items": seats, "discounts": [{"coupon": coupon["id"]}], "duration": {"interval": "month"}}
    await plan(api, schedule, present(schedule), half, {"items": seats})
    totals = [
        (await at(api, subscription, when + 10))["latest_invoice"]["total"] for when in (DECEMBER, JANUARY)
    ]
    assert totals == [5000, 10000]


async def test_a_discount_that_is_sent_again_stays_itself(api: Api) -> None:
    """By its id it is the same discount; a coupon that stands in the present phase is not redeemed again."""
    coupon = await api.post("/v1/coupons", {"percent_off": 50, "duration": "forever"})
    subscription = await api.seats(discounts=[{"coupon": coupon["id"]}])
    schedule = await adopt(api, subscription)
    kept = present(schedule, discounts=[{"discount": subscription["discounts"][0]}])
    await plan(api, schedule, kept, {"items": kept["items"], "discounts": [{"coupon": coupon["id"]}]})
    await plan(api, schedule, kept, {"items": kept["items"], "discounts": [{"coupon": coupon["id"]}]})
    assert (await at(api, subscription, NOVEMBER + 1))["discounts"] == subscription["discounts"]
    assert (await api.get(f"/v1/coupons/{coupon['id']}"))["times_redeemed"] == 1


async def test_an_item_s_own_discount(api: Api) -> None:
    """Discounts of a phase's item reach the subscription's item."""
    coupon = await api.post("/v1/coupons", {"percent_off": 50, "duration": "forever"})
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    entry = {"price": await api.price(2000), "quantity": 5, "discounts": [{"coupon": coupon["id"]}]}
    await plan(api, schedule, present(schedule), {"items": [entry]})
    assert len(first_item(await at(api, subscription, DECEMBER + 10))["discounts"]) == 1


async def test_a_trial_in_a_phase(api: Api) -> None:
    """Until `trial_end` nothing is charged, then a period of its own begins."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    trial = {
        "items": items((await api.price(2000), 5)),
        "trial_end": DECEMBER + 7 * DAY,
        "proration_behavior": "none",
    }
    await plan(
        api, schedule, present(schedule), {**trial, "duration": {"interval": "month", "interval_count": 3}}
    )
    now = await at(api, subscription, DECEMBER + DAY)
    assert (now["status"], now["trial_end"]) == ("trialing", DECEMBER + 7 * DAY)
    now = await at(api, subscription, DECEMBER + 7 * DAY + 10)
    assert (now["status"], amounts(now["latest_invoice"])) == ("active", [10000])


async def test_how_a_phase_is_collected(api: Api) -> None:
    """`send_invoice` needs days until due; entered, the renewal is sent instead of charged."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(2000), 5)), "collection_method": "send_invoice"}
    await plan(api, schedule, present(schedule), later, status=400)
    await plan(api, schedule, present(schedule), {**later, "invoice_settings": {"days_until_due": 10}})
    now = await at(api, subscription, DECEMBER + 7200)
    assert (now["collection_method"], now["latest_invoice"]["status"]) == ("send_invoice", "open")


async def test_a_price_archived_meanwhile_is_entered(api: Api) -> None:
    """Archiving a price stops new requests, not what was scheduled."""
    subscription = await api.seats()
    cheap = await api.price(1500)
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), {"items": items((cheap, 1))})
    await api.post(f"/v1/prices/{cheap}", {"active": False})
    assert shape(await at(api, subscription, DECEMBER + 10)) == [(cheap, 1)]


async def test_dates_of_phases(api: Api) -> None:
    """An end or a duration; ten current and future phases; `now` ends the present phase."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    seats = items((await api.price(2000), 5))
    both = {"items": seats, "end_date": JANUARY, "duration": {"interval": "month"}}
    await plan(api, schedule, present(schedule), both, status=400)
    await plan(api, schedule, present(schedule), *[{"items": seats}] * 10, status=400)
    made = await plan(api, schedule, present(schedule), *[{"items": seats}] * 9)
    assert len(made["phases"]) == 10
    await at(api, subscription, MID_NOVEMBER)
    two = items((await api.price(2000), 2))
    ended = await plan(api, schedule, present(schedule, end_date="now"), {"items": two, "end_date": DECEMBER})
    assert ended["current_phase"] == {"start_date": MID_NOVEMBER, "end_date": DECEMBER}
    assert shape(await at(api, subscription, MID_NOVEMBER + 1)) == [(two[0]["price"], 2)]


async def test_past_phases_may_be_left_out(api: Api) -> None:
    """An update in the second phase sends that phase with its exact start, and later ones."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    seats = items((await api.price(2000), 5))
    await plan(api, schedule, present(schedule), {"items": seats})
    await at(api, subscription, DECEMBER + 10)
    await plan(api, schedule, {"items": seats, "start_date": DECEMBER + 1}, status=400)
    made = await plan(api, schedule, {"items": seats, "start_date": DECEMBER}, {"items": seats})
    assert made["current_phase"]["start_date"] == DECEMBER


async def test_one_currency(api: Api) -> None:
    """Phases in another currency than the subscription's are refused."""
    schedule = await adopt(api, await api.seats())
    euros = await api.post(
        "/v1/prices",
        {
            "product_data": {"name": "E"},
            "currency": "eur",
            "unit_amount": 5,
            "recurring": {"interval": "month"},
        },
    )
    await plan(api, schedule, present(schedule), {"items": items((euros["id"], 1))}, status=400)
    await plan(api, schedule, present(schedule, currency="eur"), status=400)


async def test_a_full_phase_has_the_sdk_s_shape(api: Api) -> None:
    """What a request leaves out is there as null."""
    setup = await api.post(
        "/v1/prices", {"product_data": {"name": "Setup"}, "currency": "usd", "unit_amount": 900}
    )
    schedule = await adopt(api, await api.seats())
    full = {
        "items": items((await api.price(2000), 5)),
        "add_invoice_items": [{"price": setup["id"]}],
        "collection_method": "send_invoice",
        "invoice_settings": {"days_until_due": 10},
    }
    made = await plan(
        api, schedule, present(schedule), full, default_settings={"invoice_settings": {"days_until_due": 3}}
    )
    assert problems(made) == set()
