"""What must hold after every step: the safety half of the promises, with Stripe's own books as the oracle.

The names S1 to S23 are those of the table of promises in tests/README.md. Each check returns sentences; none
is fine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from sync.states import ENDED, LegState, may_move
from tests.simulation.life import Life
from tests.simulation.stripe import NOTE
from worker.twin.ledger import Effect

LEGS = """
SELECT leg.change_id, leg.leg, leg.account_id, leg.state, leg.ended_at, leg.stripe_invoice_id,
       leg.difference_minor, leg.quoted_minor, leg.apply_deadline_at, leg.terms, quote.total_minor,
       quote.current_terms, quote.approved, quote.cancel, quote.expires_at, change.created_at,
       change.actor_id, account.parked_at
  FROM change_leg AS leg JOIN change ON change.id = leg.change_id JOIN quote ON quote.id = change.quote_id
  JOIN account ON account.id = leg.account_id
 ORDER BY leg.change_id, leg.leg
"""
NEW_STEPS = "SELECT id, change_id, leg, state FROM change_step WHERE id > $1 ORDER BY id"
CALLS = "SELECT key, subject_id, params, path, sends FROM stripe_call"
HEADS = "SELECT id, coalesce(seen_from_unix, 0), coalesce(seen_to_unix, 0), revision FROM stripe_object"
UNPAID_TERMS = """
SELECT terms.account_id FROM account_terms AS terms
  JOIN change_leg AS leg ON leg.change_id = terms.change_id AND leg.leg = terms.leg
 WHERE leg.state NOT IN ('applied', 'settled')
