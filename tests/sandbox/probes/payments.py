"""Payment behaviours of an update, and what test cards do."""

from __future__ import annotations

from tests.sandbox.lab import ASKS, DECLINES, MONTH, Lab, quantities, refusal
from tests.sandbox.probe import Seen, probe

FUNDS = "pm_card_chargeDeclinedInsufficientFunds"


async def _declined(lab: Lab, behavior: str, card: str = DECLINES) -> Seen:
    made = await lab.seats()
    await lab.new_card(made["customer"], card)
    changed = await lab.quantity(made, 8, payment_behavior=behavior)
    invoice = changed["latest_invoice"]["status"]
    return {"quantities": quantities(changed), "status": changed["status"], "invoice": invoice}


@probe(
    "Does `allow_incomplete` apply a change that is not paid?",
    {"quantities": [8], "status": "past_due", "invoice": "open"},
)
async def allow_incomplete(lab: Lab) -> Seen:
    return await _declined(lab, "allow_incomplete")


@probe(
    "Does `default_incomplete` apply it without trying the card?",
    {"quantities": [8], "status": "past_due", "invoice": "open"},
)
async def default_incomplete(lab: Lab) -> Seen:
    return await _declined(lab, "default_incomplete", "pm_card_visa")


@probe(
    "Does `error_if_incomplete` leave everything as it was?",
    {"status": 402, "type": "card_error", "code": "card_declined", "quantities": [5], "same_invoice": True},
)
async def error_if_incomplete(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.new_card(made["customer"], DECLINES)
    refused = await refusal(lab.quantity(made, 8, payment_behavior="error_if_incomplete"))
    now = await lab.now(made)
    same = now["latest_invoice"]["id"] == made["latest_invoice"]["id"]
    kept = {name: refused.get(name) for name in ("status", "type", "code")}
    return {**kept, "quantities": quantities(now), "same_invoice": same}


@probe(
    "What does the bank's reason look like when an invoice is paid?",
    {"status": 402, "decline_code": "insufficient_funds"},
)
async def reason_of_a_decline(lab: Lab) -> Seen:
    held = await lab.held(card=FUNDS)
    refused = await refusal(lab.v1.invoices.pay_async(held["latest_invoice"]["id"]))
    return {"status": refused["status"], "decline_code": refused.get("decline_code")}


@probe(
    "Does a card that asks its owner leave a payment that requires action, and a secret?",
    {"intent": "requires_action", "next_action": True, "secret": True, "page": True},
)
async def card_that_asks(lab: Lab) -> Seen:
    held = await lab.held(card=ASKS)
    paths = (
        "latest_invoice.payments.data.payment.payment_intent",
        "latest_invoice.confirmation_secret",
    )
    invoice = (await lab.now(held, *paths))["latest_invoice"]
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    secret = bool((invoice["confirmation_secret"] or {}).get("client_secret"))
    seen = {"intent": intent["status"], "next_action": intent["next_action"] is not None}
    return {**seen, "secret": secret, "page": bool(invoice["hosted_invoice_url"])}


@probe(
    "How is paying by a card that asks its owner refused?",
    {"status": 402, "type": "card_error", "code": "invoice_payment_intent_requires_action"},
)
async def paying_with_a_card_that_asks(lab: Lab) -> Seen:
    held = await lab.held(card=ASKS)
    refused = await refusal(lab.v1.invoices.pay_async(held["latest_invoice"]["id"]))
    return {name: refused.get(name) for name in ("status", "type", "code")}


@probe(
    "Does a renewal that is not paid make the subscription overdue?",
    {"status": "past_due", "invoice": "open", "tried": True},
)
async def renewal_that_is_not_paid(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.new_card(made["customer"], DECLINES)
    await lab.advance(made, MONTH + 3 * 3600)
    now = await lab.now(made)
    invoice = now["latest_invoice"]
    return {"status": now["status"], "invoice": invoice["status"], "tried": invoice["attempted"]}


@probe(
    "Does an invoice that is sent apply the change unpaid?",
    {"quantities": [8], "status": "active", "invoice": "open"},
)
async def invoice_that_is_sent(lab: Lab) -> Seen:
    made = await lab.seats(collection_method="send_invoice", days_until_due=14)
    changed = await lab.quantity(made, 8)
    invoice = changed["latest_invoice"]["status"]
    return {"quantities": quantities(changed), "status": changed["status"], "invoice": invoice}


@probe(
    "What does a restricted key lack?",
    {"asked": False},
    open_question="8: the names are unknown; run with a restricted key to see what Stripe names",
)
async def restricted_key(lab: Lab) -> Seen:
    if not lab.session.key.startswith("rk_"):
        return {"asked": False}
    reads = {
        "events": lab.v1.events.list_async({"limit": 1}),
        "disputes": lab.v1.disputes.list_async({"limit": 1}),
        "subscriptions": lab.v1.subscriptions.list_async({"limit": 1}),
        "schedules": lab.v1.subscription_schedules.list_async({"limit": 1}),
    }
    return {"asked": True, **{name: (await refusal(read))["status"] for name, read in reads.items()}}
