"""The chain of the audit log: what is hashed, how rows hang together, and where a chain is broken.

A row's hash is SHA-256 over the hash of the row before (32 zero bytes in the first), the row's number as
8 bytes, big-endian, and SHA-256 of the canonical text of its entry. PostgreSQL computes the outer hash while
it holds the head of the chain, so an act costs one statement; everything is computed again here by `follow`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what, when, by which door. `account_id` None: it concerns all accounts."""

    account_id: str | None
    at: datetime
    act: str
    actor: str
    role: str | None
    door: str
    key_id: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A stored entry with its place in the chain."""

    seq: int
    entry: Entry
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What the newest row of a chain has to be."""

    seq: int
    hash: bytes


# What the first row of every chain follows.
BEGINNING = Head(0, bytes(32))


@dataclass(frozen=True, slots=True)
class Break:
    """The first row of a chain that is not what was written, or is not there any more."""

    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a chain could be followed."""

    last: Head
    broken: Break | None


def plain(value: Any) -> Any:
    """The value as JSON that survives a database unchanged: exact, without what jsonb cannot hold.

    Raises TypeError for anything else, floats included: no amount of ours is one, and their text may differ
    after a round trip.
    """
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case str():
            return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
        case datetime():
            return instant(value)
        case Mapping():
            return {plain(str(name)): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no exact text for the audit log")


def instant(at: datetime) -> str:
    """An instant as text, in UTC, always with its microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def content(entry: Entry) -> bytes:
    """The 32 bytes that stand for an entry, wherever and however it is stored."""
    text = json.dumps(
        {
            "account_id": entry.account_id,
            "at": instant(entry.at),
            "act": entry.act,
            "actor": entry.actor,
            "role": entry.role,
            "door": entry.door,
            "key_id": entry.key_id,
            "detail": entry.detail,
        },
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).digest()


def link_hash(previous: bytes, seq: int, entry: Entry) -> bytes:
    """The hash of the row with this number that follows the one with the hash `previous`."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + content(entry)).digest()


def follow(links: Iterable[Link], after: Head) -> Followed:
    """Follow rows in the order of their numbers, from `after` on, as far as each fits the one before."""
    last = after
    for link in links:
        expected = last.seq + 1
        if link.seq != expected:
            why = f"row {expected} is missing: row {link.seq} comes after row {last.seq}"
            return Followed(last, Break(expected, why))
        if link.previous != last.hash:
            return Followed(last, Break(link.seq, f"row {link.seq} does not follow from the row before it"))
        if link.hash != link_hash(last.hash, link.seq, link.entry):
            return Followed(last, Break(link.seq, f"row {link.seq} is not what was written"))
        last = Head(link.seq, link.hash)
    return Followed(last, None)


def check_end(last: Head, head: Head | None) -> Break | None:
    """Whether a chain ends where its head says; rows that were cut off at the end leave no other trace."""
    if head is None:
        return Break(last.seq, "the chain's head is missing") if last.seq else None
    if last.seq < head.seq:
        return Break(last.seq + 1, f"rows {last.seq + 1} to {head.seq} are missing at the end")
    if last != head:
        return Break(last.seq, f"row {last.seq} is not the one that the chain's head names")
    return None
