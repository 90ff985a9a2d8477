"""Edits by hand, and changes of our own in every state, of which no sweep may make anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from tests.drift.places import DAY, OTHERS, Edit, Place, prices_of

Case = tuple[str, Edit]


# ---- the customer, cards, amounts


async def detach(place: Place) -> None:
    """The customer takes the card away."""
    found = await place.read(f"/v1/customers/{place.customer_id}")
    method = found["invoice_settings"]["default_payment_method"]
    await place.hand(f"/v1/payment_methods/{method}/detach")


async def tax(place: Place, *, on_item: bool) -> None:
    params = {"display_name": "VAT", "percentage": 20, "inclusive": False}
    rate = (await place.hand("/v1/tax_rates", **params))["id"]
    if on_item:
        await place.item("seats", tax_rates=[rate])
    else:
        await place.edit(default_tax_rates=[rate])


async def discount(place: Place, *, of_customer: bool) -> None:
    coupon = (await place.hand("/v1/coupons", percent_off=10, duration="forever"))["id"]
    if of_customer:
        await place.act("discount_customer", customer=place.customer_id, coupon=coupon)
    else:
        await place.edit(discounts=[{"coupon": coupon}])


async def give_balance(place: Place) -> None:
    path = f"/v1/customers/{place.customer_id}/balance_transactions"
    await place.hand(path, amount=-500, currency="usd")


async def refund(place: Place, **amount: int) -> None:
    await place.hand("/v1/refunds", charge=(await place.charge())["id"], **amount)


async def dispute(place: Place) -> None:
    await place.act("dispute", charge=(await place.charge())["id"])


async def credit(place: Place) -> None:
    latest = (await place.read())["latest_invoice"]
    await place.hand("/v1/credit_notes", invoice=latest, amount=300, refund_amount=300)


async def wait_for_the_next_invoice(place: Place) -> None:
    line = {"customer": place.customer_id, "subscription": place.subscription_id}
    await place.hand("/v1/invoiceitems", **line, amount=900, currency="usd")


async def draft(place: Place, *, void: bool) -> None:
    """An invoice by hand that nobody pays: still a draft, or voided."""
    how: dict[str, Any] = {"customer": place.customer_id, "auto_advance": False}
    if void:
        line = {"customer": place.customer_id, "amount": 100, "currency": "usd"}
        await place.hand("/v1/invoiceitems", **line)
        how |= {"pending_invoice_items_behavior": "include"}
    made = await place.hand("/v1/invoices", **how)
    if void:
        await place.hand(f"/v1/invoices/{made['id']}/finalize")
        await place.hand(f"/v1/invoices/{made['id']}/void")


# ---- the subscription


async def by_mail(place: Place) -> None:
    await place.edit(collection_method="send_invoice", days_until_due=30)


async def ends_on(place: Place) -> None:
    now = (await place.world.control("GET", "clock"))["now"]
    await place.edit(cancel_at=now + 5 * DAY, proration_behavior="none")


async def ends_and_stays(place: Place) -> None:
    await place.edit(cancel_at_period_end=True)
    await place.edit(cancel_at_period_end=False)


async def paused_and_resumed(place: Place) -> None:
    await place.edit(pause_collection={"behavior": "keep_as_draft"})
    await place.edit(pause_collection="")


async def trial(place: Place) -> None:
    now = (await place.world.control("GET", "clock"))["now"]
    await place.edit(trial_end=now + 10 * DAY, proration_behavior="none")


async def own_card(place: Place) -> None:
    method = await place.hand("/v1/payment_methods/pm_card_mastercard/attach", customer=place.customer_id)
    await place.edit(default_payment_method=method["id"])


async def reorder(place: Place) -> None:
    """An item is deleted and made again: it has another id, and another place."""
    await place.drop("seats")
    await place.add(place.prices["seats"], 2)


async def there_and_back(place: Place) -> None:
    await place.item("seats", quantity=9)
    await place.item("seats", quantity=2)


async def empty_item(place: Place) -> None:
    """An item of nothing bills nothing."""
    await place.add((await prices_of(place.world, OTHERS[0]))["addon:dedicated_ip"], 0)


async def attach_and_release(place: Place) -> None:
    """A schedule of somebody else's came and went."""
    made = await place.hand("/v1/subscription_schedules", from_subscription=place.subscription_id)
    await place.hand(f"/v1/subscription_schedules/{made['id']}/release")


async def bought_elsewhere_and_ended(place: Place) -> None:
    items = [{"price": await place.manual_price(), "quantity": 1}]
    made = await place.hand("/v1/subscriptions", customer=place.customer_id, items=items)
    await place.hand(f"/v1/subscriptions/{made['id']}", "DELETE")


# ---- the catalog


async def product(place: Place, **params: Any) -> None:
    path = f"/v1/products/{place.items['base']['price']['product']}"
    await place.hand(path, **params)


async def new_product(place: Place) -> None:
    price = await place.manual_price()
    await place.hand(f"/v1/prices/{price}", active=False)


async def price(place: Place, **params: Any) -> None:
    await place.hand(f"/v1/prices/{place.prices['contacts']}", **params)


# ---- changes of our own


async def confirmed(place: Place) -> None:
    await place.confirm(seats=8)


