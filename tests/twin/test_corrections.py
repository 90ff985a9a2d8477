"""Refunds, credit notes, disputes, and the settings of the account."""

from __future__ import annotations

from tests.twin.api import Api, first_item


async def test_refunds(api: Api) -> None:
    """In parts up to the whole, seen on the charge, never more."""
    subscription = await api.seats()
    charge = (await api.get("/v1/charges", {"customer": subscription["customer"]}))["data"][0]
    by_hand = {"path": "/v1/refunds", "params": {"charge": charge["id"], "amount": 400}}
    await api.control("dashboard", by_hand)
    await api.post("/v1/refunds", {"charge": charge["id"], "amount": 99999}, status=400)
    await api.post("/v1/refunds", {"payment_intent": charge["payment_intent"]})
    error = (await api.post("/v1/refunds", {"charge": charge["id"]}, status=400))["error"]
    assert error["code"] == "charge_already_refunded"
    found = await api.get(f"/v1/charges/{charge['id']}", {"expand": ["refunds"]})
    assert (found["amount_refunded"], found["refunded"], len(found["refunds"]["data"])) == (10000, True, 2)


async def test_a_credit_note_after_payment_moves_the_balance(api: Api) -> None:
    """Credit for the next invoice, and the invoice says that it was corrected."""
    subscription = await api.seats()
    params = {"invoice": subscription["latest_invoice"], "amount": 300, "credit_amount": 300}
    note = await api.post("/v1/credit_notes", params)
    assert (note["type"], note["post_payment_amount"]) == ("post_payment", 300)
    invoice = await api.get(f"/v1/invoices/{subscription['latest_invoice']}")
    assert (invoice["post_payment_credit_notes_amount"], invoice["amount_paid"]) == (300, 10000)
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["balance"] == -300


async def test_a_credit_note_before_payment_lowers_what_is_due(api: Api) -> None:
    """The open invoice of a waiting change is corrected to nothing: it is paid, and the change applies."""
    held = await api.held_change()
    invoice = held["latest_invoice"]
    note = await api.post("/v1/credit_notes", {"invoice": invoice["id"], "amount": invoice["amount_due"]})
    assert note["type"] == "pre_payment"
    assert (await api.get(f"/v1/invoices/{invoice['id']}"))["status"] == "paid"
    assert first_item(await api.get(f"/v1/subscriptions/{held['id']}"))["quantity"] == 8
    await api.post("/v1/credit_notes", {"invoice": invoice["id"], "amount": 5}, status=400)


async def test_disputes_are_acts_of_the_bank(api: Api) -> None:
    """The charge is marked, an event says so, and the dispute can be listed."""
    subscription = await api.seats()
    charge = (await api.get("/v1/charges", {"customer": subscription["customer"]}))["data"][0]["id"]
    made = await api.control("dashboard", {"act": "dispute", "charge": charge})
    assert (await api.get(f"/v1/charges/{charge}"))["disputed"] is True
    assert [d["id"] for d in (await api.get("/v1/disputes", {"charge": charge}))["data"]] == [made["id"]]
    assert (await api.events(type="charge.dispute.created"))[0]["data"]["object"]["id"] == made["id"]


async def test_the_portal_s_settings_are_readable(api: Api) -> None:
    """A check of one's set-up sees whether customers could change plans behind its back."""
    path = "/v1/billing_portal/configurations"
    assert (await api.get(path))["data"][0]["features"]["subscription_update"]["enabled"] is False
    await api.control("account", {"portal_changes_plans": True})
    assert (await api.get(path))["data"][0]["features"]["subscription_update"]["enabled"] is True
    assert (await api.get("/v1/account"))["id"] == "acct_twin"
    await api.control("account", {"nonsense": 1}, status=400)
