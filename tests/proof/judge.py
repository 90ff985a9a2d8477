"""The judge of a campaign: what is stored here, held against Stripe's own ledger, lists and deliveries."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from handlers.dispatch import EVENT_TYPES
from sync import change_views
from sync.billing import Billing
from sync.gateway.shapes import PATHS
from sync.mirror_rows import Kind
from sync.snapshot import render, snapshot
from sync.store import findings, mirror_rows
from tests.faults import judging
from tests.mirror.burst import KINDS
from tests.proof.customers import Crowd
from tests.proof.deployment import Deployment
from tests.proof.renewals import judge_renewals

COMPARED_MOST = 5_000
PAGE, READS_AT_ONCE = 100, 8
# Of all changes, so many come to their good end at least: one in five is declined or waits for a bank, and
# what a bad moment holds back for too long expires. Measured: 80 to 90 of a hundred.
SETTLED_LEAST = 0.5
# A month passes in seconds, so promises come too late for their renewals. Measured: 2 of a hundred accounts.
PARKED_MOST, PARKED_AT_LEAST = 0.15, 3

KNOWN = "SELECT id, quote_id FROM change"
PARKED = "SELECT id, parked_reason FROM account WHERE parked_at IS NOT NULL"
UNHEARD = "SELECT id, state FROM inbox WHERE state NOT IN ('finished', 'ignored')"
HEARD = "SELECT id, source, extract(epoch FROM received_at)::float AS at FROM inbox"
STORED_TWICE = "SELECT id FROM inbox GROUP BY id HAVING count(*) > 1"


@dataclass(slots=True)
class Verdict:
    """What was tried, and every sentence about what went wrong; `broken` is about other things."""

    changes: int = 0
    accounts: int = 0
    parked: int = 0
    seconds: float = 0
    shots: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    compared: int = 0
    delivered: int = 0
    renewals: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.problems

    @property
    def problems(self) -> list[str]:
        return [*self.doubled, *self.lost, *self.unequal, *self.broken, *self._too_little]

    @property
    def _too_little(self) -> list[str]:
        """A deployment that refuses or parks everything loses nothing, and shows nothing."""
        found = []
        if self.ends["settled"] < max(1, SETTLED_LEAST * self.changes):
            found.append(f"only {self.ends['settled']} of {self.changes} changes settled")
        if self.parked > max(PARKED_AT_LEAST, PARKED_MOST * self.accounts):
            found.append(f"{self.parked} of {self.accounts} accounts are parked")
        return found

    @property
    def tried(self) -> str:
        shots = ", ".join(f"{count} {what}" for what, count in sorted(self.shots.items()))
        ends = ", ".join(f"{count} {state}" for state, count in self.ends.most_common())
        return (
            f"{self.changes} changes of {self.accounts} accounts ({self.parked} parked): {ends}; {shots}; "
            f"{self.renewals} renewals, {self.delivered} deliveries, {self.compared} objects compared"
        )


async def judge(site: Deployment, billing: Billing, crowd: Crowd, verdict: Verdict) -> None:
    """The doors and the workers are gone; what is stored here and what happened at Stripe is left."""
    ledger = (await site.control("GET", "ledger"))["data"]
    parked = {row["id"]: row["parked_reason"] for row in await billing.pool.fetch(PARKED)}
    verdict.parked = len(parked)
    changes = await _judge_changes(site, billing, crowd, judging.by_change(ledger), set(parked), verdict)
    invoices = [each async for each in listed(site, Kind.INVOICE)]
    _judge_invoices(invoices, ledger, verdict)
    judge_renewals(billing.catalog, changes, ledger, invoices, verdict)
    verdict.lost += [f"{row['id']}: the event is {row['state']}" for row in await billing.pool.fetch(UNHEARD)]
    await _judge_intent(billing, parked, verdict)
    await _judge_mirror(site, billing, random.Random(crowd.wanted), verdict)


async def listed(site: Deployment, kind: Kind) -> AsyncIterator[dict[str, Any]]:
    """Every object of a kind that Stripe lists."""
    more: dict[str, Any] = {"status": "all"} if kind is Kind.SUBSCRIPTION else {}
    while True:
        page = await site.stripe("GET", PATHS[kind].removesuffix("/{}"), limit=PAGE, **more)
        for each in page["data"]:
            yield each
        if not page["has_more"]:
            return
        more["starting_after"] = page["data"][-1]["id"]


# ---- changes


async def _judge_changes(
    site: Deployment,
    billing: Billing,
    crowd: Crowd,
    ledger: dict[str, judging.Entries],
    parked: set[str],
    verdict: Verdict,
) -> list[dict[str, Any]]:
    """All that are stored, whoever heard of them; returns them."""
    known = {row["id"]: row["quote_id"] for row in await billing.pool.fetch(KNOWN)}
    changes = await _changes(billing, sorted(known))
    now_unix = (await site.control("GET", "clock"))["now"]
    for change in changes:
        change_id, entries = change["id"], ledger.get(change["id"], [])
        verdict.ends[change["state"]] += 1
        verdict.doubled += judging.doubled(change, entries)
        verdict.lost += judging.lost(change, entries)
        verdict.lost += judging.missed(change, now_unix, is_parked=change["account_id"] in parked)
        verdict.unequal += judging.unequal(change, entries)
        verdict.doubled += unconfirmed(crowd.confirmed, crowd.told, change_id, change["quote_id"], entries)
    verdict.changes = len(known)
    verdict.lost += [
        f"{change_id}: confirmed, and not stored" for change_id in set(crowd.confirmed) - set(known)
    ]
    verdict.doubled += [f"{change_id}: an effect of no change" for change_id in set(ledger) - set(known)]
    return changes


async def _changes(billing: Billing, change_ids: list[str]) -> list[dict[str, Any]]:
    gate = asyncio.Semaphore(READS_AT_ONCE)

    async def read(change_id: str) -> dict[str, Any]:
        async with gate:
            return await change_views.get(billing, change_id)

    return await asyncio.gather(*map(read, change_ids))


def unconfirmed(
    confirmed: dict[str, str],
    told: dict[str, str | None],
    change_id: str,
    quote_id: str,
    entries: judging.Entries,
) -> list[str]:
    """A change of which the customer was told otherwise, or of another quote than they agreed to.

    Whoever still waits for the answer to a confirm agreed to whatever comes of it.
    """
    if change_id in confirmed:
        agreed = confirmed[change_id]
        return [] if agreed == quote_id else [f"{change_id}: of {quote_id}, and {agreed} was confirmed"]
    happened = sorted({entry["kind"] for entry in entries} & {*judging.EFFECTS, "charge"})
    if not happened:
        return []
    if quote_id not in told:
        return [f"{change_id}: nobody confirmed it, and yet {happened}"]
    said = told[quote_id]
    return [f"{change_id}: the customer was told {said}, and yet {happened}"] if said is not None else []


def _judge_invoices(invoices: list[dict[str, Any]], ledger: judging.Entries, verdict: Verdict) -> None:
    """Each invoice that is no renewal's belongs to one change, and none can be paid any more."""
    whose = {entry["object"]: entry["change_id"] for entry in ledger if entry["kind"] == "invoice_created"}
    for invoice in invoices:
        if invoice["billing_reason"] == "subscription_cycle":
            continue
        if whose.get(invoice["id"]) is None:
            verdict.doubled.append(f"{invoice['id']}: billed, and nobody confirmed it")
        if invoice["status"] in ("draft", "open"):
            verdict.unequal.append(f"{invoice['id']}: {invoice['status']}, and could still be paid")


