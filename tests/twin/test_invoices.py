"""Invoices by hand: drafts, sending, paying outside Stripe, giving up, deleting; lists; invoice items."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, NOVEMBER, Api, amounts, types
from tests.twin.test_balance import advance, newest

DAY = 86400


async def with_item(api: Api, amount: int = 5000, **extra: object) -> JSON:
    """A customer on a frozen clock for whom 50.00 wait."""
    customer = await api.frozen_customer(**extra)
    await api.post("/v1/invoiceitems", {"customer": customer["id"], "amount": amount, "currency": "usd"})
    return customer


async def by_hand(api: Api, customer: JSON, **extra: object) -> JSON:
    """A draft over what waits."""
    include = {"pending_invoice_items_behavior": "include"}
    return await api.post("/v1/invoices", {"customer": customer["id"], **include, **extra})


async def opened(api: Api, **extra: object) -> JSON:
    """An open invoice of 50.00 that nobody collects."""
    made = await by_hand(api, await with_item(api), **extra)
    return await api.post(f"/v1/invoices/{made['id']}/finalize", {"auto_advance": False})


async def test_what_waits_is_left_out_unless_asked_for(api: Api) -> None:
    """`pending_invoice_items_behavior` defaults to `exclude` (API reference)."""
    customer = await with_item(api)
    empty = await api.post("/v1/invoices", {"customer": customer["id"]})
    assert (empty["status"], empty["total"], amounts(empty)) == ("draft", 0, [])
    assert amounts(await by_hand(api, customer)) == [5000]
    assert (await api.get("/v1/invoiceitems", {"customer": customer["id"], "pending": True}))["data"] == []


async def test_an_automatic_draft_is_collected_after_an_hour(api: Api) -> None:
    """`auto_advance`: finalised and paid by itself; otherwise it stays a draft."""
    customer = await with_item(api)
    draft = await by_hand(api, customer, auto_advance=True)
    still = await api.post("/v1/invoices", {"customer": customer["id"]})
    assert draft["automatically_finalizes_at"] == NOVEMBER + 3600
    await advance(api, customer["test_clock"], 3600)
    assert (await api.get(f"/v1/invoices/{draft['id']}"))["status"] == "paid"
    assert (await api.get(f"/v1/invoices/{still['id']}"))["status"] == "draft"


async def test_outside_of_stripe(api: Api) -> None:
    """No charge; `amount_paid` counts it, expansion says how much (changelogs of basil and dahlia)."""
    invoice = await opened(api)
    paid = await api.post(
        f"/v1/invoices/{invoice['id']}/pay", {"paid_out_of_band": True, "expand": ["amount_paid_off_stripe"]}
    )
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"]) == ("paid", 5000, 0)
    assert paid["amount_paid_off_stripe"] == 5000
    assert (await api.get("/v1/charges"))["data"] == []
    assert (await newest(api, "payment_intents"))["status"] == "canceled"
    told = types(await api.events())
    assert "invoice.paid" in told
    assert "invoice.payment_succeeded" not in told
    assert "amount_paid_off_stripe" not in (await api.events(type="invoice.paid"))[0]["data"]["object"]


async def test_given_up_and_paid_after_all(api: Api) -> None:
    """Uncollectible, then paid by card (docs "Status transitions")."""
    invoice = await opened(api)
    given = await api.post(f"/v1/invoices/{invoice['id']}/mark_uncollectible")
    assert (given["status"], given["amount_remaining"]) == ("uncollectible", 5000)
    paid = await api.post(f"/v1/invoices/{invoice['id']}/pay")
    assert (paid["status"], paid["amount_paid"]) == ("paid", 5000)
    assert paid["status_transitions"]["marked_uncollectible_at"] == NOVEMBER
    await api.post(f"/v1/invoices/{invoice['id']}/void", status=400)


async def test_sent_invoices(api: Api) -> None:
    """Due after so many days, never charged, sent again on request, paid by hand."""
    customer = await with_item(api)
    terms = {"collection_method": "send_invoice", "days_until_due": 10}
    draft = await by_hand(api, customer, **terms)
    assert draft["due_date"] == NOVEMBER + 10 * DAY
    sent = await api.post(f"/v1/invoices/{draft['id']}/send")
    assert (sent["status"], sent["attempted"]) == ("open", False)
    await api.post(f"/v1/invoices/{draft['id']}/send")
    assert len(await api.events(type="invoice.sent")) == 2
    assert (await api.post(f"/v1/invoices/{draft['id']}/pay"))["status"] == "paid"
    await api.post(f"/v1/invoices/{draft['id']}/send", status=400)


@pytest.mark.parametrize(
    "params", [{"days_until_due": 5}, {"due_date": NOVEMBER + DAY}, {"collection_method": "send_invoice"}]
)
async def test_due_dates_belong_to_sent_invoices(api: Api, params: dict[str, object]) -> None:
    """One does not come without the other."""
    customer = await with_item(api)
    await api.post("/v1/invoices", {"customer": customer["id"], **params}, status=400)


async def test_charged_invoices_are_not_sent(api: Api) -> None:
    """`/send` is for `send_invoice`."""
    invoice = await opened(api)
    await api.post(f"/v1/invoices/{invoice['id']}/send", status=400)


async def test_a_draft_can_be_changed_and_deleted(api: Api) -> None:
    """A finalised invoice can be neither; what stood on the draft is gone with it."""
    customer = await with_item(api)
    draft = await by_hand(api, customer)
    changed = await api.post(f"/v1/invoices/{draft['id']}", {"description": "x", "metadata": {"a": "1"}})
    assert (changed["description"], changed["metadata"]) == ("x", {"a": "1"})
    assert (await api.delete(f"/v1/invoices/{draft['id']}"))["deleted"] is True
    await api.get(f"/v1/invoices/{draft['id']}", status=404)
    assert (await api.get("/v1/invoiceitems", {"customer": customer["id"]}))["data"] == []
    assert types(await api.events())[:2] == ["invoice.deleted", "invoiceitem.deleted"]
    invoice = await opened(api)
    await api.delete(f"/v1/invoices/{invoice['id']}", status=400)
    error = (await api.post(f"/v1/invoices/{invoice['id']}", {"description": "y"}, status=400))["error"]
    assert error["code"] == "invoice_not_editable"
    await api.post(f"/v1/invoices/{invoice['id']}", {"metadata": {"late": "yes"}})


async def test_a_renewal_s_draft_cannot_be_deleted(api: Api) -> None:
    """Invoices of subscriptions are voided instead (API reference)."""
    subscription = await api.seats()
    await advance(api, subscription["test_clock"], 30 * DAY)
    draft = await newest(api, "invoices", subscription=subscription["id"])
    assert draft["status"] == "draft"
    await api.delete(f"/v1/invoices/{draft['id']}", status=400)


async def test_the_list_filters(api: Api) -> None:
    """By customer, subscription, status, way of collection, creation and due date."""
    subscription = await api.seats()
    sent = await opened(api, collection_method="send_invoice", days_until_due=3)
    for params, wanted in (
        ({"customer": sent["customer"]}, [sent["id"]]),
        ({"subscription": subscription["id"]}, [subscription["latest_invoice"]]),
        ({"status": "open"}, [sent["id"]]),
        ({"collection_method": "charge_automatically"}, [subscription["latest_invoice"]]),
        ({"due_date": {"lte": NOVEMBER + 3 * DAY}}, [sent["id"]]),
        ({"created": {"lt": NOVEMBER}}, []),
    ):
        assert [i["id"] for i in (await api.get("/v1/invoices", params))["data"]] == wanted


async def test_lines_come_by_page(api: Api) -> None:
    """Ten in the object, the rest by `/lines`, in the invoice's own order."""
    customer = await with_item(api, 1)
    for amount in range(2, 13):
        item = {"customer": customer["id"], "amount": amount, "currency": "usd"}
        await api.post("/v1/invoiceitems", item)
    draft = await by_hand(api, customer)
    assert (len(draft["lines"]["data"]), draft["lines"]["has_more"], draft["lines"]["total_count"]) == (
        10,
        True,
        12,
    )
    path, last = f"/v1/invoices/{draft['id']}/lines", draft["lines"]["data"][-1]["id"]
    rest = await api.get(path, {"starting_after": last})
    assert amounts(draft) + [li["amount"] for li in rest["data"]] == list(range(12, 0, -1))


