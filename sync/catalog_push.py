"""Pushing the catalog: every slot gets its product and its price at Stripe, under its lookup key.

A price at Stripe is immutable. A slot whose amount changed gets the next version, which then is sold; the
old one stays known and stays valid for those who have it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from sync import audit_acts, failpoints, switch
from sync.billing import Billing
from sync.errors import Refused
from sync.gateway import StoredCall, StripeCallFailed, Verdict
from sync.requests import Body
from sync.rules.catalog import Catalog, Slot
from sync.steps import Chore
from sync.store import calls as call_store
from sync.store import catalog_prices
from sync.store.catalog_prices import CatalogPrice
from sync.stripe_objects import Price

CALLS_AT_ONCE = 8
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class PushPlan:
    """What a push would do: products and prices to create, and prices that exist already."""

    products: list[Body] = field(default_factory=list)
    prices: list[Body] = field(default_factory=list)
    existing: list[CatalogPrice] = field(default_factory=list)


def product_id(slot: Slot) -> str:
    """Our own id for the slot's product at Stripe: one for each thing that an invoice line should name."""
    if slot.add_on is not None:
        return f"prorata_addon_{slot.add_on}"
    band = f"_{slot.band}" if slot.band is not None else ""
    return f"prorata_{slot.role}_{slot.product}_{slot.tier}{band}"


def product_name(slot: Slot, catalog: Catalog) -> str:
    """The words of an invoice line, such as `Marketing Plus, 5,000 contacts`."""
    if slot.add_on is not None:
        return catalog.add_ons[slot.add_on].name["en"]
    base = f"{catalog.products[slot.product].name['en']} {catalog.tiers[slot.tier]['en']}"
    match slot.role:
        case "contacts":
            return f"{base}, {slot.band:,} contacts"
        case "seats":
            return f"{base}, extra seat"
        case _:
            return base


async def diff(
    billing: Billing, currencies: Sequence[str], *, only: Collection[Slot] | None = None
) -> PushPlan:
    """Compare the catalog, or only some of its slots, with Stripe; reads only.

    A newest price that was archived at Stripe cannot be sold any more: its slot gets the next version.
    """
    slots = [slot for slot in billing.catalog.slots() if slot.currency in currencies]
    if only is not None:
        slots = [slot for slot in slots if slot in only]
    products = {product.id for product in await billing.gateway.catalog_products()}
    found = await _newest_versions(billing, slots)
    plan = PushPlan()
    for slot in slots:
        version, price = found.get(slot, (0, None))
        amount_minor = billing.catalog.amount_minor(slot)
        if price is not None and price.active and price.unit_amount == amount_minor:
            plan.existing.append(_row(slot, version, price, billing.catalog))
            continue
        if product_id(slot) not in products:
            products.add(product_id(slot))
            plan.products.append(_product_body(slot, billing.catalog))
        plan.prices.append(_price_body(slot, version + 1, billing.catalog))
    return plan


async def _newest_versions(billing: Billing, slots: Sequence[Slot]) -> dict[Slot, tuple[int, Price]]:
    """Ask for version 1 of every slot, then for the next of those found, until nothing newer exists."""
    found: dict[Slot, tuple[int, Price]] = {}
    version, asked = 1, list(slots)
    while asked:
        prices = await billing.gateway.prices([slot.lookup_key(version) for slot in asked])
        by_key = {price.lookup_key: price for price in prices}
        newer = {
            slot: by_key[slot.lookup_key(version)] for slot in asked if slot.lookup_key(version) in by_key
        }
        found |= {slot: (version, price) for slot, price in newer.items()}
        version, asked = version + 1, list(newer)
    return found


async def push(billing: Billing, plan: PushPlan, progress: Progress = lambda done, total: None) -> int:
    """Create what is missing and mark what is sold now; returns how many prices were created.

    Can be repeated after any interruption: the keys are derived from the bodies. Raises StripeTrouble, and
    Refused (writes_stopped).
    """
    await switch.require_go(billing.pool)
    total = len(plan.products) + len(plan.prices)
    await _send_all(billing, [_product_call(body) for body in plan.products], progress, 0, total)
    calls = [_price_call(body) for body in plan.prices]
    created = await _send_all(billing, calls, progress, len(plan.products), total)
    rows = [_created_row(body, price_id) for body, price_id in zip(plan.prices, created, strict=True)]
    async with failpoints.committing(billing.pool, [Chore.SELL]) as conn:
        await catalog_prices.sell(conn, [*plan.existing, *rows])
        await audit_acts.catalog_pushed(conn, [*plan.existing, *rows], [row.lookup_key for row in rows])
    return len(rows)


async def _send_all(
    billing: Billing, calls: list[StoredCall], progress: Progress, done: int, total: int
) -> list[str]:
    """Store every call, then send them a few at a time; returns the ids of what they made, in order.

    After a failure no other call is begun; those under way end in order, and then the first one is raised.
    """
    async with failpoints.committing(billing.pool, [Chore.STORE_CATALOG]) as conn:
        await call_store.insert_many(conn, calls, "catalog")
    made: dict[str, str] = {}
    failures: list[Exception] = []
    waiting = iter(calls)

    async def send_next() -> None:
        for call in waiting:  # one iterator for all: whoever is free takes the next
            try:
                made[call.key] = await _send(billing, call)
                progress(done + len(made), total)
            except Exception as error:  # raised below, once the others have ended
                failures.append(error)
            if failures:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLS_AT_ONCE):
            group.create_task(send_next())
    if failures:
        raise failures[0]
    return [made[call.key] for call in calls]


async def _send(billing: Billing, call: StoredCall) -> str:
    await call_store.mark_sent(billing.pool, call.key)
    try:
        answer = await billing.gateway.send(call)
    except StripeCallFailed as error:
        if error.failure.code == "resource_already_exists" and call.step == "product":
            return str(call.params["id"])
        if error.failure.verdict is Verdict.REFUSED:
            raise Refused(error.code, f"Stripe refused {call.key}: {error.failure.message}") from error
        raise
    await call_store.mark_answered(billing.pool, call.key, answer.http_status, answer.request_id)
    return str(answer.data["id"])


# ---- bodies


def _product_body(slot: Slot, catalog: Catalog) -> Body:
    return {"id": product_id(slot), "name": product_name(slot, catalog), "metadata": {"prorata": "catalog"}}


def _price_body(slot: Slot, version: int, catalog: Catalog) -> Body:
    return {
        "product": product_id(slot),
        "currency": slot.currency,
        "unit_amount": catalog.amount_minor(slot),
        "recurring": {"interval": str(slot.interval)},
        "lookup_key": slot.lookup_key(version),
    }


def _product_call(body: Body) -> StoredCall:
    return StoredCall(f"catalog:{body['id']}:{_digest(body)}", "product", "POST", "/v1/products", body)


def _price_call(body: Body) -> StoredCall:
    return StoredCall(f"catalog:{body['lookup_key']}:{_digest(body)}", "price", "POST", "/v1/prices", body)


def _digest(body: Body) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()[:12]


def _row(slot: Slot, version: int, price: Price, catalog: Catalog) -> CatalogPrice:
    return CatalogPrice(
        slot.lookup_key(version),
        slot.key,
        version,
        price.id,
        product_id(slot),
        catalog.amount_minor(slot),
        slot.currency,
    )


def _created_row(body: Body, price_id: str) -> CatalogPrice:
    slot, version = Slot.parse(body["lookup_key"])
    return CatalogPrice(
        body["lookup_key"],
        slot.key,
        version,
        price_id,
        body["product"],
        body["unit_amount"],
        body["currency"],
    )
