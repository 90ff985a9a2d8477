"""Requests: keys, errors, idempotency, lists and expansion."""

from __future__ import annotations

from typing import Any

import stripe

from tests.sandbox.lab import DECLINES, GOOD, Lab, item_id, refusal, status_of
from tests.sandbox.probe import Seen, probe

BAD = "invalid_request_error"


@probe("Is a key that is none refused with 401?", {"status": 401, "type": BAD})
async def key_that_is_none(lab: Lab) -> Seen:
    return await refusal(lab.v1.customers.list_async({"limit": 1}, {"api_key": "nonsense"}))


@probe("Do answers carry a request id and the version that was asked for?", {"id": True, "version": True})
async def answer_headers(lab: Lab) -> Seen:
    answer = (await lab.v1.customers.list_async({"limit": 1})).last_response
    headers: Any = {name.lower(): value for name, value in answer.headers.items()} if answer else {}
    version = headers.get("stripe-version") == stripe.api_version
    return {"id": headers.get("request-id", "").startswith("req_"), "version": version}


@probe(
    "How is an unknown subscription refused?",
    {"status": 404, "type": BAD, "code": "resource_missing", "param": "id"},
)
async def unknown_subscription(lab: Lab) -> Seen:
    return await refusal(lab.v1.subscriptions.retrieve_async("sub_doesnotexist"))


@probe(
    "How is an unknown price in an update refused?",
    {"status": 400, "type": BAD, "code": "resource_missing", "param": "items[0][price]"},
)
async def unknown_price(lab: Lab) -> Seen:
    subscription = await lab.seats()
    edit = {"id": item_id(subscription), "price": "price_doesnotexist", "quantity": 1}
    return await refusal(lab.update(subscription, [edit]))


@probe(
    "How is an unknown parameter refused?",
    {"status": 400, "type": BAD, "code": "parameter_unknown", "param": "not_a_parameter"},
)
async def unknown_parameter(lab: Lab) -> Seen:
    given: Any = {"not_a_parameter": "x"}
    return await refusal(lab.v1.customers.create_async(given))


@probe("Is a value outside an enum refused?", {"status": 400, "type": BAD, "param": "proration_behavior"})
async def value_outside_an_enum(lab: Lab) -> Seen:
    return await refusal(lab.quantity(await lab.seats(), 6, proration_behavior="sometimes"))


@probe(
    "How is a text for a number refused?",
    {"status": 400, "type": BAD, "code": "parameter_invalid_integer", "param": "items[0][quantity]"},
)
async def text_for_a_number(lab: Lab) -> Seen:
    given: Any = "many"
    return await refusal(lab.quantity(await lab.seats(), given))


@probe("Is the anchor's form of older versions refused?", {"status": 400})
async def anchor_as_a_text(lab: Lab) -> Seen:
    return {"status": await status_of(lab.quantity(await lab.seats(), 6, billing_cycle_anchor="now"))}


@probe("Is a repeated key answered from memory, and says so?", {"same": True, "replayed": "true"})
async def repeated_key(lab: Lab) -> Seen:
    options: Any = {"idempotency_key": lab.key()}
    params: Any = {"name": "prorata-sandbox replay", "test_clock": await lab.clock()}
    first = await lab.v1.customers.create_async(params, options)
    second = await lab.v1.customers.create_async(params, options)
    answer = second.last_response
    headers: Any = {n.lower(): v for n, v in answer.headers.items()} if answer else {}
    return {"same": first.id == second.id, "replayed": headers.get("idempotent-replayed")}


@probe("Is a key with other parameters refused?", {"status": 400, "type": "idempotency_error"})
async def key_with_other_parameters(lab: Lab) -> Seen:
    subscription = await lab.seats()
    await lab.quantity(subscription, 6, key=lab.key())
    return await refusal(lab.quantity(subscription, 7, key=lab.key()))


@probe("Does a stored refusal by the bank outlive a better card?", {"statuses": [402, 402, 200]})
async def stored_refusal(lab: Lab) -> Seen:
    subscription = await lab.seats()
    await lab.new_card(subscription["customer"], DECLINES)
    strict = {"payment_behavior": "error_if_incomplete"}
    first = await status_of(lab.quantity(subscription, 8, key=lab.key("a"), **strict))
    await lab.new_card(subscription["customer"], GOOD)
    again = await status_of(lab.quantity(subscription, 8, key=lab.key("a"), **strict))
    return {
        "statuses": [first, again, await status_of(lab.quantity(subscription, 8, key=lab.key("b"), **strict))]
    }


