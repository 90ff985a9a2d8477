"""Edits by hand that a sweep must find, each with the kinds of finding that it must make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sync.rules.drift import FindingKind as K
from tests.drift.places import DAY, OTHERS, Edit, Place, prices_of

HALF_MONTH = 14 * DAY
SCHEDULES = "/v1/subscription_schedules"

Case = tuple[str, set[K], Edit]


async def other(place: Place, index: int, part: str) -> str:
    """The price of a part of other terms."""
    return (await prices_of(place.world, OTHERS[index]))[part]


async def swap(place: Place, index: int, *parts: str) -> None:
    """Items get the prices of other terms, as they are."""
    items = [
        {"id": place.items[part]["id"], "price": await other(place, index, part),
         "quantity": place.items[part]["quantity"]}
        for part in parts
    ]  # fmt: skip
    await place.edit(items=items, proration_behavior="none")


async def swap_by_hand(place: Place, part: str) -> None:
    await place.item(part, price=await place.manual_price(), quantity=place.items[part]["quantity"])


async def attach(place: Place) -> str:
    made = await place.hand(SCHEDULES, from_subscription=place.subscription_id)
    return f"{SCHEDULES}/{made['id']}"


async def attach_and_plan(place: Place) -> None:
    """A schedule of somebody else's that means to change something later."""
    path = await attach(place)
    phase = (await place.read(path))["phases"][0]
    items = [{"price": each["price"], "quantity": each["quantity"]} for each in phase["items"]]
    now = {"items": items, "start_date": phase["start_date"], "end_date": phase["end_date"]}
    await place.hand(path, phases=[now, {"items": items[:2], "duration": {"interval": "month"}}])


async def attach_and_cancel(place: Place) -> None:
    await place.hand(f"{await attach(place)}/cancel", prorate=False)


async def plan_another(place: Place) -> None:
    """A schedule that begins a subscription next month."""
    now = (await place.world.control("GET", "clock"))["now"]
    items = [{"price": place.prices["base"], "quantity": 1}]
    phases = [{"items": items, "duration": {"interval": "month"}}]
    params = {"customer": place.customer_id, "start_date": now + 30 * DAY, "phases": phases}
    await place.hand(SCHEDULES, **params)


async def hold_back(place: Place) -> None:
    """An update that was made elsewhere waits for the payer's bank."""
    await place.card("pm_card_authenticationRequired")
    items = [{"id": place.items["seats"]["id"], "quantity": 9}]
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    await place.edit(items=items, **how)


async def subscribe_again(place: Place, **more: Any) -> None:
    items = [{"price": place.prices["base"], "quantity": 1}]
    await place.hand("/v1/subscriptions", customer=place.customer_id, items=items, **more)


async def bill(place: Place, *, pay: bool, **params: Any) -> str:
    """An invoice by hand, finalised."""
    line = {"customer": place.customer_id, "amount": 1200, "currency": "usd"}
    await place.hand("/v1/invoiceitems", **line, **{k: v for k, v in params.items() if k == "subscription"})
    how = {"auto_advance": False, "pending_invoice_items_behavior": "include"}
    made = await place.hand("/v1/invoices", customer=place.customer_id, **how, **params)
    await place.hand(f"/v1/invoices/{made['id']}/finalize")
    if pay:
        await place.hand(f"/v1/invoices/{made['id']}/pay")
    return str(made["id"])


async def release(place: Place) -> None:
    await place.hand(f"{await place.promise()}/release")


async def cancel_promise(place: Place) -> None:
    await place.hand(f"{await place.promise()}/cancel", prorate=False, invoice_now=False)


async def edit_promise(place: Place, **next_phase: Any) -> None:
    """The next phase of our own schedule says something else."""
    path = await place.promise()
    phases = [_phase(each) for each in (await place.read(path))["phases"]][-2:]
    phases[1] |= next_phase
    if "quantity" in phases[1]:
        phases[1]["items"][2]["quantity"] = phases[1].pop("quantity")
    await place.hand(path, phases=phases)


