"""Discounts: what they take from invoices and prorations, and what they hang on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item, types

HALF = NOVEMBER + MONTH // 2
ITEMIZED = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
CLASSIC = {"type": "classic"}


async def coupon(api: Api, **params: Any) -> JSON:
    """A coupon as an entry of `discounts`; it lasts for ever unless told."""
    money = {"currency": "usd"} if "amount_off" in params else {}
    made = await api.post("/v1/coupons", {"duration": "forever", **money, **params})
    return {"coupon": made["id"]}


def takes(invoice: JSON) -> list[list[int]]:
    """What each line's discounts took."""
    return [[d["amount"] for d in line["discount_amounts"]] for line in invoice["lines"]["data"]]


async def latest(api: Api, subscription: JSON) -> JSON:
    """The latest invoice of a subscription."""
    now = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    found: JSON = now["latest_invoice"]
    return found


async def to_december(api: Api, subscription: JSON, months: int = 1) -> JSON:
    """Go to the day after that many renewals; the last invoice."""
    path = f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance"
    await api.post(path, {"frozen_time": NOVEMBER + months * 31 * 86400})
    return await latest(api, subscription)


@pytest.mark.parametrize(
    ("mode", "amount", "shown", "subtotal"),
    [
        ({"type": "flexible"}, 700, [0], 700),
        (ITEMIZED, 1000, [100, 200], 900),
    ],
)
async def test_prorations_are_net_unless_itemized(
    api: Api, mode: JSON, amount: int, shown: list[int], subtotal: int
) -> None:
    """Changelog "Adds the ability to itemize proration discount amounts": 10 USD gross, 10 % off the item,
    2 USD off the subscription. Included: 7 USD, and the subscription's discount shows 0. Itemized: all of it.
    """
    free = await api.seats(1, 0, billing_mode=mode, discounts=[await coupon(api, amount_off=200)])
    edit = {"id": first_item(free)["id"], "price": await api.price(1000), "quantity": 1}
    edit["discounts"] = [await coupon(api, percent_off=10)]
    changed = await api.change(free, edit, proration_date=NOVEMBER)
    invoice = changed["latest_invoice"]
    line = invoice["lines"]["data"][-1]
    assert (line["amount"], takes(invoice)[-1], line["discountable"]) == (amount, shown, False)
    assert (invoice["subtotal"], invoice["total"]) == (subtotal, 700)
    assert sum(d["amount"] for d in invoice["total_discount_amounts"]) == sum(shown)
    item = await api.get(f"/v1/invoiceitems/{line['parent']['subscription_item_details']['invoice_item']}")
    made = [d["amount"] for d in item["proration_details"]["discount_amounts"]]
    assert (item["amount"], item["net_amount"]) == (amount, 700)
    assert made == ([100, 200] if amount == 1000 else [0, 0])


@pytest.mark.parametrize(
    ("mode", "lines", "shown"),
    [
        ({"type": "flexible"}, [-3867, 6187], [[0], [0]]),
        (ITEMIZED, [-4833, 7733], [[-967], [1547]]),
    ],
)
async def test_a_percentage_reaches_credits_and_debits(
    api: Api, mode: JSON, lines: list[int], shown: list[list[int]]
) -> None:
    """Seats 5 to 8 with 20 % off: the same to pay either way (docs "Prorations")."""
    subscription = await api.seats(billing_mode=mode, discounts=[await coupon(api, percent_off=20)])
    edit = {"id": first_item(subscription)["id"], "quantity": 8}
    invoice = (await api.change(subscription, edit, proration_date=MID_NOVEMBER))["latest_invoice"]
    assert (amounts(invoice), takes(invoice), invoice["total"]) == (lines, shown, 2320)


@pytest.mark.parametrize("mode", [{"type": "flexible"}, CLASSIC])
async def test_a_coupon_that_comes_later_does_not_touch_the_credit(api: Api, mode: JSON) -> None:
    """Two seats at 100 USD, in mid-period 50 % off and a third seat: -100 and +75 (Stripe staff, api-discuss,
    "Proration and Coupons": the coupon only applies to the new amount).
    """
    subscription = await api.seats(2, 10000, billing_mode=mode)
    half = [await coupon(api, percent_off=50)]
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"discounts": half})
    edit = {"id": first_item(subscription)["id"], "quantity": 3}
    invoice = (await api.change(subscription, edit, proration_date=HALF))["latest_invoice"]
    assert amounts(invoice) == [-10000, 7500]


@pytest.mark.parametrize("mode", [{"type": "flexible"}, CLASSIC, ITEMIZED])
async def test_a_coupon_that_is_gone_still_counts_for_what_it_paid(api: Api, mode: JSON) -> None:
    """50 % off was billed, then removed: the credit is of half the price, the debit of all of it (docs
    "Compare classic and flexible billing mode": the original debit; the last discounts used).
    """
    half = [await coupon(api, percent_off=50)]
    subscription = await api.seats(5, billing_mode=mode, discounts=half)
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"discounts": ""})
    edit = {"id": first_item(subscription)["id"], "quantity": 6}
    invoice = (await api.change(subscription, edit, proration_date=HALF))["latest_invoice"]
    assert invoice["total"] == 6000 - 2500
    assert takes(invoice)[0] in ([0], [-2500])


