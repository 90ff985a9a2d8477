"""The whole state as one file: written on request and at the end, read at the start.

gzip over lines of JSON: a head, then for each kind of object its name and number, and its objects in order of
creation, as `Shelf.dump` writes them. Neither way needs more memory than the state itself.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from worker.twin import versions
from worker.twin.clock import Task
from worker.twin.facts import Facts
from worker.twin.idempotency import Keys
from worker.twin.ledger import Effect
from worker.twin.store import Doc
from worker.twin.world import AccountSettings, World

VERSION = 3
LEVEL = 1
_json = msgspec.json.encode
_effect = msgspec.json.Decoder(Effect)


def save(path: str, world: World, keys: Keys) -> int:
    """Write everything; returns the file's size in bytes."""
    part = Path(path + ".part")
    with part.open("wb") as bare, gzip.GzipFile("", "wb", LEVEL, bare, mtime=0) as file:
        for lines in _batches(_lines(world, keys)):
            file.write(lines)
    part.replace(path)
    return Path(path).stat().st_size


def _batches(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Many lines at once: gzip is slow at short ones."""
    while batch := list(islice(lines, 100)):
        yield b"\n".join([*batch, b""])


def _lines(world: World, keys: Keys) -> Iterator[bytes]:
    yield _json(_head(world))
    answers = list(keys.dump())
    yield _json(["key", len(answers)])
    yield from answers
    yield _json(["effect", len(world.ledger.effects)])
    yield from map(_json, world.ledger.effects)
    for kind, table in world.store.tables.items():
        yield _json([kind, len(table.docs)])
        yield from table.docs.dump()


def _head(world: World) -> dict[str, Any]:
    return {
        "version": VERSION,
        "facts": world.facts,
        "clock": {"offset": world.clock.offset, "frozen": world.clock.frozen, "number": world.clock.number},
        "queues": world.clock.queues,
        "dice": [ids.state() for ids in (world.ids, world.preview_ids)],
        "account": asdict(world.account),
        "secrets": world.endpoint_secrets,
        "rolled_secrets": world.rolled_secrets,
        "deleted_customers": sorted(world.deleted_customers),
        "undelivered": sorted(world.undelivered),
        "portal_sessions": world.portal_sessions,
    }


def load(path: str, world: World, keys: Keys) -> None:
    """Fill a fresh world from a file written by `save`."""
    with gzip.open(path) as file:
        head = msgspec.json.decode(file.readline())
        if head["version"] != VERSION:
            raise ValueError(
                f"{path} was written by another version of the twin ({head['version']}); delete it"
            )
        _restore_head(world, head)
        for line in file:
            kind, count = msgspec.json.decode(line)
            _restore(world, keys, kind, (part.rstrip(b"\n") for part in islice(file, count)))


def _restore_head(world: World, head: dict[str, Any]) -> None:
    world.facts = msgspec.convert(head["facts"], Facts)
    clock = world.clock
    clock.offset, clock.frozen, clock.number = (head["clock"][n] for n in ("offset", "frozen", "number"))
    clock.queues = msgspec.convert(head["queues"], dict[str, list[Task]])
    for ids, dice in zip((world.ids, world.preview_ids), head["dice"], strict=True):
        ids.restore(dice)
    world.account = msgspec.convert(head["account"], AccountSettings)
    world.events.api_version = versions.default(world)
    world.endpoint_secrets, world.portal_sessions = head["secrets"], head["portal_sessions"]
    world.rolled_secrets = msgspec.convert(head["rolled_secrets"], dict[str, list[tuple[str, float]]])
    world.deleted_customers.update(head["deleted_customers"])
    world.undelivered.update(head["undelivered"])


def _restore(world: World, keys: Keys, kind: str, lines: Iterator[bytes]) -> None:
    if kind == "key":
        keys.restore(lines)
    elif kind == "effect":
        world.ledger.effects = [_effect.decode(line) for line in lines]
    else:
        for line in lines:
            _follow(world, kind, world.store[kind].restore(line))


def _follow(world: World, kind: str, doc: Doc) -> None:
    """What is known beside the tables and follows from them."""
    if kind == "event":
        world.events.count(doc["created"])
    elif kind == "invoiceitem" and doc["invoice"] is None:
        world.waiting.setdefault(doc["customer"], {})[doc["id"]] = None
