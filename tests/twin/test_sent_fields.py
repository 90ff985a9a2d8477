"""Every field that Prorata sends to Stripe, by operation, against the types of the installed SDK.

After an upgrade of the SDK this says which field went, and where we send it. The table is held against what
the twin really receives during a whole story.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.flows.world import whole_world
from worker.twin import contract

PAGED = ("limit", "starting_after")
ITEMS = ("price", "quantity", "id", "deleted")
# `[]` stands for any index, `[*]` for a key of our own choice.
SENT: dict[str, tuple[str, ...]] = {
    "customer_create": (
        "email", "name", "preferred_locales[]", "metadata[*]", "payment_method",
        "invoice_settings[default_payment_method]",
    ),
    "customer_list": ("email", *PAGED),
    "product_create": ("id", "name", "metadata[*]"),
    "product_list": ("active", *PAGED),
    "price_create": (
        "product", "currency", "unit_amount", "recurring[interval]", "lookup_key", "transfer_lookup_key",
        "metadata[*]",
    ),
    "price_list": ("lookup_keys[]", *PAGED),
    "subscription_create": (
        "customer", "billing_mode[type]", "payment_behavior", "metadata[*]", "expand[]",
        *(f"items[][{name}]" for name in ("price", "quantity")),
    ),
    "subscription_update": (
        "proration_behavior", "proration_date", "payment_behavior", "metadata[*]", "expand[]",
        *(f"items[][{name}]" for name in ITEMS),
    ),
    "subscription_retrieve": ("expand[]",),
    "subscription_list": ("customer", "status", *PAGED),
    "subscription_item_list": ("subscription", *PAGED),
    "invoice_create_preview": (
        "customer", "subscription", "preview_mode",
        *(f"subscription_details[{name}]" for name in ("proration_behavior", "proration_date")),
        "subscription_details[billing_mode][type]",
        *(f"subscription_details[items][][{name}]" for name in ITEMS),
    ),
    "invoice_retrieve": ("expand[]",),
    "invoice_list": ("subscription", "created[gte]", "expand[]", *PAGED),
    "invoice_line_item_list": PAGED,
    "invoice_item_list": ("customer", "pending", *PAGED),
    "charge_list": ("customer", "created[gte]", *PAGED),
    "event_list": ("created[gte]", *PAGED),
}  # fmt: skip


def lost(operation: str, field: str) -> str | None:
    """The part of a field's name that the SDK's type does not have (any more), or None."""
    schemas = [contract.schema_of(operation)]
    for part in re.findall(r"[^\[\]]+|\[\]", field):
        schemas = [inner for schema in schemas for inner in _step(schema, part)]
        if not schemas:
            return part
    return None


def _step(schema: dict[str, Any], part: str) -> list[dict[str, Any]]:
    found = []
    for option in schema.get("anyOf", [schema]):
        if part == "[]":
            found += [option["items"]] if "items" in option else []
        elif part == "*":
            extra = option.get("additionalProperties")
            found += [extra] if isinstance(extra, dict) else []
        elif part in option.get("properties", {}):
            found.append(option["properties"][part])
    return found


@pytest.mark.parametrize("operation", list(SENT))
def test_the_sdk_still_has_every_field_that_we_send(operation: str) -> None:
    """The message names the field: look for it in `sync/requests.py` and `sync/gateway`."""
    gone = [field for field in SENT[operation] if lost(operation, field)]
    assert gone == [], f"the SDK's {operation} has lost fields that we send: {', '.join(gone)}"


def test_a_lost_field_is_seen() -> None:
    """At the top, in a list, in a hash, and under an operation that takes it elsewhere only."""
    assert lost("subscription_update", "prorate") == "prorate"
    assert lost("subscription_update", "items[][plan_id]") == "plan_id"
    assert lost("customer_create", "invoice_settings[nothing]") == "nothing"
    assert lost("customer_create", "invoice_settings[default_payment_method]") is None


def spelled(name: str) -> str:
    """`items[0][price]` as the table spells it."""
    if name.startswith("metadata["):
        return "metadata[*]"
    return re.sub(r"\[\d+\]", "[]", name)


async def test_the_table_names_what_a_whole_story_sends(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First purchase, more seats, a change that the card does not pay and that is withdrawn."""
    seen: dict[str, set[str]] = {}
    decode = contract.decode

    def recording(operation: str, pairs: Any) -> Any:
        listed = list(pairs)
        seen.setdefault(operation, set()).update(spelled(name) for name, _ in listed)
        return decode(operation, listed)

    monkeypatch.setattr(contract, "decode", recording)
    async with whole_world(database_url) as world:
        await world.buy()
        await world.change({"seats": 8})
        cards = world.twin.twin.world.facts.cards
        cards.update(dict.fromkeys(cards, "generic_decline"))
        said = await world.confirm(await world.quote({"seats": 20}))
        await world.call("POST", f"/v1/changes/{said.body['id']}/withdraw", {"actor": "ada"})
    unknown = {name: fields - set(SENT.get(name, ())) for name, fields in seen.items()}
    assert {name: fields for name, fields in unknown.items() if fields} == {}
    wanted = {"customer_create", "price_create", "subscription_create", "subscription_update"}
    assert wanted | {"invoice_create_preview", "invoice_list"} <= set(seen)
