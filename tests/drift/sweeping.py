"""Sweeps in a world in which nobody works by itself, and what they found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.reconcile.pages import Tally
from sync.reconcile.sweep import Sweep
from sync.store import findings, sweeps
from sync.store.db import transaction
from sync.store.findings import FindingRow
from tests.drift.edits import item
from tests.faults.hands import Hands
from tests.flows.world import World
from worker.app import applier_for

# States of a delivery that is not over.
UNDER_WAY = ("waiting", "sending", "retrying")


async def sweep(world: World, **settings: Any) -> Tally:
    """One whole sweep, as a worker does it."""
    tally = await Sweep(world.billing, **settings).run_anew()
    assert tally is not None
    return tally


async def findings_of(world: World, **wanted: Any) -> list[FindingRow]:
    """Every finding, the oldest first."""
    return (await findings.list_(world.billing.pool, **wanted))[::-1]


async def waiting(world: World) -> list[tuple[str, str | None]]:
    """Kind and account of every finding that waits for somebody."""
    return sorted((row.kind, row.account_id) for row in await findings_of(world, state="open"))


async def lists(hands: Hands) -> Sequence[str]:
    """The lists that the twin was asked for, each by its path."""
    found = await hands.requests("GET", "/v1/")
    paths = [each["path"].partition("?")[0] for each in found]
    return [
        path for path in paths if path in ("/v1/subscriptions", "/v1/subscription_schedules", "/v1/invoices")
    ]


async def delivered(world: World) -> None:
    """Return once every event of the twin has come to us."""

    async def is_delivered() -> bool:
        found = (await world.control("GET", "deliveries"))["data"]
        return not any(each["status"] in UNDER_WAY for each in found)

    await world.eventually(is_delivered)


async def catch_up_mirror(world: World) -> None:
    """Every event of the twin is delivered and applied."""
    await delivered(world)
    applier, refresh = applier_for(world.settings, world.billing, asyncio.Event())
    await applier.drain()
    while await refresh.run_once():
        pass


async def pretend(world: World, kind: Kind, body: bytes) -> None:
    """As if Stripe had once shown this object."""
    object_id = msgspec.json.decode(body)["id"]
    now = world.billing.gateway.stripe_now()
    read = ObjectRead(kind, object_id, body, now, now)
    began = await sweeps.now(world.billing.pool)
    async with transaction(world.billing.pool) as conn:
        await world.billing.mirror.apply_reads(conn, [read], began=began)


async def waiting_after(world: World) -> list[tuple[str, str | None]]:
    """The same, after another sweep."""
    await sweep(world)
    return await waiting(world)


async def stranger(world: World) -> None:
    """A subscription of nobody that we know."""
    price = (await item(world, "base"))["price"]["id"]
    customer = await world.stripe("POST", "/v1/customers", email="else@else.example")
    method = await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", customer=customer["id"])
    params = {"items[0][price]": price, "default_payment_method": method["id"]}
    await world.stripe("POST", "/v1/subscriptions", customer=customer["id"], **params)


async def applied(slow: Hands, terms: dict[str, Any]) -> dict[str, Any]:
    """A change that Stripe has, and whose invoice is not compared yet."""
    return await slow.step(await slow.confirm(await slow.world.quote(terms)))


async def copy_of_subscription(world: World, **changed: Any) -> bytes:
    """The account's subscription as Stripe shows it, but for what is named."""
    return json.dumps({**await world.subscription(), **changed}).encode()