# ---- events


async def judge_deliveries(site: Deployment, billing: Billing, verdict: Verdict) -> None:
    """What was acknowledged must be stored; what only the list brought afterwards was lost at the door."""
    delivered: dict[str, float] = {}
    for each in (await site.control("GET", "deliveries"))["data"]:
        if each["status"] == "delivered" and each["type"] in EVENT_TYPES:
            at = delivered.get(each["event"], each["answered_at"])
            delivered[each["event"]] = min(at, each["answered_at"])
    heard = {row["id"]: row for row in await billing.pool.fetch(HEARD)}
    verdict.delivered += len(delivered)
    for event_id, at in delivered.items():
        row = heard.get(event_id)
        if row is None or (row["source"] == "catch_up" and row["at"] > at):
            verdict.lost.append(f"{event_id}: acknowledged, and not stored")
    twice = await billing.pool.fetch(STORED_TWICE)
    verdict.doubled += [f"{row['id']}: the event is stored twice" for row in twice]


# ---- what is bought, and our copy


async def _judge_intent(billing: Billing, parked: dict[str, str], verdict: Verdict) -> None:
    """The sweep has compared what was bought with what Stripe bills: nothing differs, or people were told.

    Where a month passes in a second, a promise may come too late for its renewal; then the account is parked.
    """
    last: str | None = None
    while rows := await findings.list_(billing.pool, state="open", limit=PAGE, starting_after=last):
        last = rows[-1].id
        for row in rows:
            if row.account_id not in parked:
                verdict.unequal.append(f"{row.account_id}: {row.kind}, {row.expected} and not {row.found}")


async def _judge_mirror(site: Deployment, billing: Billing, dice: random.Random, verdict: Verdict) -> None:
    """Our copy is what Stripe says, object by object; of many, a part that the seed draws.

    And there is a copy of everything that Stripe lists, but for the attempts to pay that came to nothing:
    Stripe has no event of those.
    """
    for name, kind in KINDS.items():
        ids = [row["id"] for row in await billing.pool.fetch(f"SELECT id FROM stripe_{name} ORDER BY id")]
        drawn = sorted(dice.sample(ids, min(len(ids), COMPARED_MOST // len(KINDS))))
        verdict.compared += len(drawn)
        different = await _different(billing, kind, drawn)
        verdict.unequal += [f"{object_id}: not mirrored as it is" for object_id in different]
        told = [each async for each in listed(site, kind)]
        there = {each["id"] for each in told if kind is not Kind.INVOICE_PAYMENT or each["status"] == "paid"}
        verdict.unequal += [f"{object_id}: not mirrored at all" for object_id in sorted(there - set(ids))]


async def _different(billing: Billing, kind: Kind, ids: list[str]) -> list[str]:
    rows = await mirror_rows.load_rows(billing.pool, kind, ids)
    children = await mirror_rows.load_children(billing.pool, kind, ids)
    gate = asyncio.Semaphore(READS_AT_ONCE)

    async def is_different(object_id: str) -> bool:
        async with gate:
            read = await billing.gateway.read_object(kind, object_id)
        if read.body is None:
            return rows.get(object_id) is not None
        said = snapshot(render(kind, read.body))
        return (said.row, said.children) != (rows[object_id], tuple(children.get(object_id, ())))

    found = await asyncio.gather(*(is_different(object_id) for object_id in ids))
    return [object_id for object_id, is_so in zip(ids, found, strict=True) if is_so]
