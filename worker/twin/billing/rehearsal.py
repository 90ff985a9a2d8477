"""A rehearsal: the real code runs on copies of what one customer's billing touches, and is thrown away.

So a preview under a schedule, a trial or a cancellation is what really comes. Prices, products and tax rates
are lent, since billing only reads them; whatever else it asks for is copied at that moment.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from worker.twin.billing import invoicing, lifecycle, pending, renewals, transitions
from worker.twin.billing.applying import watch_renewal
from worker.twin.clock import PRIORITY
from worker.twin.copies import Borrowed
from worker.twin.events import EventLog, Snapshot
from worker.twin.facts import SubscriptionFacts
from worker.twin.store import Doc, Table, subscription_of
from worker.twin.world import World

LENT = ("price", "product", "tax_rate", "test_clock")
COPIED = ("coupon", "promotion_code", "discount", "payment_method")
STEPS = 1000  # moments of due work until a rehearsal gives up


class Made(Exception):
    """The awaited invoice was made."""


class Drafts(EventLog):
    """In place of events: every invoice as it was when it was made. `awaited`: the first one ends it all."""

    def __init__(self) -> None:
        self.request = None
        self.drafts: list[Doc] = []
        self.awaited = False

    def emit(self, kind: str, doc: Doc, previous: dict[str, Any] | None = None) -> None:
        """Keep a new invoice; nothing else is told."""
        if kind == "invoice.created":
            self.drafts.append(_copied(doc))
            if self.awaited:
                raise Made

    def updated(self, kind: str, doc: Doc, before: Snapshot) -> bool:
        """Nobody hears of it."""
        return False


class Rehearsal:
    """A world of one customer, at the same moment as the real one. `drafts` are the invoices made in it."""

    def __init__(self, world: World, customer: Doc) -> None:
        self.real, self.domain = world, customer["test_clock"] or ""
        self.world = World(lent=self._tables())
        self.events = Drafts()
        self._lend()
        now = world.clock.now(self.domain)
        self.world.clock.offset, self.world.clock.frozen[self.domain] = world.clock.offset, now
        self.world.store.add("customer", _copied(customer))
        for item in world.waiting.get(customer["id"], {}):
            invoicing.add_item(self.world, _copied(world.store["invoiceitem"].docs[item]))

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everything at once: what refers to itself would wait for the garbage collector."""
        self.world.store.tables.clear()
        vars(self.world).clear()

    def _tables(self) -> dict[str, Table]:
        real = self.real.store.tables
        lent = {kind: real[kind] for kind in LENT}
        copied = {kind: Borrowed(real[kind], _copied) for kind in COPIED}
        return {**lent, **copied, "invoice": Borrowed(real["invoice"], self._invoice)}

    def _lend(self) -> None:
        stage, world = self.world, self.real
        stage.facts.prices, stage.facts.cards = world.facts.prices, world.facts.cards
        stage.facts.coupons, stage.facts.codes = world.facts.coupons, world.facts.codes
        stage.account, stage.ids, stage.preview_ids = world.account, world.preview_ids, world.preview_ids
        stage.events = self.events
        works = {
            "renew": renewals.renew, "cancel": lifecycle.cancel_due, "expire_pending": pending.expire,
            "phase": transitions.transition, "schedule_start": transitions.start_due,
        }  # fmt: skip
        stage.runners = {kind: partial(works.get(kind, _ignore), stage) for kind in PRIORITY}

    def _invoice(self, doc: Doc) -> Doc:
        facts = self.real.facts.invoices.get(doc["id"])
        if facts is not None:
            self.world.facts.invoices[doc["id"]] = copy.copy(facts)
        return _copied(doc)

    @property
    def drafts(self) -> list[Doc]:
        """Invoices as they were made, oldest first."""
        return self.events.drafts

    def first_draft(self, work: Callable[[], object]) -> Doc | None:
        """The invoice that `work` makes; what comes after it is left out. None if it makes none."""
        self.events.awaited = True
        try:
            work()
        except Made:
            return self.drafts[-1]
        finally:
            self.events.awaited = False
        return None

    def bring(self, subscription_id: str) -> Doc:
        """Copy a subscription with its items and its schedule; plan what falls due."""
        stage, real = self.world, self.real
        source = real.store["subscription"].docs[subscription_id]
        subscription: Doc = _copied({**source, "items": {**source["items"], "data": []}})
        subscription["items"]["data"] = [_copied_item(i) for i in source["items"]["data"]]
        for item in subscription["items"]["data"]:
            stage.store.add("subscription_item", item)
        stage.store.add("subscription", subscription)
        stage.facts.subscriptions[subscription_id] = self._facts_of(source)
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
        transitions.plan_ahead(self.world, schedule, self.world.clock.now(self.domain))
        return schedule

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