def _phase(phase: dict[str, Any]) -> dict[str, Any]:
    items = [{"price": each["price"], "quantity": each["quantity"]} for each in phase["items"]]
    dates = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    return {"items": items, **dates, "proration_behavior": "none"}


async def end_promise(place: Place) -> None:
    await place.hand(await place.promise(), end_behavior="cancel")


async def lose_promise(place: Place) -> None:
    """Our schedule is there, and nothing is promised any more: a backup was restored."""
    await place.promise()
    sql = "UPDATE change_leg SET state = 'withdrawn', ended_at = now() WHERE account_id = $1"
    await place.world.billing.pool.execute(f"{sql} AND leg = 'at_renewal'", place.account_id)


async def seats_beside_promise(place: Place) -> None:
    await place.promise()
    await place.item("seats", quantity=9)


async def lose_terms(place: Place) -> None:
    sql = "DELETE FROM account_terms WHERE account_id = $1"
    await place.world.billing.pool.execute(sql, place.account_id)


async def lose_subscription(place: Place) -> None:
    sql = "UPDATE account SET stripe_subscription_id = 'sub_of_nobody' WHERE id = $1"
    await place.world.billing.pool.execute(sql, place.account_id)


async def sell_otherwise(place: Place) -> None:
    """What was bought is in no catalog: a file was edited by hand."""
    sql = "UPDATE account_terms SET tier = 'platinum' WHERE account_id = $1"
    await place.world.billing.pool.execute(sql, place.account_id)


async def unheard(place: Place, edit: Edit) -> None:
    """An edit of which no event arrives."""
    await place.world.control("POST", "delivery", {"mode": "drop", "share": 1.0})
    await edit(place)
    await place.world.control("POST", "delivery", {"mode": "normal"})


def cases() -> Iterator[Case]:
    """Name, kinds, edit."""
    yield from _quantities()
    yield from _prices()
    yield from _attached()
    yield from _promises()
    yield from _money_and_life()
    yield from _ours()


def _quantities() -> Iterator[Case]:
    wrong = {K.WRONG_QUANTITY}
    yield "more seats", wrong, lambda p: p.item("seats", quantity=7)
    billed = {*wrong, K.INVOICE_UNEXPLAINED}
    yield "more seats, billed", billed, lambda p: p.item("seats", "always_invoice", quantity=7)
    yield "more seats, to be billed", wrong, lambda p: p.item("seats", "create_prorations", quantity=7)
    yield "fewer seats", wrong, lambda p: p.item("seats", quantity=1)
    yield "no seats", wrong, lambda p: p.item("seats", quantity=0)
    yield "two bases", wrong, lambda p: p.item("base", quantity=2)
    yield "more of an add-on", wrong, lambda p: p.item("addon:sms", quantity=3)
    yield "the seats' item is gone", {K.MISSING_ITEM}, lambda p: p.drop("seats")
    yield "the add-on is gone", {K.MISSING_ITEM}, lambda p: p.drop("addon:sms")
    yield "the contacts' item is gone", {K.MISSING_ITEM}, lambda p: p.drop("contacts")


def _prices() -> Iterator[Case]:
    wrong = {K.WRONG_PRICE}
    yield "another tier's base", wrong, lambda p: swap(p, 0, "base")
    yield "another tier", wrong, lambda p: swap(p, 0, "base", "contacts", "seats")
    yield "another contact limit", wrong, lambda p: swap(p, 0, "contacts")
    yield "another product's base", wrong, lambda p: swap(p, 2, "base")
    yield "another product's seats", wrong, lambda p: swap(p, 2, "seats")
    yield "another interval", {K.WRONG_INTERVAL}, lambda p: swap(p, 1, *p.items)
    by_hand = {K.NOT_IN_CATALOG, K.MISSING_ITEM}
    yield "a manual price for the base", by_hand, lambda p: swap_by_hand(p, "base")
    yield "a manual price for the contacts", by_hand, lambda p: swap_by_hand(p, "contacts")
    yield "a manual price for the seats", by_hand, lambda p: swap_by_hand(p, "seats")

    async def add(place: Place, index: int, part: str) -> None:
        await place.add(await other(place, index, part))

    async def add_by_hand(place: Place, **recurring: Any) -> None:
        await place.add(await place.manual_price(**recurring))

    yield "an add-on of nobody", {K.EXTRA_ITEM}, lambda p: add(p, 0, "addon:dedicated_ip")
    yield "seats twice", {K.DUPLICATE_ITEM}, lambda p: add(p, 0, "seats")
    yield "a base twice", {K.DUPLICATE_ITEM}, lambda p: add(p, 2, "base")
    yield "an item of something else", {K.NOT_IN_CATALOG}, add_by_hand


