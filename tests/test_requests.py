"""Every body that we send is held against the SDK's own parameter types, as Stripe's front door would."""

from __future__ import annotations

from typing import Any

import pytest

from sync import requests
from worker.twin import contract

ITEMS = [{"id": "si_1", "price": "price_1", "quantity": 5}, {"price": "price_2", "quantity": 0}]
UPDATE = requests.update(ITEMS, proration_unix=1_800_000_000, payment_behavior="pending_if_incomplete")
CREATE = requests.create("cus_1", "acme", ITEMS[1:], "allow_incomplete")
PREVIEW = "/v1/invoices/create_preview"

BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "update": ("/v1/subscriptions/sub_1", requests.marked(UPDATE, "chg_1")),
    "create": ("/v1/subscriptions", requests.marked(CREATE, "chg_1")),
    "update_preview": (PREVIEW, requests.update_preview("sub_1", ITEMS, 1_800_000_000)),
    "recurring_preview": (PREVIEW, requests.recurring_preview("sub_1", ITEMS)),
    "staying_preview": (PREVIEW, requests.staying_preview("sub_1", "next")),
    "next_preview": (PREVIEW, requests.next_preview("sub_1", ITEMS)),
    "create_preview": (PREVIEW, requests.create_preview("cus_1", ITEMS[1:])),
    "customer": (
        "/v1/customers",
        requests.customer("acme", email="a@b.example", name="Acme", locale="fr", payment_method="pm_1"),
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_body_is_what_the_sdk_would_accept(name: str) -> None:
    """No field is unknown, misspelt or of the wrong type."""
    path, body = BODIES[name]
    assert [] == contract.validate(("POST", path), body)


def test_contract_catches_a_wrong_body() -> None:
    """The check itself can fail: the anchor was a plain string until endive."""
    body = {**UPDATE, "billing_cycle_anchor": "unchanged"}
    assert [] != contract.validate(("POST", "/v1/subscriptions/sub_1"), body)


def test_mark_keeps_other_metadata() -> None:
    """The change's mark joins what the body says already."""
    marked = requests.marked(CREATE, "chg_1")
    assert {"prorata_account": "acme", "prorata_change": "chg_1"} == marked["metadata"]


def test_preview_and_charge_send_the_same_items() -> None:
    """The promise rests on it: items and instant are equal in both bodies."""
    preview = requests.update_preview("sub_1", ITEMS, UPDATE["proration_date"])["subscription_details"]
    assert UPDATE["items"] == preview["items"]
    assert UPDATE["proration_date"] == preview["proration_date"]
    assert UPDATE["proration_behavior"] == preview["proration_behavior"]