"""
LOST = "SELECT id FROM unnest($1::text[]) AS id EXCEPT SELECT id FROM inbox"

CHARGED = frozenset({LegState.APPLIED, LegState.SETTLED})
NEVER = ENDED - {LegState.SETTLED}
# One effect of each kind for a change, at most.
ONCE = (
    "subscription_created",
    "subscription_updated",
    "pending_update_created",
    "pending_update_applied",
    "charge",
)
# What a request of ours begins; what follows from it later may be somebody else's doing.
BEGINS = frozenset({"subscription_created", "subscription_updated", "pending_update_created"})
# The client hangs up after a minute; what left in time may arrive so much later.
ON_THE_WIRE = 61


@dataclass
class Watch:
    """Remembers what it saw, so that it can tell what may not come back."""

    life: Life
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    heads: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    last_step: int = 0
    first_effect: int = 0
    history: set[str] = field(default_factory=set)

    async def begin(self) -> None:
        """Everything so far is history."""
        self.first_effect = len(self.life.stripe.effects())
        pool = self.life.stage.pool
        self.last_step = await pool.fetchval("SELECT coalesce(max(id), 0) FROM change_step")
        for row in await pool.fetch(LEGS):
            self.history.add(row["change_id"])

    async def look(self) -> list[str]:
        """What is broken."""
        pool, broken = self.life.stage.pool, self.life.broken
        legs = [dict(row) for row in await pool.fetch(LEGS) if row["change_id"] not in self.history]
        calls = {row["key"]: row for row in await pool.fetch(CALLS)}
        effects = self.life.stripe.effects()[self.first_effect :]
        broken += self._effects(
            effects, {leg["change_id"]: leg for leg in legs if leg["leg"] == "now"}, calls
        )
        broken += self._keys(calls)
        broken += self._legs(legs, effects)
        broken += self._moves([dict(row) for row in await pool.fetch(NEW_STEPS, self.last_step)])
        broken += self._heads([tuple(row) for row in await pool.fetch(HEADS)])
        broken += [f"S23: {row[0]} has terms that nobody paid" for row in await pool.fetch(UNPAID_TERMS)]
        acknowledged = {event.id for event in self.life.known}
        lost = await pool.fetch(LOST, list(acknowledged)) if acknowledged else []
        broken += [f"S5, S6: {row['id']} was acknowledged and is not stored" for row in lost]
        broken += self._notes()
        broken += self._stopped()
        return broken

    def _effects(
        self, effects: list[Effect], legs: dict[str, dict[str, Any]], calls: dict[str, Any]
    ) -> Iterator[str]:
        """S1, S2, S10, S14: what a request of ours did was confirmed, stored, sent in time, and done once."""
        counted = Counter((each.change_id, each.kind) for each in effects if each.change_id)
        for (change_id, kind), times in counted.items():
            if kind in ONCE and times > 1:
                yield f"S1: {kind} happened {times} times for {change_id}"
            if change_id not in legs:
                yield f"S2: {kind} for {change_id}, which nobody confirmed"
        for each in effects:
            if each.request is None or each.request == "":
                continue
            if each.idempotency_key not in calls or not calls[each.idempotency_key]["sends"]:
                yield f"S10: {each.kind} on {each.object} under {each.idempotency_key}, which was not stored"
            leg = legs.get(each.change_id or "")
            if (
                leg is not None
                and each.kind in BEGINS
                and each.at > _unix(leg["apply_deadline_at"]) + ON_THE_WIRE
            ):
                yield f"S3: {each.kind} for {each.change_id} after its deadline"

    def _keys(self, calls: dict[str, Any]) -> Iterator[str]:
        """S10, S11: a key keeps its body, and a change is sent under one key."""
        sends: Counter[str] = Counter()
        for key, row in calls.items():
            body = msgspec.json.encode([row["path"], row["params"]], order="deterministic")
            if self.bodies.setdefault(key, body) != body:
                yield f"S10: {key} has another body now"
            sends[row["subject_id"]] += ":now:send:" in key
        yield from (
            f"S11: {change} was sent under {times} keys" for change, times in sends.items() if times > 1
        )

    def _legs(self, legs: list[dict[str, Any]], effects: list[Effect]) -> Iterator[str]:
        """S3, S9, S12, S15, S22: each leg against what happened at Stripe."""
        open_now = Counter(
            leg["account_id"] for leg in legs if leg["leg"] == "now" and leg["ended_at"] is None
        )
        yield from (f"S9: {name} has {times} open changes" for name, times in open_now.items() if times > 1)
        invoices = self.life.stage.twin.world.store["invoice"].docs
        for leg in legs:
            key, state = (leg["change_id"], leg["leg"]), LegState(leg["state"])
            before = self.states.get(key)
            if before in ENDED and before != state:
                yield f"S12: {key} was {before} and is {state}"
            self.states[key] = state
            if leg["leg"] != "now":
                yield from _promised_too_early(leg, legs)
                continue
            mine = [each for each in effects if each.change_id == leg["change_id"]]
            charged = sum(each.amount_minor for each in mine if each.kind == "charge")
            touched = leg["account_id"] in self.life.stripe.touched
            if state in NEVER:
                if self.ended.setdefault(leg["change_id"], len(mine)) < len(mine) - _ends(mine):
                    yield f"S22: {key} is {state}, and something happened afterwards"
                if charged:
                    yield f"S22: {key} is {state}, and {charged} were charged"
                invoice = invoices.get(leg["stripe_invoice_id"] or "")
                if invoice is not None and invoice["status"] == "open":
                    yield f"S22: {key} is {state}, and its invoice could still be paid"
            is_judged = state is LegState.SETTLED and not touched and before is not None
            off = leg["difference_minor"]
            if is_judged and (charged != max(leg["quoted_minor"] or 0, 0) or off):
                yield f"S3: {key} was promised for {leg['quoted_minor']}, {charged} charged, {off} off"
            yield from _of_confirm(leg)

    def _moves(self, steps: list[dict[str, Any]]) -> Iterator[str]:
        """S12: only allowed moves."""
        for step in steps:
            key = (step["change_id"], step["leg"] + " steps")
            before, now = self.states.get(key), LegState(step["state"])
            if before is not None and not may_move(LegState(before), now):
                yield f"S12: {step['change_id']} moved from {before} to {now}"
            self.states[key], self.last_step = now, max(self.last_step, step["id"])

    def _heads(self, heads: list[tuple[Any, ...]]) -> Iterator[str]:
        """S8: what is mirrored never goes back to an older observation."""
        for object_id, seen_from, seen_to, revision in heads:
            before = self.heads.get(object_id, (0, 0, 0))
            if seen_to < before[1] or revision < before[2]:
                yield f"S8: {object_id} went back from {before} to {(seen_from, seen_to, revision)}"
            self.heads[object_id] = (seen_from, seen_to, revision)

    def _stopped(self) -> Iterator[str]:
        """S14: while all writes are stopped, nothing of ours begins at Stripe."""
        if self.life.stopped_at is not None:
            for each in self.life.stripe.effects()[self.life.stopped_at :]:
                if each.change_id and each.kind in BEGINS:
                    yield f"S14: {each.kind} for {each.change_id} while all writes were stopped"

    def _notes(self) -> Iterator[str]:
        """S16: what others wrote on a subscription stays."""
        docs = self.life.stage.twin.world.store["subscription"].docs
        for subscription_id, text in self.life.stripe.notes.items():
            if docs[subscription_id]["metadata"].get(NOTE) != text:
                yield f"S16: the note on {subscription_id} is gone"


def _promised_too_early(leg: dict[str, Any], legs: list[dict[str, Any]]) -> Iterator[str]:
    """S21: what a cart leaves for the renewal is promised only when its increase is paid."""
    for other in legs:
        unpaid = LegState(other["state"]) not in CHARGED
        if other["change_id"] == leg["change_id"] and other["leg"] == "now" and unpaid:
            yield f"S21: {leg['change_id']} promises its decrease, and its increase is {other['state']}"


def _of_confirm(leg: dict[str, Any]) -> Iterator[str]:
    """S3, S15: confirmed while the quote stood; nobody lowers a tier alone."""
    if leg["created_at"] > leg["expires_at"]:
        skew = (leg["created_at"] - leg["expires_at"]).total_seconds()
        if skew > 31:
            yield f"S3: {leg['change_id']} was confirmed {skew:.0f} s after its quote had expired"
    before, after = leg["current_terms"], leg["terms"]
    if before and after and leg["approved"] is None and leg["cancel"] is None:
        lowered = before["tier"] == "pro" and after["tier"] == "plus"
        if lowered or after["seats"] < before["seats"] or after["contact_limit"] < before["contact_limit"]:
            yield f"S15: {leg['change_id']} takes away at once what support has to approve"


def _ends(effects: list[Effect]) -> int:
    """Effects that only take back."""
    return sum(
        each.kind in ("invoice_voided", "pending_update_discarded", "subscription_canceled", "credit_note")
        for each in effects
    )


def _unix(moment: datetime) -> float:
    return moment.timestamp()
