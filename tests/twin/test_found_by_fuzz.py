"""Small histories that random ones have led to: each broke the twin once."""

from __future__ import annotations

from pathlib import Path

from tests.twin.api import MONTH, NOVEMBER, Api, amounts, first_item
from tests.twin.fuzz.invariants import broken_history
from tests.twin.fuzz.run import History
from worker.twin import persistence
from worker.twin.engine import new_world
from worker.twin.idempotency import Keys


async def test_a_test_clock_takes_its_customers_with_it(api: Api) -> None:
    """Docs "Test clocks": deleting one deletes its customers and cancels their subscriptions."""
    subscription = await api.seats()
    customer = await api.get(f"/v1/customers/{subscription['customer']}")
    await api.delete(f"/v1/test_helpers/test_clocks/{customer['test_clock']}")
    assert (await api.get(f"/v1/customers/{customer['id']}"))["deleted"] is True
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "canceled"


async def test_a_deleted_customer_gets_nothing_new(api: Api) -> None:
    """No subscription, no invoice item: the customer does not exist for them."""
    customer = await api.customer()
    await api.delete(f"/v1/customers/{customer['id']}")
    items = [{"price": await api.price(2000)}]
    for path, more in (
        ("/v1/subscriptions", {"items": items}),
        ("/v1/invoiceitems", {"amount": 100, "currency": "usd"}),
    ):
        refused = await api.post(path, {"customer": customer["id"], **more}, status=404)
        assert refused["error"]["code"] == "resource_missing"


async def test_a_refused_price_leaves_no_product(api: Api) -> None:
    """A price without an amount is refused as a whole, and so is a product with such a default price."""
    terms = {"currency": "usd", "recurring": {"interval": "month"}}
    await api.post("/v1/prices", {**terms, "product_data": {"name": "none"}}, status=400)
    await api.post("/v1/products", {"name": "none", "default_price_data": terms}, status=400)
    assert (await api.get("/v1/products"))["data"] == []


async def test_a_refused_customer_change_changes_nothing(api: Api) -> None:
    """A wrong payment method in the same request: the new address is not taken either."""
    customer = await api.customer(name="old")
    wrong = {"name": "new", "invoice_settings": {"default_payment_method": "pm_none"}}
    await api.post(f"/v1/customers/{customer['id']}", wrong, status=404)
    assert (await api.get(f"/v1/customers/{customer['id']}"))["name"] == "old"


async def test_a_new_balance_is_told_once(api: Api) -> None:
    """One `customer.updated` says that the balance changed, and from what."""
    customer = await api.customer()
    await api.post(f"/v1/customers/{customer['id']}", {"balance": -500, "name": "new"})
    told = [e["data"]["previous_attributes"] for e in await api.events(type="customer.updated")]
    assert [p["balance"] for p in told if "balance" in p] == [0]