async def test_a_discount_of_the_same_call_counts_for_its_debits(api: Api) -> None:
    """Docs "Change the price of existing subscriptions": it affects the prorations of that call."""
    subscription = await api.seats(5)
    edit = {"id": first_item(subscription)["id"], "quantity": 10}
    terms: JSON = {"proration_date": HALF, "discounts": [await coupon(api, percent_off=10)]}
    changed = await api.change(subscription, edit, **terms)
    assert amounts(changed["latest_invoice"]) == [-5000, 9000]
    assert changed["latest_invoice"]["discounts"] == changed["discounts"]


@pytest.mark.parametrize(
    ("mode", "lines"),
    [({"type": "flexible"}, [-1200, -400, 2700, 900]), (CLASSIC, [-1300, -300, 2800, 800])],
)
async def test_a_fixed_amount_is_spread_over_the_items(api: Api, mode: JSON, lines: list[int]) -> None:
    """8 USD off 30 + 10, in mid-period 60 + 20. Flexible by size (6 and 2, as billed and from now on),
    classic evenly (4 and 4); docs "Compare classic and flexible billing mode".
    """
    big, small = await api.price(3000), await api.price(1000)
    off = [await coupon(api, amount_off=800)]
    who = await api.frozen_customer()
    subscription = await api.subscribe(who, (big, 1), (small, 1), billing_mode=mode, discounts=off)
    edits = [{"id": i["id"], "quantity": 2} for i in subscription["items"]["data"]]
    invoice = (await api.change(subscription, *edits, proration_date=HALF))["latest_invoice"]
    assert amounts(invoice) == lines


@pytest.mark.parametrize(("first", "total"), [("percent_off", 8000), ("amount_off", 8100)])
async def test_several_discounts_apply_in_their_order(api: Api, first: str, total: int) -> None:
    """10 % and 10 USD off 100 USD: each takes from what the one before left (docs "Coupons")."""
    both = [await coupon(api, percent_off=10), await coupon(api, amount_off=1000)]
    subscription = await api.seats(discounts=both if first == "percent_off" else both[::-1])
    assert (await latest(api, subscription))["total"] == total


async def test_a_fixed_amount_is_given_to_the_cent(api: Api) -> None:
    """1 USD over three equal lines is 33 + 34 + 33, or another three that make 100, never 99."""
    prices = [(await api.price(1000, nickname=n), 1) for n in ("a", "b", "c")]
    off = [await coupon(api, amount_off=100)]
    subscription = await api.subscribe(await api.frozen_customer(), *prices, discounts=off)
    invoice = await latest(api, subscription)
    assert sum(part for line in takes(invoice) for part in line) == 100
    assert invoice["total"] == 2900


async def test_an_invoice_never_becomes_negative_by_a_coupon(api: Api) -> None:
    """API reference "Create a coupon": 200 off an invoice of 100 leaves 0."""
    subscription = await api.seats(1, 100, discounts=[await coupon(api, amount_off=200)])
    assert (await latest(api, subscription))["total"] == 0


async def test_item_discounts_come_first_and_are_in_the_subtotal(api: Api) -> None:
    """SDK: `subtotal` has item discounts incorporated; line discounts come before invoice discounts."""
    price = await api.price(2000)
    item = {"price": price, "quantity": 5, "discounts": [await coupon(api, amount_off=1000)]}
    group = {"discounts": [await coupon(api, percent_off=10)]}
    who = await api.frozen_customer()
    subscription = await api.post("/v1/subscriptions", {"customer": who["id"], "items": [item], **group})
    invoice = await latest(api, subscription)
    assert (takes(invoice), invoice["subtotal"], invoice["total"]) == ([[1000, 900]], 9000, 8100)
    line = invoice["lines"]["data"][0]
    assert line["discounts"] == first_item(subscription)["discounts"] != subscription["discounts"]


async def test_a_void_does_not_bring_a_once_coupon_back(api: Api) -> None:
    """Not documented: the twin takes the reading that is harder on its client."""
    subscription = await api.seats(5)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    edit = {"id": first_item(subscription)["id"], "quantity": 8}
    off: JSON = {"discounts": [await coupon(api, percent_off=10, duration="once")]}
    held = await api.change(subscription, edit, payment_behavior="pending_if_incomplete", **off)
    assert held["pending_update"]["discounts"] == held["latest_invoice"]["discounts"] != []
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void")
    now = await api.get(f"/v1/subscriptions/{subscription['id']}")
    assert (now["discounts"], now["pending_update"]) == ([], None)


