"""Bank debits: a payment that takes days, while the subscription goes on."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, first_item, types
from tests.twin.test_balance import advance, newest

DAY = 86400
GOOD, SEPA = "pm_usBankAccount_success", "pm_sepaDebit_success_de"


async def subscribed(api: Api, bank: str = GOOD, **extra: object) -> JSON:
    """A subscription of 20.00 paid from a bank account."""
    customer = await api.frozen_customer(card=bank)
    return await api.subscribe(
        customer, (await api.price(2000), 1), expand=["latest_invoice.payments"], **extra
    )


async def now(api: Api, subscription: JSON) -> tuple[str, str, str]:
    """Status of the subscription, of its latest invoice, of the payment."""
    seen = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    return seen["status"], seen["latest_invoice"]["status"], (await newest(api, "payment_intents"))["status"]


@pytest.mark.parametrize("bank", [GOOD, SEPA, "pm_sepaDebit_successDelayed_fr"])
async def test_active_while_the_bank_thinks(api: Api, bank: str) -> None:
    """Processing for days with the invoice open, then paid (docs "ACH Direct Debit", subscriptions)."""
    subscription = await subscribed(api, bank)
    assert await now(api, subscription) == ("active", "open", "processing")
    charge = await newest(api, "charges")
    assert (charge["status"], charge["paid"], charge["balance_transaction"]) == ("pending", False, None)
    assert charge["payment_method_details"]["type"] in ("us_bank_account", "sepa_debit")
    await advance(api, subscription["test_clock"], 4 * DAY - 1)
    assert await now(api, subscription) == ("active", "open", "processing")
    await advance(api, subscription["test_clock"], 1)
    assert await now(api, subscription) == ("active", "paid", "succeeded")
    invoice = await api.get(f"/v1/invoices/{subscription['latest_invoice']['id']}")
    assert (invoice["attempt_count"], invoice["amount_paid"]) == (1, 2000)


async def test_the_events_in_their_order(api: Api) -> None:
    """Pending and processing first; success days later."""
    subscription = await subscribed(api)
    kinds = types(await api.events())[::-1]
    assert kinds.index("charge.pending") < kinds.index("payment_intent.processing")
    assert not {"invoice.paid", "charge.succeeded"} & set(kinds)
    await advance(api, subscription["test_clock"], 4 * DAY)
    later = types(await api.events())[::-1][len(kinds) :]
    wanted = ["charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid", "invoice.updated",
              "invoice.paid", "invoice.payment_succeeded"]  # fmt: skip
    assert [k for k in later if k in wanted] == wanted


async def test_a_debit_costs_less_and_settles_at_once(api: Api) -> None:
    """0.8 % up to 5.00 (Stripe's list price), available when it succeeds (docs "Testing")."""
    subscription = await subscribed(api)
    await advance(api, subscription["test_clock"], 4 * DAY)
    moved = await newest(api, "balance_transactions")
    assert (moved["type"], moved["reporting_category"]) == ("payment", "charge")
    assert (moved["fee"], moved["status"]) == (16, "available")


@pytest.mark.parametrize(
    ("bank", "code"),
    [
        ("pm_usBankAccount_accountClosed", "account_closed"),
        ("pm_usBankAccount_insufficientFunds", "insufficient_funds"),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized"),
        ("pm_sepaDebit_failed_de", "generic_could_not_process"),
        ("pm_sepaDebit_exceedsWeeklyVolumeLimit_de", "charge_exceeds_source_limit"),
    ],
)
async def test_a_debit_that_comes_back(api: Api, bank: str, code: str) -> None:
    """The subscription that ran is past due, and another payment method pays the invoice."""
    subscription = await subscribed(api, bank)
    assert (await now(api, subscription))[0] == "active"
    await advance(api, subscription["test_clock"], 4 * DAY)
    assert await now(api, subscription) == ("past_due", "open", "requires_payment_method")
    assert (await newest(api, "charges"))["failure_code"] == code
    assert len(await api.events(type="invoice.payment_failed")) == 1
    path = f"/v1/invoices/{subscription['latest_invoice']['id']}/pay"
    await api.post(path, {"payment_method": "pm_card_visa"})
    assert await now(api, subscription) == ("active", "paid", "succeeded")


async def test_nobody_overtakes_a_debit(api: Api) -> None:
    """While it is on its way the invoice is not paid again, voided, credited or given up."""
    subscription = await subscribed(api, "pm_usBankAccount_processing")
    invoice = subscription["latest_invoice"]["id"]
    await advance(api, subscription["test_clock"], 20 * DAY)
    assert await now(api, subscription) == ("active", "open", "processing")
    for act in ("pay", "void", "mark_uncollectible"):
        await api.post(f"/v1/invoices/{invoice}/{act}", status=400)
    await api.post(f"/v1/invoices/{invoice}/pay", {"paid_out_of_band": True}, status=400)
    await api.post("/v1/credit_notes", {"invoice": invoice, "amount": 100}, status=400)
    intent = (await newest(api, "payment_intents"))["id"]
    await api.post(f"/v1/payment_intents/{intent}/confirm", status=400)


async def test_a_first_payment_by_bank_activates(api: Api) -> None:
    """`default_incomplete`, then the customer gives an account: active at once, and it does not expire."""
    subscription = await subscribed(api, GOOD, payment_behavior="default_incomplete")
    assert subscription["status"] == "incomplete"
    intent = (await newest(api, "payment_intents"))["id"]
    confirmed = await api.post(f"/v1/payment_intents/{intent}/confirm")
    assert confirmed["status"] == "processing"
    assert await now(api, subscription) == ("active", "open", "processing")
    await advance(api, subscription["test_clock"], 4 * DAY)
    assert await now(api, subscription) == ("active", "paid", "succeeded")


async def test_no_pending_update_waits_for_a_bank(api: Api) -> None:
    """Bank debits are not among its payment methods (docs "Pending updates"); nothing changes."""
    subscription = await subscribed(api)
    await advance(api, subscription["test_clock"], 4 * DAY)
    item = {"id": first_item(subscription)["id"], "quantity": 3}
    behavior = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    path = f"/v1/subscriptions/{subscription['id']}"
    error = await api.post(path, {"items": [item], **behavior}, status=400)
    assert error["error"]["param"] == "payment_behavior"
    seen = await api.get(f"/v1/subscriptions/{subscription['id']}")
    assert (first_item(seen)["quantity"], seen["pending_update"]) == (1, None)


async def test_a_held_change_is_not_paid_by_debit(api: Api) -> None:
    """The update would expire before the bank answers (docs "Pending updates"); a card still pays it."""
    held = await api.held_change()
    path = f"/v1/invoices/{held['latest_invoice']['id']}/pay"
    await api.post(path, {"payment_method": GOOD}, status=400)
    assert (await api.post(path, {"payment_method": "pm_card_visa"}))["status"] == "paid"


async def test_no_retry_while_a_debit_is_on_its_way(api: Api) -> None:
    """The planned attempt is called off, and there is one charge (docs "Smart Retries")."""
    subscription = await subscribed(api, "pm_card_visa")
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 3})
    invoice = changed["latest_invoice"]["id"]
    paying = await api.post(f"/v1/invoices/{invoice}/pay", {"payment_method": GOOD})
    assert (paying["status"], paying["next_payment_attempt"]) == ("open", None)
    await advance(api, subscription["test_clock"], 4 * DAY)
    assert await now(api, subscription) == ("active", "paid", "succeeded")
    charges = (await api.get("/v1/charges", {"customer": subscription["customer"]}))["data"]
    assert [c["status"] for c in charges] == ["succeeded", "failed", "succeeded"]


