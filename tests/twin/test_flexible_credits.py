"""Flexible billing credits what was debited; classic billing credits the price list."""

from __future__ import annotations

from tests.twin.api import MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item

QUARTER, HALF, LAST_QUARTER = (NOVEMBER + MONTH * n // 4 for n in (1, 2, 3))


async def test_seats_added_with_none_are_never_credited(api: Api) -> None:
    """What was never billed cannot come back: the credit is of the five seats that were."""
    subscription = await api.seats(5)
    item = first_item(subscription)["id"]
    await api.change(subscription, {"id": item, "quantity": 9}, proration_behavior="none")
    changed = await api.change(subscription, {"id": item, "quantity": 5}, proration_date=HALF)
    assert amounts(changed["latest_invoice"]) == [-5000, 5000]


async def test_classic_credits_the_current_price(api: Api) -> None:
    """The same in classic mode credits nine seats, although five were billed."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(2000), 5), billing_mode={"type": "classic"})
    item = first_item(subscription)["id"]
    await api.change(subscription, {"id": item, "quantity": 9}, proration_behavior="none")
    changed = await api.change(subscription, {"id": item, "quantity": 5}, proration_date=HALF)
    assert amounts(changed["latest_invoice"]) == [-9000, 5000]


async def test_a_second_change_credits_the_rounded_first_debit(api: Api) -> None:
    """After a change the base is the earlier debit line, already rounded, not the price."""
    subscription = await api.seats(1, 1003)
    item = first_item(subscription)["id"]
    first = await api.change(subscription, {"id": item, "quantity": 2}, proration_date=QUARTER)
    assert amounts(first["latest_invoice"]) == [-752, 1504]  # 752.25 and 1504.5
    second = await api.change(subscription, {"id": item, "quantity": 3}, proration_date=HALF)
    assert amounts(second["latest_invoice"]) == [-1003, 1504]  # 1504 * 2/3 = 1002.67, not 1003 by the price


async def test_a_change_dated_before_another_credits_both_spans(api: Api) -> None:
    """A proration date before an earlier change meets two debits and gives two credits."""
    subscription = await api.seats(5)
    item = first_item(subscription)["id"]
    await api.change(subscription, {"id": item, "quantity": 10}, proration_date=HALF)
    changed = await api.change(subscription, {"id": item, "quantity": 20}, proration_date=QUARTER)
    assert amounts(changed["latest_invoice"]) == [-2500, -10000, 30000]


async def test_nothing_is_credited_twice(api: Api) -> None:
    """Up and down again at one moment leaves nothing to pay and nothing to give back."""
    subscription = await api.seats(5)
    item = first_item(subscription)["id"]
    totals = []
    for quantity in (8, 5, 8, 5):
        changed = await api.change(
            subscription, {"id": item, "quantity": quantity}, proration_date=MID_NOVEMBER
        )
        totals.append(changed["latest_invoice"]["total"])
    assert totals == [2900, -2900, 2900, -2900]


async def test_pending_prorations_ride_on_the_next_invoice(api: Api) -> None:
    """`create_prorations` waits; the next invoiced change collects it, newest first, after its own lines."""
    subscription = await api.seats(5)
    item = first_item(subscription)["id"]
    quiet = await api.change(
        subscription, {"id": item, "quantity": 6}, proration_behavior="create_prorations"
    )
    assert quiet["latest_invoice"]["id"] == subscription["latest_invoice"]
    waiting = await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True})
    assert [i["amount"] for i in waiting["data"]] == [12000, -10000]
    changed = await api.change(subscription, {"id": item, "quantity": 7})
    assert amounts(changed["latest_invoice"]) == [-12000, 14000, 12000, -10000]
    assert (await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True}))[
        "data"
    ] == []


async def test_cancelling_after_none_credits_what_was_billed(api: Api) -> None:
    """`none` to a dearer price, then cancel with `prorate`: the credit is at the price that was billed
    (recorded).
    """
    subscription = await api.seats(1, 2000)
    item = {"id": first_item(subscription)["id"], "price": await api.price(9000), "quantity": 1}
    await api.change(subscription, item, proration_behavior="none")
    await api.delete(f"/v1/subscriptions/{subscription['id']}", {"prorate": True, "invoice_now": True})
    customer = await api.get(f"/v1/customers/{subscription['customer']}")
    assert customer["balance"] == -2000


async def test_a_swap_keeps_the_item_and_a_missing_quantity_is_one(api: Api) -> None:
    """The trap of the field: a price swap without a quantity drops the seats."""
    subscription = await api.seats(5)
    item = first_item(subscription)
    swapped = await api.change(
        subscription, {"id": item["id"], "price": await api.price(3000)}, proration_behavior="none"
    )
    assert (first_item(swapped)["id"], first_item(swapped)["quantity"]) == (item["id"], 1)


async def test_migration_to_flexible_is_for_ever(api: Api) -> None:
    """A classic subscription becomes flexible; the way back is refused."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(2000), 5), billing_mode={"type": "classic"})
    path = f"/v1/subscriptions/{subscription['id']}/migrate"
    moved = await api.post(path, {"billing_mode": {"type": "flexible"}})
    assert moved["billing_mode"]["type"] == "flexible"
    await api.post(path, {"billing_mode": {"type": "classic"}}, status=400)