async def test_events_name_a_new_item_by_its_id(api: Api) -> None:
    """From `invoice.created` on, the line of an item that is added names the id that the item will have."""
    subscription = await api.seats()
    extra = {"price": await api.price(3000), "quantity": 2}
    changed = await api.change(subscription, extra, proration_date=NOVEMBER + MONTH // 2)
    added = changed["items"]["data"][1]["id"]
    for kind in ("invoice.created", "invoice.finalized", "invoice.paid"):
        line = (await api.events(type=kind))[0]["data"]["object"]["lines"]["data"][0]
        assert line["parent"]["subscription_item_details"]["subscription_item"] == added, kind


async def test_a_held_item_keeps_the_id_that_its_invoice_shows(api: Api) -> None:
    """Added by a pending update, applied by the payment: the line and the item have one id all the while."""
    subscription = await api.seats()
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    extra = {"price": await api.price(3000), "quantity": 2}
    held = await api.change(subscription, extra, payment_behavior="pending_if_incomplete")
    line = held["latest_invoice"]["lines"]["data"][0]
    await api.new_card(subscription["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay")
    after = await api.get(f"/v1/subscriptions/{subscription['id']}")
    shown = line["parent"]["subscription_item_details"]["subscription_item"]
    assert [i["id"] for i in after["items"]["data"]] == [first_item(subscription)["id"], shown]


async def test_a_preview_dated_before_a_change_is_what_the_update_bills(api: Api) -> None:
    """The time before the earlier change was debited too, and both of its spans are credited in a preview."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(2000), 5))
    clock = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(clock, {"frozen_time": NOVEMBER + MONTH // 2})
    item = first_item(subscription)["id"]
    await api.change(subscription, {"id": item, "quantity": 10})
    dated = {"proration_behavior": "always_invoice", "proration_date": NOVEMBER + MONTH // 4}
    details = {"items": [{"id": item, "quantity": 20}], **dated}
    asked = {"subscription": subscription["id"], "subscription_details": details}
    preview = await api.post("/v1/invoices/create_preview", asked)
    made = await api.change(subscription, {"id": item, "quantity": 20}, **dated)
    assert amounts(preview) == amounts(made["latest_invoice"]) == [-2500, -10000, 30000]


async def test_an_invoice_that_nobody_tried_to_pay_has_no_3ds_to_fail(api: Api) -> None:
    """The act is refused: there is no payment."""
    customer = await api.customer()
    price = await api.price(2000)
    sent = {"collection_method": "send_invoice", "days_until_due": 7}
    subscription = await api.subscribe(customer, (price, 1), **sent)
    act = {"act": "fail_authentication", "invoice": subscription["latest_invoice"]}
    refused = await api.control("dashboard", act, status=400)
    assert refused["error"]["param"] == "invoice"


async def test_expanding_inside_an_event_is_no_accident(api: Api) -> None:
    """What an event shows is frozen: paths into it change nothing."""
    customer = await api.customer()
    plain = await api.get("/v1/events")
    assert plain["data"][0]["data"]["object"]["id"] == customer["id"]
    for path in ("data.data.object", "data.data.object.invoice_settings", "data.request"):
        assert await api.get("/v1/events", {"expand": [path]}) == plain


async def test_a_twin_can_be_saved_and_loaded_again_and_again(tmp_path: Path) -> None:
    """The third generation is the first, byte for byte."""
    history = await History(11).run(60)
    world, keys, files = history.world, history.twin.keys, []
    for number in range(3):
        files.append(tmp_path / f"generation-{number}")
        persistence.save(str(files[-1]), world, keys)
        world, keys = new_world(11), Keys(keys.now)
        persistence.load(str(files[-1]), world, keys)
    assert len({file.read_bytes() for file in files}) == 1


async def test_a_refund_is_announced_as_it_is(api: Api) -> None:
    """`refund.created` shows the metadata that the request gave."""
    subscription = await api.seats()
    charge = (await api.get("/v1/charges", {"customer": subscription["customer"]}))["data"][0]["id"]
    made = await api.post("/v1/refunds", {"charge": charge, "metadata": {"why": "asked"}})
    told = (await api.events(type="refund.created"))[0]["data"]["object"]
    assert told["metadata"] == made["metadata"] == {"why": "asked"}


async def test_a_schedule_that_is_over_has_no_preview(api: Api) -> None:
    """Released: 404 `invoice_upcoming_none`, as for a subscription that ended."""
    subscription = await api.seats()
    schedule = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    await api.post(f"/v1/subscription_schedules/{schedule['id']}/release")
    refused = await api.post("/v1/invoices/create_preview", {"schedule": schedule["id"]}, status=404)
    assert refused["error"]["code"] == "invoice_upcoming_none"


async def test_a_preview_from_a_moment_that_is_not_named(api: Api) -> None:
    """An anchor of the type `timestamp` without one is refused as a missing parameter."""
    customer = await api.customer()
    details = {
        "items": [{"price": await api.price(2000)}],
        "billing_cycle_anchor": {"type": "timestamp"},
    }
    params = {"customer": customer["id"], "subscription_details": details}
    refused = await api.post("/v1/invoices/create_preview", params, status=400)
    assert refused["error"]["code"] == "parameter_missing"


async def test_a_cancelled_schedule_goes_with_an_event() -> None:
    """Beside a pending update: no event tells of the subscription as if its schedule had never been."""
    history = await History(20261496).run(120, every=40)
    assert broken_history(history.world) == []


async def test_a_proration_date_lies_in_the_period_of_every_item() -> None:
    """Before the month's renewal but within the year: refused, or the year's item would end in the past."""
    history = await History(20261508).run(120, every=40)
    assert history.failures == []