async def test_items_can_be_changed_while_they_wait(api: Api) -> None:
    """Amount, description; once on an invoice they are fixed."""
    customer = await with_item(api)
    item = (await newest(api, "invoiceitems"))["id"]
    changed = await api.post(f"/v1/invoiceitems/{item}", {"amount": 700, "description": "Less"})
    assert (changed["amount"], changed["description"]) == (700, "Less")
    assert (await api.get(f"/v1/invoiceitems/{item}"))["amount"] == 700
    assert amounts(await by_hand(api, customer)) == [700]
    await api.post(f"/v1/invoiceitems/{item}", {"amount": 1}, status=400)
    await api.delete(f"/v1/invoiceitems/{item}", status=400)


async def test_the_first_currency_is_the_customer_s(api: Api) -> None:
    """Announced by `customer.updated` (seen by users), and no other one is accepted afterwards."""
    customer = await api.frozen_customer()
    assert customer["currency"] is None
    item = {"customer": customer["id"], "amount": 500, "currency": "eur"}
    await api.post("/v1/invoiceitems", item)
    event = (await api.events(type="customer.updated"))[0]["data"]
    assert (event["object"]["currency"], event["previous_attributes"]) == ("eur", {"currency": None})
    await api.post("/v1/invoiceitems", {**item, "currency": "usd"}, status=400)


async def test_a_payment_intent_belongs_to_its_invoice(api: Api) -> None:
    """It cannot be cancelled by itself; voiding the invoice does it; lists honour `created`."""
    invoice = await opened(api)
    intent = await newest(api, "payment_intents")
    await api.post(f"/v1/payment_intents/{intent['id']}/cancel", status=400)
    await api.post(f"/v1/invoices/{invoice['id']}/void")
    assert (await newest(api, "payment_intents"))["status"] == "canceled"
    for kind in ("payment_intents", "charges"):
        assert (await api.get(f"/v1/{kind}", {"created": {"gt": NOVEMBER}}))["data"] == []


async def test_another_customer_s_card_does_not_pay(api: Api) -> None:
    """And a token is attached on the way."""
    invoice = await opened(api)
    theirs = (await api.customer())["invoice_settings"]["default_payment_method"]
    path = f"/v1/invoices/{invoice['id']}/pay"
    await api.post(path, {"payment_method": theirs}, status=400)
    assert (await api.post(path, {"payment_method": "pm_card_mastercard"}))["status"] == "paid"