def _attached() -> Iterator[Case]:
    foreign = {K.SCHEDULE_FOREIGN}
    yield "a schedule", foreign, attach
    yield "a schedule with plans", foreign, attach_and_plan
    yield "a schedule to come", foreign, plan_another
    yield "a schedule that was cancelled", {K.STATUS_DIFFERS}, attach_and_cancel
    yield "an update that waits", {K.PENDING_UPDATE_FOREIGN, K.INVOICE_UNEXPLAINED}, hold_back
    yield "a second subscription", {K.SECOND_SUBSCRIPTION}, subscribe_again
    trial = {"trial_period_days": 14}
    yield "a second one in trial", {K.SECOND_SUBSCRIPTION}, lambda p: subscribe_again(p, **trial)


def _promises() -> Iterator[Case]:
    broken = {K.RENEWAL_LEG_MISSING}
    yield "a promise released", broken, release
    yield "a promise of another quantity", broken, lambda p: edit_promise(p, quantity=3)
    how = {"proration_behavior": "create_prorations"}
    yield "a promise that would prorate", broken, lambda p: edit_promise(p, **how)
    yield "a promise that ends it all", broken, end_promise
    yield "a promise cancelled", {K.STATUS_DIFFERS}, cancel_promise
    yield "seats beside a promise", {K.WRONG_QUANTITY}, seats_beside_promise
    yield "a schedule left over", {K.SCHEDULE_LEFT_OVER}, lose_promise


def _money_and_life() -> Iterator[Case]:
    ended = {K.STATUS_DIFFERS}
    yield "cancelled at once", ended, lambda p: p.hand(p.path, "DELETE")
    billed = {*ended, K.INVOICE_UNEXPLAINED}
    how = {"prorate": True, "invoice_now": True}
    yield "cancelled with a last invoice", billed, lambda p: p.hand(p.path, "DELETE", **how)
    gone = {K.CUSTOMER_MISSING}
    yield "the customer deleted", gone, lambda p: p.hand(f"/v1/customers/{p.customer_id}", "DELETE")
    odd = {K.INVOICE_UNEXPLAINED}
    yield "an invoice by hand", odd, lambda p: bill(p, pay=True)
    by_mail = {"collection_method": "send_invoice", "days_until_due": 14}
    yield "an invoice by mail", odd, lambda p: bill(p, pay=False, **by_mail)
    yield "an invoice of the subscription", odd, lambda p: bill(p, pay=True, subscription=p.subscription_id)


def _ours() -> Iterator[Case]:
    yield "terms lost", {K.TERMS_MISSING}, lose_terms
    yield "terms of no catalog", {K.TERMS_NOT_IN_CATALOG}, sell_otherwise
    lost = {K.SUBSCRIPTION_MISSING, K.SECOND_SUBSCRIPTION}
    yield "a subscription of nobody", lost, lose_subscription
    stale = {K.MIRROR_STALE}
    ends = {"cancel_at_period_end": True}
    yield "an end that nobody told", stale, lambda p: unheard(p, lambda q: q.edit(**ends))
    paused = {"pause_collection": {"behavior": "void"}}
    yield "a pause that nobody told", stale, lambda p: unheard(p, lambda q: q.edit(**paused))
    both = {K.MIRROR_STALE, K.WRONG_QUANTITY}
    yield "seats that nobody told", both, lambda p: unheard(p, lambda q: q.item("seats", quantity=8))