async def test_a_pending_update_brings_its_discount_when_it_is_paid(api: Api) -> None:
    """Until then the subscription has no discount, though the invoice that waits is reduced by it."""
    off = await coupon(api, percent_off=10)
    held = await api.held_change(discounts=[off])
    assert held["discounts"] == []
    good = await api.new_card(held["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": good})
    now = await api.get(f"/v1/subscriptions/{held['id']}")
    assert now["discounts"] == held["pending_update"]["discounts"]
    assert (await api.get(f"/v1/coupons/{off['coupon']}"))["times_redeemed"] == 1


async def test_a_customer_s_discount_yields_to_the_subscription_s(api: Api) -> None:
    """It serves a subscription without discounts; a new one replaces it with `customer.discount.updated`."""
    who = await api.frozen_customer()
    for percent in (10, 20):
        code = (await coupon(api, percent_off=percent))["coupon"]
        await api.control("dashboard", {"act": "discount_customer", "customer": who["id"], "coupon": code})
    assert types(await api.events(type="customer.discount.updated")) == ["customer.discount.updated"]
    plain = await api.subscribe(who, (await api.price(2000), 5))
    assert (await latest(api, plain))["total"] == 8000
    own = [await coupon(api, percent_off=50)]
    other = await api.subscribe(who, (await api.price(2000), 5), discounts=own)
    assert (await latest(api, other))["total"] == 5000
    await api.delete(f"/v1/customers/{who['id']}/discount")
    assert (await to_december(api, plain))["total"] == 10000


async def test_removing_a_subscription_s_discount(api: Api) -> None:
    """The endpoint takes it off, tells so by an event, and fails when there is none."""
    subscription = await api.seats(discounts=[await coupon(api, percent_off=10)])
    path = f"/v1/subscriptions/{subscription['id']}/discount"
    assert (await api.delete(path))["deleted"] is True
    assert (await api.events(type="customer.discount.deleted"))[0]["data"]["object"]["id"] == (
        subscription["discounts"][0]
    )
    await api.delete(path, status=400)


async def test_replacing_keeps_what_is_named_again(api: Api) -> None:
    """`discounts` replaces the list; an entry `discount` keeps that one without a new redemption."""
    off, more = await coupon(api, percent_off=10), await coupon(api, percent_off=20)
    subscription = await api.seats(discounts=[off])
    kept = subscription["discounts"][0]
    now = await api.post(
        f"/v1/subscriptions/{subscription['id']}",
        {"discounts": [{"discount": kept}, more], "expand": ["discounts"]},
    )
    assert now["discounts"][0]["id"] == kept
    assert now["discounts"][1]["source"] == {"type": "coupon", **more}
    assert (await api.get(f"/v1/coupons/{off['coupon']}"))["times_redeemed"] == 1


async def test_a_manual_item_and_a_manual_invoice_have_their_own(api: Api) -> None:
    """10 % off the item first, then 1 USD off the invoice."""
    who = await api.customer()
    item = {"customer": who["id"], "amount": 2000, "currency": "usd"}
    await api.post("/v1/invoiceitems", {**item, "discounts": [await coupon(api, percent_off=10)]})
    order = {"customer": who["id"], "pending_invoice_items_behavior": "include"}
    invoice = await api.post("/v1/invoices", {**order, "discounts": [await coupon(api, amount_off=100)]})
    assert (takes(invoice), invoice["subtotal"], invoice["total"]) == ([[200, 100]], 1800, 1700)


async def test_itemized_does_not_go_back(api: Api) -> None:
    """Changelog: `itemized` can be reached by migrating, and never left."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}/migrate"
    now = await api.post(path, {"billing_mode": ITEMIZED})
    assert now["billing_mode"]["flexible"]["proration_discounts"] == "itemized"
    back = {"type": "flexible", "flexible": {"proration_discounts": "included"}}
    await api.post(path, {"billing_mode": back}, status=400)


async def test_a_draft_is_priced_again(api: Api) -> None:
    """Another discount on a renewal's draft: less to pay, and later credits are of what was paid."""
    subscription = await api.seats(5)
    clock = f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance"
    await api.post(clock, {"frozen_time": NOVEMBER + MONTH + 600})
    draft = await latest(api, subscription)
    half = {"discounts": [await coupon(api, percent_off=50)]}
    now = await api.post(f"/v1/invoices/{draft['id']}", half)
    assert (draft["total"], now["total"], takes(now)) == (10000, 5000, [[5000]])
    edit = {"id": first_item(subscription)["id"], "quantity": 6}
    start = first_item(await api.get(f"/v1/subscriptions/{subscription['id']}"))["current_period_start"]
    changed = await api.change(subscription, edit, proration_date=start)
    assert amounts(changed["latest_invoice"]) == [-5000, 12000]
    await api.post(f"/v1/invoices/{draft['id']}/finalize")
    await api.post(f"/v1/invoices/{draft['id']}", {"discounts": ""}, status=400)
