"""What must hold in a world whatever was asked of it; every check returns sentences, none if all is well."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.twin import conservation
from worker.twin import persistence
from worker.twin.engine import new_world
from worker.twin.events import LIFE_SECONDS
from worker.twin.idempotency import Keys
from worker.twin.world import World

SETTLED = ("paid", "void")
RUNNING = ("active", "past_due", "trialing")


def broken(world: World) -> list[str]:
    """All the checks of one moment."""
    checks = (_subscriptions, _invoices, _items)
    return [*(s for check in checks for s in check(world)), *conservation.check(world)]


def _subscriptions(world: World) -> Iterator[str]:
    for subscription in world.store["subscription"].docs.values():
        name, items = subscription["id"], subscription["items"]["data"]
        held = world.facts.subscriptions[name].pending
        if (held is None) != (subscription["pending_update"] is None):
            yield f"{name}: a pending update on one side only"
        if held is not None and world.store["invoice"].docs[held.invoice]["status"] in SETTLED:
            yield f"{name}: its pending update waits for a settled invoice"
        if subscription["status"] in RUNNING:
            if not items:
                yield f"{name}: runs without an item"
            elif min(i["current_period_end"] for i in items) < world.now_for(subscription["customer"]):
                yield f"{name}: runs on in a period that is over"
        if any(i["current_period_end"] <= i["current_period_start"] for i in items):
            yield f"{name}: a period without length"
        prices = [i["price"]["id"] for i in items]
        if len(prices) != len(set(prices)):
            yield f"{name}: one price twice"


def _invoices(world: World) -> Iterator[str]:
    for invoice in world.store["invoice"].docs.values():
        name, lines = invoice["id"], invoice["lines"]["data"]
        own = sum(
            d["amount"]
            for line in lines
            for d in line["discount_amounts"]
            if d["discount"] in line["discounts"]
        )
        if invoice["subtotal"] != sum(line["amount"] for line in lines) - own:
            yield f"{name}: subtotal {invoice['subtotal']} is not the sum of its lines less item discounts"
        if len({line["id"] for line in lines}) != len(lines):
            yield f"{name}: two lines with one id"


def _items(world: World) -> Iterator[str]:
    """An item belongs to one subscription, which shows it as it is."""
    shown = {i["id"]: i for s in world.store["subscription"].docs.values() for i in s["items"]["data"]}
    for item in world.store["subscription_item"].docs.values():
        if shown.get(item["id"]) != item:
            yield f"{item['id']}: not among the items of {item['subscription']}"


def broken_history(world: World) -> list[str]:
    """Laid over its object, an event's previous attributes give a state that events before it have shown.

    One change can have two events, such as `customer.subscription.pending_update_applied` before `updated`.
    Of what is older than 30 days only undelivered events are left, so nothing follows from those.
    """
    found: list[str] = []
    shown: dict[str, list[Any]] = {}
    last = max((e["created"] for e in world.store["event"].docs.values()), default=0)
    for event in world.store["event"].docs.values():
        if event["created"] < last - LIFE_SECONDS:
            continue
        raw = msgspec.json.encode(world.events.shown(event))
        data = msgspec.json.decode(raw)["data"]
        doc, previous = data["object"], data.get("previous_attributes")
        if doc.get("id", "") not in shown and previous is None and not event["type"].endswith(".created"):
            continue  # the events before it are forgotten, and it may be the first of two for one change
        states = shown.setdefault(doc.get("id", ""), [])
        if previous is not None and states:
            was = _comparable(lay(doc, previous))
            if was not in states:
                names = [k for k in was if states[-1].get(k) != was[k]]
                found.append(f"{event['type']} of {doc['id']}: {names} changed without an event before it")
            states.clear()
        states.append(_comparable(doc))
    return found


def lay(doc: Any, previous: Any) -> Any:
    """The older state: hashes are merged, null unsets a metadata key, a list's count is of its members."""
    if not isinstance(doc, dict) or not isinstance(previous, dict):
        return previous
    older = {**doc, **{k: lay(doc.get(k), v) for k, v in previous.items()}}
    if older.get("object") == "list" and "data" in previous:
        older.pop("total_count", None)
        older.pop("has_more", None)
    if isinstance(older.get("metadata"), dict):
        older["metadata"] = {k: v for k, v in older["metadata"].items() if v is not None}
    return older


SHOWN_ELSEWHERE = ("price", "plan", "tax_rate")
# Fields whose changes are not announced: of a list, because previous attributes show its members only; the
# number of a customer's next invoice, because no source says that Stripe sends `customer.updated` for it.
SILENT = {"list": ("total_count", "has_more"), "customer": ("next_invoice_sequence",)}


def _comparable(doc: Any) -> Any:
    """Without what changes silently, and with prices and tax rates by their id: one that changes shows in
    subscriptions without an event of theirs.
    """
    if isinstance(doc, dict):
        kind = doc.get("object")
        if kind in SHOWN_ELSEWHERE:
            return doc.get("id")
        skip = SILENT.get(kind, ()) if isinstance(kind, str) else ()
        return {k: _comparable(v) for k, v in doc.items() if v is not None and k not in skip}
    return [_comparable(v) for v in doc] if isinstance(doc, list) else doc


def lost_on_disk(world: World, keys: Keys) -> list[str]:
    """What a twin that stops and starts again would not know any more."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first", Path(folder) / "second"
        persistence.save(str(first), world, keys)
        again, loaded = new_world(world.seed), Keys(keys.now)
        persistence.load(str(first), again, loaded)
        persistence.save(str(second), again, loaded)
        same = first.read_bytes() == second.read_bytes()
    found = [] if same else ["the file written again differs"]
    for kind, table in world.store.tables.items():
        if list(table.docs.items()) != list(again.store[kind].docs.items()):
            found.append(f"{kind} reads back otherwise")
    if {k: list(v) for k, v in world.waiting.items() if v} != {k: list(v) for k, v in again.waiting.items()}:
        found.append("waiting invoice items read back otherwise")
    return [*found, *_items(again)]