@probe("Does a refusal of the parameters leave the key free?", {"statuses": [400, 200]})
async def refused_parameters_leave_the_key_free(lab: Lab) -> Seen:
    subscription = await lab.seats()
    given: Any = "many"
    first = await status_of(lab.quantity(subscription, given, key=lab.key()))
    return {"statuses": [first, await status_of(lab.quantity(subscription, 6, key=lab.key()))]}


@probe(
    "Are lists newest first also within a second, with cursors both ways?",
    {"first": [2, 1], "more": True, "after": [0], "before": [2]},
)
async def order_of_lists(lab: Lab) -> Seen:
    clock = await lab.clock()
    made = [(await lab.customer(None, clock=clock))["id"] for _ in range(3)]

    async def page(**cursor: Any) -> Any:
        return await lab.v1.customers.list_async({"test_clock": clock, "limit": 2, **cursor})

    def places(rows: Any) -> list[int]:
        return [made.index(row.id) for row in rows.data]

    first = await page()
    after, before = await page(starting_after=made[1]), await page(ending_before=made[1])
    return {"first": places(first), "more": first.has_more, "after": places(after), "before": places(before)}


@probe(
    "Which subscriptions does a list without `status`, with `all`, and with `ended` show?",
    {"default": ["active"], "all": ["canceled", "active"], "ended": ["canceled"]},
)
async def subscriptions_by_status(lab: Lab) -> Seen:
    first = await lab.seats()
    customer = {"id": first["customer"]}
    second = await lab.subscribe(customer, [{"price": await lab.price(3000)}])
    await lab.v1.subscriptions.cancel_async(second["id"])
    seen: Seen = {}
    for name, wanted in (("default", {}), ("all", {"status": "all"}), ("ended", {"status": "ended"})):
        params: Any = {"customer": customer["id"], **wanted}
        seen[name] = [row.status for row in (await lab.v1.subscriptions.list_async(params)).data]
    return seen


@probe("How deep may an expansion go, not counting `data`?", {"four": 200, "five": 400})
async def depth_of_expansion(lab: Lab) -> Seen:
    subscription = await lab.seats()
    four = "latest_invoice.payments.data.payment.payment_intent"
    return {
        "four": await status_of(lab.now(subscription, four)),
        "five": await status_of(lab.now(subscription, f"{four}.latest_charge")),
    }


@probe(
    "Are payments, the confirmation secret and tiers shown only when expanded?",
    {"plain": [False, False, False], "expanded": [True, True, True]},
)
async def shown_only_when_expanded(lab: Lab) -> Seen:
    tiers = [{"up_to": 5, "unit_amount": 2000}, {"up_to": "inf", "unit_amount": 1500}]
    price = await lab.price(0, billing_scheme="tiered", tiers_mode="volume", tiers=tiers)
    subscription = await lab.subscribe(await lab.customer(), [{"price": price, "quantity": 6}])
    wanted = ("latest_invoice.payments", "latest_invoice.confirmation_secret", "items.data.price.tiers")
    seen = []
    for paths in ((), wanted):
        now = await lab.now(subscription, *paths)
        invoice, shown = now["latest_invoice"], now["items"]["data"][0]["price"]
        seen.append(["payments" in invoice, "confirmation_secret" in invoice, "tiers" in shown])
    return {"plain": seen[0], "expanded": seen[1]}


@probe("Does metadata merge, and does an empty value unset a key?", {"metadata": {"b": "2", "c": "3"}})
async def metadata_merges(lab: Lab) -> Seen:
    clock = await lab.clock()
    customer = await lab.customer(None, clock=clock, metadata={"a": "1", "b": "2"})
    changed = await lab.v1.customers.update_async(customer["id"], {"metadata": {"a": "", "c": "3"}})
    return {"metadata": changed.to_dict()["metadata"]}


@probe(
    "Does a lookup key move to another price only when told so?",
    {"plain": 400, "transfer": 200, "owner": 200},
)
async def lookup_key_moves(lab: Lab) -> Seen:
    key = lab.key().replace(":", "-")
    await lab.price(100, lookup_key=key)
    plain = await status_of(lab.price(200, lookup_key=key))
    moved = await status_of(lab.price(200, lookup_key=key, transfer_lookup_key=True))
    owner = (await lab.v1.prices.list_async({"lookup_keys": [key]})).data[0].unit_amount
    return {"plain": plain, "transfer": moved, "owner": owner}
