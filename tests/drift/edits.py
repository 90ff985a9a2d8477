"""Edits by hand at the local Stripe, as people make them in the dashboard, and what the money did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync import clock
from sync.billing import Billing
from sync.reconcile import accept as accepting
from sync.reconcile import repair as repairing
from sync.reconcile.anew import reconcile_account
from sync.reconcile.finding_views import digest_of
from sync.reconcile.repair_sides import Side
from sync.reconcile.shown import require, try_out
from sync.rules.drift import Difference, FindingKind
from sync.rules.terms import Terms
from sync.store import accounts as account_store
from sync.store import catalog_prices, findings, sweeps
from sync.store.db import transaction
from sync.store.findings import FindingRow
from tests.faults.hands import Hands
from tests.flows.world import MARKETING, World

PRO = Terms("marketing", "pro", 1000, 5)
WITH_SMS = replace(MARKETING, add_ons={"sms": 2})
BY = {"actor": "olga", "reason": "an edit that nobody meant"}


async def by_hand(world: World, path: str, method: str = "POST", **params: Any) -> Any:
    """An edit in the dashboard; it must work there."""
    body = {"method": method, "path": path, "params": params}
    return await world.control("POST", "dashboard", body)


async def item(world: World, role: str, account_id: str = "acme") -> dict[str, Any]:
    """The subscription's item of a role, such as `seats` or `base`."""
    found = (await world.subscription(account_id))["items"]["data"]
    return next(each for each in found if f":{role}:" in each["price"]["lookup_key"])


async def set_item(world: World, role: str, account_id: str = "acme", **fields: Any) -> None:
    """Edit an item in the dashboard; prorations only where they are asked for."""
    found = await item(world, role, account_id)
    await by_hand(world, f"/v1/subscription_items/{found['id']}", **{"proration_behavior": "none", **fields})


async def repair(
    billing: Billing, finding_id: str, *, side: Side | None = None, **how: Any
) -> dict[str, Any]:
    """Repair a finding after a look at the dry run, as people do."""
    shown = (await try_out(billing, finding_id, side))["dry_run"]["digest"]
    return await repairing.repair(billing, finding_id, side=side, expect=shown, **how)


async def accept(billing: Billing, finding_id: str, **said: str) -> dict[str, Any]:
    """Accept a finding as it is shown now."""
    shown = digest_of(await require(billing, finding_id))
    return await accepting.accept(billing, finding_id, expect=shown, **said)


async def find(
    world: World, kind: FindingKind, object_id: str | None = None, account_id: str = "acme"
) -> FindingRow:
    """The finding of this kind that a comparison of the account makes, or else one that is made up."""
    rows = await reconcile_account(world.billing, account_id)
    found = next((row for row in rows or () if row.kind == kind), None)
    if found is not None:
        return found
    if object_id is None:
        object_id = str((await world.view(account_id))["stripe_subscription_id"])
    async with transaction(world.billing.pool) as conn:
        began = await sweeps.now(conn)
        [row] = await findings.record(conn, [Difference(kind, object_id, "made up", account_id)], began)
    return row


async def money(world: World) -> list[tuple[str, Any, Any]]:
    """Everything that the twin's own ledger knows of money, and every invoice and waiting item."""
    ledger = (await world.control("GET", "ledger"))["data"]
    moved = [(each["kind"], each["object"], each["amount_minor"]) for each in ledger if is_money(each)]
    state = (await world.control("GET", "state"))["objects"]
    invoices = [("invoice", each["id"], each["total"]) for each in state["invoice"]]
    waiting = [("invoiceitem", each["id"], each["amount"]) for each in state.get("invoiceitem", [])]
    balances = [("balance", each["id"], each.get("balance")) for each in state["customer"]]
    return sorted([*moved, *invoices, *waiting, *balances], key=str)


def is_money(effect: dict[str, Any]) -> bool:
    """Whether an effect moved money; an item that is set without proration moves none."""
    return effect["kind"] != "subscription_updated" or bool(effect["amount_minor"])


async def under(world: World, key: str) -> list[dict[str, Any]]:
    """What the twin's ledger says that happened under a key."""
    return list((await world.control("GET", f"ledger?idempotency_key={key}"))["data"])


async def more_seats(world: World, quantity: int = 7, **how: Any) -> FindingRow:
    """Somebody edits the seats in the dashboard; a sweep finds it."""
    await set_item(world, "seats", quantity=quantity, **how)
    return await find(world, FindingKind.WRONG_QUANTITY)


async def posts(hands: Hands) -> int:
    """How many writes the twin was asked for."""
    return len(await hands.requests("POST", "/v1/"))


async def own(world: World) -> str:
    return str((await world.view())["stripe_subscription_id"])


async def prices(world: World, terms: Terms) -> dict[str, str]:
    """The prices that are sold now for terms, by role."""
    book = await catalog_prices.book(world.billing.pool)
    slots = world.billing.catalog.items_for(terms, "usd")
    return {str(slot.role): book.sold_now(slot) for slot in slots}


async def other_price(world: World) -> str:
    """A price that no catalog knows."""
    params = {"currency": "usd", "unit_amount": 700, "recurring": {"interval": "month"}}
    made = await by_hand(world, "/v1/prices", **params, product_data={"name": "By hand"})
    return str(made["id"])


async def raise_price(world: World, terms: Terms, role: str) -> None:
    """The next version of a price goes on sale."""
    slot = next(each for each in world.billing.catalog.items_for(terms, "usd") if each.role == role)
    product = (await item(world, role))["price"]["product"]
    params = {"currency": "usd", "unit_amount": 99_900, "recurring": {"interval": "month"}}
    made = await by_hand(world, "/v1/prices", **params, product=product, lookup_key=slot.lookup_key(2))
    row = catalog_prices.CatalogPrice(slot.lookup_key(2), slot.key, 2, made["id"], product, 99_900, "usd")
    async with transaction(world.billing.pool) as conn:
        await catalog_prices.sell(conn, [row])


async def read_bills(world: World) -> None:
    """The mirror has the account's invoices, as a worker would have written them."""
    for invoice in await world.invoices():
        read = await world.billing.gateway.read_object("invoice", invoice["id"])
        async with transaction(world.billing.pool) as conn:
            await world.billing.mirror.apply_read(conn, read)


async def begin_terms(world: World, terms: Terms) -> None:
    """As if these had been bought."""
    async with transaction(world.billing.pool) as conn:
        await account_store.begin_terms(conn, "acme", terms, clock.wall(), "chg_made_up", "now")
