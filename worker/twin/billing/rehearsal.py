"""A rehearsal: the real code runs on copies of what one customer's billing touches, and is thrown away.

So a preview under a schedule, a trial or a cancellation is what really comes. Prices, products and tax rates
are lent, since billing only reads them; everything else that the subscription refers to is copied.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import msgspec

from worker.twin.billing import invoicing, lifecycle, pending, renewals, transitions
from worker.twin.billing.applying import watch_renewal
from worker.twin.clock import PRIORITY
from worker.twin.events import EventLog, Snapshot
from worker.twin.facts import SubscriptionFacts
from worker.twin.store import Doc, subscription_of
from worker.twin.world import World

LENT = ("price", "product", "tax_rate", "test_clock")
DISCOUNTS = ("coupon", "promotion_code", "discount")
COPIED = (*DISCOUNTS, "payment_method", "invoice")
STEPS = 1000  # moments of due work until a rehearsal gives up


class Drafts(EventLog):
    """In place of events: every invoice as it was when it was made."""

    def __init__(self) -> None:
        self.request = None
        self.drafts: list[Doc] = []

    def emit(self, kind: str, doc: Doc, previous: dict[str, Any] | None = None) -> None:
        """Keep a new invoice; nothing else is told."""
        if kind == "invoice.created":
            self.drafts.append(_copied(doc))

    def updated(self, kind: str, doc: Doc, before: Snapshot) -> bool:
        """Nobody hears of it."""
        return False


class Rehearsal:
    """A world of one customer, at the same moment as the real one. `drafts` are the invoices made in it."""

    def __init__(self, world: World, customer: Doc, params: dict[str, Any] | None = None) -> None:
        self.real, self.domain = world, customer["test_clock"] or ""
        self.world = World()
        self.events = Drafts()
        self._lend()
        now = world.clock.now(self.domain)
        self.world.clock.offset, self.world.clock.frozen[self.domain] = world.clock.offset, now
        self.world.store.add("customer", _copied(customer))
        self._copy_named([customer, params or {}])
        for item in world.waiting.get(customer["id"], {}):
            invoicing.add_item(self.world, _copied(world.store["invoiceitem"].docs[item]))

    def _lend(self) -> None:
        stage, world = self.world, self.real
        for kind in LENT:
            stage.store.tables[kind] = world.store.tables[kind]
        stage.facts.prices, stage.facts.cards = world.facts.prices, world.facts.cards
        stage.facts.coupons, stage.facts.codes = world.facts.coupons, world.facts.codes
        stage.account, stage.ids, stage.preview_ids = world.account, world.preview_ids, world.preview_ids
        stage.events = self.events
        works = {
            "renew": renewals.renew, "cancel": lifecycle.cancel_due, "expire_pending": pending.expire,
            "phase": transitions.transition, "schedule_start": transitions.start_due,
        }  # fmt: skip
        stage.runners = {kind: partial(works.get(kind, _ignore), stage) for kind in PRIORITY}

    @property
    def drafts(self) -> list[Doc]:
        """Invoices as they were made, oldest first."""
        return self.events.drafts

    def bring(self, subscription_id: str) -> Doc:
        """Copy a subscription with its items, its schedule, and what it refers to; plan what falls due."""
        stage, real = self.world, self.real
        source = real.store["subscription"].docs[subscription_id]
        subscription: Doc = _copied({**source, "items": {**source["items"], "data": []}})
        subscription["items"]["data"] = [_copied_item(i) for i in source["items"]["data"]]
        for item in subscription["items"]["data"]:
            stage.store.add("subscription_item", item)
        stage.store.add("subscription", subscription)
        stage.facts.subscriptions[subscription_id] = facts = self._facts_of(source)
        self._copy_named([source, msgspec.to_builtins(facts.pending)])
        self._copy_named(msgspec.to_builtins(facts.debits), DISCOUNTS)
        watch_renewal(stage, subscription)
        if subscription["cancel_at"]:
            stage.clock.at(subscription["cancel_at"], "cancel", subscription_id, self.domain)
        if subscription["pending_update"]:
            due = subscription["pending_update"]["expires_at"]
            stage.clock.at(due, "expire_pending", subscription_id, self.domain)
        if subscription["schedule"]:
            self.bring_schedule(subscription["schedule"])
        return subscription

    def _facts_of(self, source: Doc) -> SubscriptionFacts:
        """A copy without the spans of earlier periods: of those only the last may still be asked for."""
        facts = self.real.facts.subscriptions[source["id"]]
        since = min(i["current_period_start"] for i in source["items"]["data"])
        kept = {
            item: [d for d in spans if d.until >= since or d is spans[-1]]
            for item, spans in facts.debits.items()
        }
        return msgspec.json.decode(
            msgspec.json.encode(msgspec.structs.replace(facts, debits=kept)), type=SubscriptionFacts
        )

    def bring_schedule(self, schedule_id: str) -> Doc:
        """Copy a schedule; its subscription must be there if it has one."""
        schedule: Doc = _copied(self.real.store["subscription_schedule"].docs[schedule_id])
        self.world.store.add("subscription_schedule", schedule)
        self._copy_named(schedule)
        transitions.plan_ahead(self.world, schedule, self.world.clock.now(self.domain))
        return schedule

    def _copy_named(self, value: Any, kinds: tuple[str, ...] = COPIED) -> None:
        """Copy every object of `kinds` that is named in `value`, and the discounts that those name in turn.

        An old invoice names older ones: they are not followed.
        """
        for object_id in _strings(value):
            for kind in kinds:
                source = self.real.store[kind].docs.get(object_id)
                if source is not None and object_id not in self.world.store[kind].docs:
                    self.world.store.add(kind, _copied(source))
                    self._copy_facts(object_id)
                    self._copy_named(source, DISCOUNTS)

    def _copy_facts(self, object_id: str) -> None:
        facts = self.real.facts.invoices.get(object_id)
        if facts is not None:
            self.world.facts.invoices[object_id] = copy.copy(facts)

    def next_draft(self, subscription_id: str | None = None) -> Doc | None:
        """Let time pass until an invoice is made for the subscription; None if none ever comes."""
        clock = self.world.clock
        for _ in range(STEPS):
            for draft in self.drafts:
                if subscription_id in (None, subscription_of(draft)):
                    return draft
            queue = clock.queues.get(self.domain)
            if not queue:
                return None
            due = queue[0].due
            clock.frozen[self.domain] = max(clock.now(self.domain), due)
            queue[:] = sorted(task for task in queue if task.kind in self.world.runners)
            self.world.run_due(self.domain)
        return None


def _ignore(world: World, object_id: str, due: int) -> None:
    """Due work that makes no invoice of the subscription."""


def _copied(doc: Doc) -> Doc:
    copied: Doc = msgspec.json.decode(msgspec.json.encode(doc))
    return copied


def _copied_item(item: Doc) -> Doc:
    """A subscription's item; its price and plan are the lent ones."""
    lent = {name: item[name] for name in ("price", "plan")}
    return {**_copied({name: value for name, value in item.items() if name not in lent}), **lent}


def _strings(value: Any) -> dict[str, None]:
    """Every string in `value` once, except in prices, which are lent. A loop: this runs for each preview."""
    found: dict[str, None] = {}
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            part = [inner for name, inner in part.items() if name not in ("price", "plan")]
        for inner in part or ():
            if isinstance(inner, str):
                found[inner] = None
            elif isinstance(inner, dict | list | tuple):
                left.append(inner)
    return found
