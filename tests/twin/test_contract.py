"""The request contract, derived from the SDK's parameter types."""

from __future__ import annotations

import subprocess
import sys

import pytest
import stripe

from worker.twin import contract, forms
from worker.twin.operations import OPERATIONS, find

GOOD = {"items": [{"id": "si_1", "price": "price_1", "quantity": 3}], "proration_behavior": "always_invoice"}


def test_every_operation_has_a_type_in_the_sdk() -> None:
    """An SDK upgrade that renames a parameter type is noticed here."""
    contract.warm_up()
    assert all(contract.schema_of(name)["type"] == "object" for name in OPERATIONS)


def test_the_api_version_is_the_sdk_s() -> None:
    """The twin answers in the version that the installed SDK pins."""
    assert contract.api_version() == stripe.api_version


@pytest.mark.parametrize(
    ("field", "operation"),
    [
        ("proration_date", "subscription_update"),
        ("payment_behavior", "subscription_update"),
        ("metadata", "subscription_update"),
        ("subscription_details", "invoice_create_preview"),
        ("preview_mode", "invoice_create_preview"),
        ("from_subscription", "subscription_schedule_create"),
        ("preserve_cancel_date", "subscription_schedule_release"),
        ("transfer_lookup_key", "price_create"),
    ],
)
def test_the_fields_we_live_by_exist(field: str, operation: str) -> None:
    """A field that vanishes in an SDK upgrade fails here, not in production."""
    assert field in contract.schema_of(operation)["properties"]


def test_a_good_request_passes_both_ways() -> None:
    """The same request is right as typed parameters and as the form that the SDK sends."""
    assert contract.validate("subscription_update", GOOD) == []
    assert contract.check_form("POST", "/v1/subscriptions/sub_1", forms.flatten(GOOD)) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"proration_behavior": "sometimes"},
        {"not_a_parameter": "1"},
        {"items": [{"id": "si_1", "amount": 3}]},
        {"items": [{"id": "si_1", "quantity": "many"}]},
        {"billing_cycle_anchor": "now"},
        {"cancel_at_period_end": "maybe"},
    ],
)
def test_bad_requests_are_caught_both_ways(bad: dict[str, object]) -> None:
    """Wrong enum, unknown name at any depth, wrong type, and the anchor's form before endive."""
    assert contract.validate(("POST", "/v1/subscriptions/sub_1"), bad)
    assert contract.check_form("POST", "/v1/subscriptions/sub_1", forms.flatten(bad))


def test_an_unset_is_no_enum_mistake() -> None:
    """An empty string clears a field where the SDK allows it, and only there."""
    assert (
        contract.check_form("POST", "/v1/subscriptions/sub_1", [("discounts", ""), ("cancel_at", "")]) == []
    )
    assert contract.check_form("POST", "/v1/subscriptions/sub_1", [("proration_behavior", "")])


def test_metadata_keys_of_digits_stay_keys() -> None:
    """Only the schema knows that `metadata[0]` is no list."""
    params, problems = contract.decode("subscription_update", [("metadata[0]", "a"), ("metadata[1]", "b")])
    assert ({"metadata": {"0": "a", "1": "b"}}, []) == (params, problems)


@pytest.mark.parametrize(
    "keys", [["expand[]", "expand[]"], ["expand[0]", "expand[1]"], ["expand[1]", "expand[0]"]]
)
def test_lists_come_in_every_spelling(keys: list[str]) -> None:
    """The SDK sends `a[0]`, curl and the CLI `a[]`."""
    params, _ = contract.decode("customer_retrieve", list(zip(keys, ["x", "y"], strict=True)))
    assert {"x", "y"} == set(params["expand"])


def test_a_preview_path_is_no_invoice_id() -> None:
    """`/v1/invoices/create_preview` wins over `/v1/invoices/{id}`."""
    assert find("POST", "/v1/invoices/create_preview") == ("invoice_create_preview", ())
    assert find("POST", "/v1/invoices/in_1/pay") == ("invoice_pay", ("in_1",))
    assert find("PUT", "/v1/invoices/in_1") is None


def test_starting_a_twin_imports_nothing_heavy() -> None:
    """A twin starts without the SDK, without our own packages and without a database driver."""
    code = (
        "import sys; import worker.twin.server; from worker.twin import contract; contract.warm_up();"
        "heavy = ('stripe', 'sync', 'handlers', 'asyncpg', 'pydantic');"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
