"""Movers: what a person changes in the dashboard between a preview and the update that relies on it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, Api, first_item, types
from worker.twin.server import RunningTwin

# Seats 5 -> 8 at 20.00 at the period's very start: -100.00 +160.00 = 60.00.
PLAIN = 6000


async def preview(api: Api, subscription: JSON) -> JSON:
    """What the update below would charge."""
    edit = {"id": first_item(subscription)["id"], "quantity": 8}
    details = {"items": [edit], "proration_behavior": "always_invoice"}
    params = {"subscription": subscription["id"], "subscription_details": details}
    return await api.post("/v1/invoices/create_preview", params)


async def moved(api: Api, **mover: Any) -> tuple[JSON, JSON, JSON]:
    """(the preview, the subscription after the move, the invoice of the same update)."""
    subscription = await api.seats(**mover.pop("create", {}))
    await api.control("movers", {"subscription": subscription["id"], **mover})
    shown = await preview(api, subscription)
    between = await api.get(f"/v1/subscriptions/{subscription['id']}")
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 8})
    return shown, between, changed["latest_invoice"]


@pytest.mark.parametrize(
    ("mover", "difference"),
    [
        ({"mover": "tax", "percent": 10}, 1600),  # on the debit: the credit bears the tax of its day
        ({"mover": "balance", "amount": -500}, -500),
        ({"mover": "balance", "amount": 250}, 250),
        ({"mover": "coupon", "percent": 25}, -4000),  # the credit is what was paid: only the debit shrinks
        ({"mover": "pending_item", "amount": 700}, 700),
        ({"mover": "price", "amount": 3000}, 8000),  # the debit is 8 x 30.00
        ({"mover": "quantity", "quantity": 6}, 0),  # nothing was billed for the sixth seat
    ],
)
async def test_what_moves_after_the_preview_changes_what_the_same_update_charges(
    api: Api, mover: JSON, difference: int
) -> None:
    """The preview is answered as things were; the update meets them as they are now."""
    shown, _, invoice = await moved(api, **mover)
    assert (shown["amount_due"], invoice["amount_due"] - shown["amount_due"]) == (PLAIN, difference)


async def test_a_coupon_that_goes_away_raises_the_charge(api: Api) -> None:
    """Where the subscription has a coupon, the mover removes it."""
    coupon = await api.post("/v1/coupons", {"percent_off": 50, "duration": "forever"})
    create = {"discounts": [{"coupon": coupon["id"]}]}
    shown, between, invoice = await moved(api, mover="coupon", create=create)
    assert between["discounts"] == []
    assert (shown["amount_due"], invoice["amount_due"]) == (3000, 16000 - 5000)


async def test_a_status_that_moves_is_seen_before_the_update(api: Api) -> None:
    """An end was asked for, collection was paused, or a renewal failed, between two requests."""
    _, ending, _ = await moved(api, mover="status")
    _, paused, _ = await moved(api, mover="status", status="paused_collection")
    _, overdue, _ = await moved(api, mover="status", status="past_due")
    assert ending["cancel_at_period_end"] is True
    assert paused["pause_collection"]["behavior"] == "void"
    assert overdue["status"] == "past_due"


async def test_a_card_that_moves_declines_the_charge(api: Api) -> None:
    """The preview promised an amount; the new default card does not pay it."""
    shown, _, invoice = await moved(api, mover="payment_method")
    assert (shown["amount_due"], invoice["status"], invoice["amount_paid"]) == (PLAIN, "open", 0)


async def test_a_move_is_an_edit_by_hand_with_its_events(api: Api) -> None:
    """The events of a move name no request: nobody's key caused them."""
    subscription = await api.seats()
    await api.control("movers", {"mover": "quantity", "subscription": subscription["id"]})
    await preview(api, subscription)
    newest = (await api.events())[0]
    assert newest["type"] == "customer.subscription.updated"
    assert newest["request"] is None
    assert newest["data"]["previous_attributes"]["items"]["data"][0]["quantity"] == 5


async def test_a_mover_waits_for_its_preview_and_fires_as_often_as_planned(api: Api) -> None:
    """`after` previews pass untouched but the last, then `times` of them move something."""
    subscription = await api.seats()
    plan = {"mover": "balance", "subscription": subscription["id"], "amount": -100, "after": 2, "times": 2}
    await api.control("movers", plan)
    balances = []
    for _ in range(4):
        await preview(api, subscription)
        balances.append((await api.get(f"/v1/customers/{subscription['customer']}"))["balance"])
    assert balances == [0, -100, -200, -200]
    report = await api.control("movers", method="GET")
    assert (len(report["planned"]), len(report["fired"])) == (0, 2)


async def test_previews_of_others_move_nothing_and_the_customer_s_own_do(api: Api) -> None:
    """Only a preview of that subscription, or of its customer without a subscription, counts."""
    mine, other = await api.seats(), await api.seats()
    await api.control("movers", {"mover": "pending_item", "subscription": mine["id"]})
    await preview(api, other)
    assert types(await api.events(type="invoiceitem.created")) == []
    items = [{"price": first_item(mine)["price"]["id"]}]
    wanted = {"customer": mine["customer"], "subscription_details": {"items": items}}
    await api.post("/v1/invoices/create_preview", wanted)
    assert types(await api.events(type="invoiceitem.created")) == ["invoiceitem.created"]


async def test_forgotten_movers_and_refused_previews_move_nothing(api: Api, twin: RunningTwin) -> None:
    """DELETE forgets the plan; a preview that is refused does not count."""
    subscription = await api.seats()
    await api.control("movers", {"mover": "quantity", "subscription": subscription["id"]})
    bad = {"subscription": subscription["id"], "subscription_details": {"items": [{"id": "si_none"}]}}
    await api.post("/v1/invoices/create_preview", bad, status=404)
    assert len((await api.control("movers", method="GET"))["planned"]) == 1
    await api.control("movers", method="DELETE")
    await preview(api, subscription)
    assert twin.twin.movers.fired == []


async def test_a_move_that_the_rules_refuse_is_reported_and_harms_nobody(api: Api) -> None:
    """An end cannot be set while a schedule is attached: the preview is answered, the refusal is listed."""
    subscription = await api.seats()
    await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    await api.control("movers", {"mover": "status", "subscription": subscription["id"]})
    assert (await preview(api, subscription))["amount_due"] == PLAIN
    fired = (await api.control("movers", method="GET"))["fired"]
    assert fired[0]["refused"]["param"] == "cancel_at_period_end"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"mover": "moon"}, 400),
        ({"mover": "tax"}, 400),
        ({"mover": "tax", "subscription": "sub_none"}, 404),
        ({"mover": "status", "subscription": "x", "status": "happy"}, 400),
        ({"mover": "tax", "subscription": "x", "when": "before"}, 400),
        ({"mover": "tax", "colour": "red"}, 400),
    ],
)
async def test_a_mover_that_makes_no_sense_is_refused(api: Api, wrong: JSON, status: int) -> None:
    """Unknown movers, fields, statuses, moments and objects are named in the answer."""
    answer = await api.control("movers", wrong, status=status)
    assert answer["error"]["message"]