async def test_a_change_applies_while_its_debit_is_processing(api: Api) -> None:
    """The plan is the new one at once, and stays so when the money arrives."""
    subscription = await subscribed(api)
    await advance(api, subscription["test_clock"], 10 * DAY)
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 3})
    assert (changed["status"], first_item(changed)["quantity"]) == ("active", 3)
    assert changed["latest_invoice"]["status"] == "open"
    await advance(api, subscription["test_clock"], 4 * DAY)
    assert await now(api, subscription) == ("active", "paid", "succeeded")


async def test_a_disputed_debit(api: Api) -> None:
    """Paid first, then taken back by the bank (docs "Testing")."""
    subscription = await subscribed(api, "pm_usBankAccount_dispute")
    await advance(api, subscription["test_clock"], 4 * DAY)
    assert (await newest(api, "disputes"))["status"] == "needs_response"


async def test_accounts_by_number(api: Api) -> None:
    """The documented account numbers and IBANs; others are refused."""
    details = {"account_number": "000222222227", "routing_number": "110000000"}
    made = await api.post("/v1/payment_methods", {"type": "us_bank_account", "us_bank_account": details})
    assert (made["type"], made["us_bank_account"]["last4"]) == ("us_bank_account", "2227")
    iban = {"type": "sepa_debit", "sepa_debit": {"iban": "DE89 3704 0044 0532 0130 00"}}
    assert (await api.post("/v1/payment_methods", iban))["sepa_debit"]["country"] == "DE"
    await api.post("/v1/payment_methods", {"type": "sepa_debit", "sepa_debit": {"iban": "DE0"}}, status=400)
