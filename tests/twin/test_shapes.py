"""The shape of answers against the SDK's classes: no required field is absent, no removed field is left."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tests.twin.api import Api
from worker.twin import contract

# Class -> fields that an answer shows only when expanded, or only while something special happens.
CLASSES: dict[str, set[str]] = {
    "_subscription.Subscription": set(),
    "_subscription_item.SubscriptionItem": {"billed_until"},
    "_subscription_schedule.SubscriptionSchedule": set(),
    "_invoice.Invoice": {"confirmation_secret", "payments"},
    "_invoice_line_item.InvoiceLineItem": set(),
    "_invoice_item.InvoiceItem": set(),
    "_invoice_payment.InvoicePayment": set(),
    "_customer.Customer": {
        "cash_balance",
        "invoice_credit_balance",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
    },
    "_customer_balance_transaction.CustomerBalanceTransaction": set(),
    "_price.Price": {"currency_options", "tiers"},
    "_product.Product": set(),
    "_plan.Plan": {"tiers"},
    "_payment_intent.PaymentIntent": {
        "agent_details",
        "async_workflows",
        "hooks",
        "managed_payments",
        "payment_record",
        "presentment_details",
    },
    "_charge.Charge": {"authorization_code", "level3", "presentment_details", "refunds", "transfer"},
    "_refund.Refund": {
        "customer_account",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "pending_reason",
        "presentment_details",
    },
    "_credit_note.CreditNote": set(),
    "_dispute.Dispute": {"intended_submission_method", "network_reason_code", "payment_method_details"},
    "_event.Event": {"account", "context"},
    "_webhook_endpoint.WebhookEndpoint": {"secret"},
    "_coupon.Coupon": {"applies_to", "currency_options"},
    "_tax_rate.TaxRate": set(),
    "test_helpers._test_clock.TestClock": set(),
}


def fields_of(path: str) -> set[str]:
    """The annotated fields of an SDK class, read from its source."""
    module, _, name = path.rpartition(".")
    source = (contract.sdk_folder() / (module.replace(".", "/") + ".py")).read_text()
    node = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name)
    names = {
        n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }
    return names - {"OBJECT_NAME", "deleted"}


async def examples(api: Api) -> dict[str, dict[str, Any]]:
    """One answer of each class, by the `object` it names."""
    held = await api.held_change("pm_card_authenticationRequired")
    await api.post("/v1/subscription_schedules", {"from_subscription": held["id"]})
    await api.post(f"/v1/customers/{held['customer']}", {"balance": -5})
    await api.post("/v1/invoiceitems", {"customer": held["customer"], "amount": 5, "currency": "usd"})
    await api.post(
        "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "enabled_events": ["coupon.deleted"]}
    )
    await api.post("/v1/coupons", {"percent_off": 5, "duration": "once"})
    await api.post("/v1/tax_rates", {"display_name": "x", "percentage": 5, "inclusive": False})
    charge = (await api.get("/v1/charges"))["data"][0]["id"]
    await api.post("/v1/refunds", {"charge": charge, "amount": 1})
    first = (await api.get("/v1/invoices", {"status": "paid"}))["data"][0]["id"]
    await api.post("/v1/credit_notes", {"invoice": first, "amount": 5, "credit_amount": 5})
    await api.control("dashboard", {"act": "dispute", "charge": charge})
    state = (await api.control("state", method="GET"))["objects"]
    found = {docs[-1]["object"]: docs[-1] for docs in state.values() if docs}
    found["line_item"] = found["invoice"]["lines"]["data"][0]
    found["plan"] = found["subscription_item"]["plan"]
    found["event"] = (await api.events())[0]
    return found


def difference(answer: dict[str, Any], path: str) -> tuple[set[str], set[str]]:
    """(fields that the answer lacks, fields that Stripe does not have)."""
    wanted = fields_of(path)
    return wanted - set(answer) - CLASSES[path], set(answer) - wanted


async def test_answers_have_the_sdk_s_fields_and_no_others(api: Api) -> None:
    """Every template carries every field that its SDK class names."""
    found = await examples(api)
    wrong = {}
    for path in CLASSES:
        name = object_name(path)
        lacking, strange = difference(found[name], path)
        if lacking or strange:
            wrong[name] = {"lacking": sorted(lacking), "strange": sorted(strange)}
    assert wrong == {}


def object_name(path: str) -> str:
    """`_invoice_line_item.InvoiceLineItem` -> `line_item`, from the class itself."""
    module, _, name = path.rpartition(".")
    source = (contract.sdk_folder() / (module.replace(".", "/") + ".py")).read_text()
    node = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name)
    for field in node.body:
        if (
            isinstance(field, ast.AnnAssign)
            and getattr(field.target, "id", "") == "OBJECT_NAME"
            and field.value
        ):
            return str(ast.literal_eval(field.value))
    raise AssertionError(f"{path} names no object")


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("_subscription.Subscription", "pending_update"),
        ("_subscription.Subscription", "cancellation_details"),
        ("_subscription.Subscription", "payment_settings"),
        ("_invoice.Invoice", "status_transitions"),
        ("_invoice.Invoice", "parent"),
        ("_subscription_schedule.SubscriptionSchedule", "default_settings"),
    ],
)
async def test_nested_hashes_have_the_sdk_s_fields(api: Api, path: str, inner: str) -> None:
    """The hashes that the product reads are complete too."""
    answer = (await examples(api))[object_name(path)][inner]
    assert set(answer) - nested_fields(path, inner) == set()


def nested_fields(path: str, inner: str) -> set[str]:
    """Fields of a class nested in an SDK class: `pending_update` is `PendingUpdate`."""
    module, _, name = path.rpartition(".")
    source = (contract.sdk_folder() / (module.replace(".", "/") + ".py")).read_text()
    outer = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name)
    wanted = "".join(w.capitalize() for w in inner.split("_"))
    node = next(n for n in outer.body if isinstance(n, ast.ClassDef) and n.name == wanted)
    return {n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
