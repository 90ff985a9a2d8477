"""The whole state as one JSON file: written on request and at the end, read at the start.

Aliases are mended after reading: a subscription's items and their prices are shared objects, not copies.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from worker.twin.clock import Task
from worker.twin.facts import InvoiceFacts, PriceFacts, SubscriptionFacts
from worker.twin.idempotency import Keys, Stored
from worker.twin.ledger import Effect
from worker.twin.world import AccountSettings, World

VERSION = 1
FACTS: dict[str, Any] = {
    "subscriptions": dict[str, SubscriptionFacts],
    "invoices": dict[str, InvoiceFacts],
    "prices": dict[str, PriceFacts],
    "cards": dict[str, str],
}


def save(path: str, world: World, keys: Keys) -> int:
    """Write everything; returns the file's size in bytes."""
    state = {
        "version": VERSION,
        "tables": {kind: list(table.docs.values()) for kind, table in world.store.tables.items()},
        "facts": {name: getattr(world.facts, name) for name in FACTS},
        "clock": {"offset": world.clock.offset, "frozen": world.clock.frozen, "number": world.clock.number},
        "queues": world.clock.queues,
        "dice": [ids.state() for ids in (world.ids, world.preview_ids)],
        "ledger": world.ledger.effects,
        "account": asdict(world.account),
        "secrets": world.endpoint_secrets,
        "deleted_customers": sorted(world.deleted_customers),
        "undelivered": sorted(world.undelivered),
        "keys": keys.stored,
    }
    raw = msgspec.json.encode(state)
    part = Path(path + ".part")
    part.write_bytes(raw)
    part.replace(path)
    return len(raw)


def load(path: str, world: World, keys: Keys) -> None:
    """Fill a fresh world from a file written by `save`."""
    state = msgspec.json.decode(Path(path).read_bytes())
    if state["version"] != VERSION:
        raise ValueError(f"{path} was written by another version of the twin ({state['version']}); delete it")
    for name, kind in FACTS.items():
        setattr(world.facts, name, msgspec.convert(state["facts"][name], kind))
    for kind, docs in state["tables"].items():
        for doc in docs:
            world.store.add(kind, _unpacked(doc) if kind == "event" else doc)
    _mend(world)
    clock = world.clock
    clock.offset, clock.frozen, clock.number = (state["clock"][n] for n in ("offset", "frozen", "number"))
    clock.queues = msgspec.convert(state["queues"], dict[str, list[Task]])
    for ids, dice in zip((world.ids, world.preview_ids), state["dice"], strict=True):
        ids.restore(dice)
    world.ledger.effects = msgspec.convert(state["ledger"], list[Effect])
    world.account = AccountSettings(**state["account"])
    world.endpoint_secrets = state["secrets"]
    world.deleted_customers, world.undelivered = set(state["deleted_customers"]), set(state["undelivered"])
    keys.stored = msgspec.convert(state["keys"], dict[str, Stored])


def _unpacked(event: dict[str, Any]) -> dict[str, Any]:
    """Compressed bytes stand in the file as base64 text."""
    event["data"] = {name: base64.b64decode(text) for name, text in event["data"].items()}
    return event


def _mend(world: World) -> None:
    items = world.store["subscription_item"].docs
    for subscription in world.store["subscription"].docs.values():
        listed = subscription["items"]
        listed["data"] = [items.get(i["id"], i) for i in listed["data"]]
        for item in listed["data"]:
            item["price"] = world.store["price"].docs[item["price"]["id"]]
            item["plan"] = world.facts.prices[item["price"]["id"]].plan
    for item in world.store["invoiceitem"].docs.values():
        if item["invoice"] is None:
            world.waiting.setdefault(item["customer"], {})[item["id"]] = item