async def applied(place: Place) -> None:
    await place.step(await place.confirm(seats=8))


async def settled(place: Place) -> None:
    await place.settle(await place.confirm(seats=8))


async def unknown(place: Place) -> None:
    """It is at Stripe, and its answer was lost."""
    change_id = await place.confirm(seats=8)
    fault = {"method": "POST", "path": place.path, "when": "after", "reset": True}
    await place.world.control("POST", "faults", fault)
    await place.step(change_id)


async def awaiting(place: Place) -> None:
    await place.card("pm_card_authenticationRequired")
    await place.step(await place.confirm(seats=8))


async def declined(place: Place) -> None:
    await place.card("pm_card_chargeCustomerFail")
    await place.settle(await place.confirm(seats=8))


async def cart(place: Place) -> None:
    """More contacts now, fewer seats at the renewal."""
    await place.settle(await place.confirm(contact_limit=2500, seats=4))


async def promised(place: Place) -> None:
    await place.promise()


async def promise_confirmed(place: Place) -> None:
    """Nothing of it is at Stripe so far."""
    await place.confirm(seats=4)


async def promise_withdrawn(place: Place) -> None:
    change_id = await place.confirm(seats=4)
    await place.step(change_id)
    path = f"/v1/changes/{change_id}/withdraw"
    asked = asyncio.create_task(place.world.call("POST", path, {"actor": "ada"}))
    while not asked.done():
        # The door waits for its end, and nobody else works here.
        await place.step(change_id)
        await asyncio.sleep(0.05)
    assert asked.result().status == 200


async def bought_beside_a_promise(place: Place) -> None:
    await place.promise()
    await place.settle(await place.confirm(contact_limit=2500))


def cases() -> Iterator[Case]:
    """Name and edit."""
    yield from _customers()
    yield from _amounts()
    yield from _subscriptions()
    yield from _ours()
    # A price that is archived stands in everybody's way.
    yield from _catalog()


def _customers() -> Iterator[Case]:
    yield "another name", lambda p: p.customer(name="Acme & Sons")
    yield "another address", lambda p: p.customer(email="new@acme.example", phone="+15550100")
    yield "a description", lambda p: p.customer(description="Knows the founder.")
    yield "where they live", lambda p: p.customer(address={"country": "FR", "postal_code": "75001"})
    yield "their language", lambda p: p.customer(preferred_locales=["fr"])
    yield "notes on the customer", lambda p: p.customer(metadata={"crm": "42"})
    yield "a footer", lambda p: p.customer(invoice_settings={"footer": "Thank you"})
    yield "another card", lambda p: p.card("pm_card_mastercard")
    yield "a card of the subscription", own_card
    yield "no card at all", detach
    yield "a card that will be declined", lambda p: p.card("pm_card_chargeCustomerFail")


def _amounts() -> Iterator[Case]:
    yield "a tax", lambda p: tax(p, on_item=False)
    yield "a tax on an item", lambda p: tax(p, on_item=True)
    yield "a coupon", lambda p: discount(p, of_customer=False)
    yield "a coupon for all they buy", lambda p: discount(p, of_customer=True)
    yield "a balance", give_balance
    yield "a refund", refund
    yield "a refund of a part", lambda p: refund(p, amount=100)
    yield "a dispute", dispute
    yield "a credit note", credit
    yield "an amount for the next invoice", wait_for_the_next_invoice
    yield "a draft by hand", lambda p: draft(p, void=False)
    yield "an invoice voided", lambda p: draft(p, void=True)


def _subscriptions() -> Iterator[Case]:
    yield "a word about it", lambda p: p.edit(description="Paid by the head office.")
    yield "notes on it", lambda p: p.edit(metadata={"crm": "42"})
    yield "our own notes gone", lambda p: p.edit(metadata={"prorata_account": "", "prorata_change": ""})
    yield "notes on an item", lambda p: p.item("seats", metadata={"team": "sales"})
    yield "paid by mail", by_mail
    yield "ends with its period", lambda p: p.edit(cancel_at_period_end=True)
    yield "ends on a date", ends_on
    yield "was to end, and stays", ends_and_stays
    yield "collection paused", lambda p: p.edit(pause_collection={"behavior": "void"})
    yield "paused and resumed", paused_and_resumed
    yield "a trial", trial
    yield "an item made again", reorder
    yield "seats there and back", there_and_back
    yield "an item of nothing", empty_item
    yield "a schedule that went", attach_and_release
    yield "another purchase that ended", bought_elsewhere_and_ended


def _catalog() -> Iterator[Case]:
    yield "a product's name", lambda p: product(p, name="Marketing, the new")
    yield "a new product", new_product
    yield "a price's nickname", lambda p: price(p, nickname="band one")
    yield "a price that is sold no more", lambda p: price(p, active=False)


def _ours() -> Iterator[Case]:
    yield "confirmed", confirmed
    yield "sent, and the answer lost", unknown
    yield "waits for the bank", awaiting
    yield "declined", declined
    yield "applied", applied
    yield "settled", settled
    yield "more and fewer", cart
    yield "fewer, confirmed", promise_confirmed
    yield "fewer, promised", promised
    yield "fewer, withdrawn", promise_withdrawn
    yield "more beside fewer", bought_beside_a_promise
