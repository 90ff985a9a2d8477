"""What would make items and terms agree again, in either direction. Pure: facts in, a body or terms out.

No body here charges or credits: Stripe is told to prorate nothing, and what Stripe would bill at once all the
same - another interval, an update that waits for its payment - is left to people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.errors import Code, NotFound, Refused
from sync.requests import Body
from sync.rules.catalog import Catalog
from sync.rules.items import (
    AddItem,
    Amendment,
    Item,
    ItemChange,
    RemoveItem,
    SetItem,
    amendment_for,
    billed,
    without_empty,
)
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot
from sync.rules.terms import Terms
from sync.stripe_objects import Subscription

# Whatever else a subscription is, its items may be set without a payment being tried.
_MAY_BE_SET: Final = ("active", "trialing", "past_due", "unpaid", "paused")


@dataclass(frozen=True, slots=True)
class Facts:
    """A subscription as read, and what our side says about it.

    `last_billed` is the price that the account last paid for a slot, where that is known; `promised_unix` the
    renewal for which something is promised, `renewal_is_near` whether one comes within the half hour.
    """

    subscription: Subscription
    items: Sequence[Item]
    terms: Terms
    currency: str
    own_schedule_id: str | None
    schedule_id: str | None
    last_billed: Mapping[Slot, str]
    promised_unix: int | None
    renewal_is_near: bool


def update_of(facts: Facts, catalog: Catalog, prices: PriceBook) -> Body | None:
    """The update that makes the items bill the terms and moves no money; None when they do already.

    Raises Refused (`repair_needs_staff`) with what a person has to do first.
    """
    try:
        wanted = amendment_for(
            facts.items, facts.terms, catalog=catalog, prices=prices, currency=facts.currency
        )
    except (Refused, NotFound) as error:
        raise needs_staff(error.detail.removesuffix(" Nothing was charged.")) from error
    if billed(facts.items, prices) == without_empty(catalog.items_for(facts.terms, facts.currency)):
        return None
    _require_quiet(facts)
    changes = tuple(_at_kept_price(change, facts, prices) for change in wanted.changes)
    _require_same_interval(changes, facts, prices)
    _require_no_new_period(facts)
    _require_no_substitute(changes, facts, prices)
    return {"items": Amendment(changes).as_stripe_items(), "proration_behavior": "none"}


def _require_quiet(facts: Facts) -> None:
    """What other people attached would be dropped or would win over us."""
    subscription = facts.subscription
    if subscription.status not in _MAY_BE_SET:
        raise needs_staff(f"The subscription is {subscription.status}, so its items cannot be set.")
    if subscription.pending_update is not None:
        raise needs_staff(
            "An update waits for its payment and would be lost: have it paid, or void its invoice, first."
        )
    if facts.schedule_id is not None and facts.schedule_id != facts.own_schedule_id:
        raise needs_staff(
            f"The schedule {facts.schedule_id} of somebody else drives the subscription and would undo it: "
            "release it in Stripe first."
        )
    if facts.promised_unix is None:
        return
    if subscription.period_start >= facts.promised_unix:
        raise Refused(
            Code.CHANGE_IN_PROGRESS,
            "It has renewed, and what was promised for the renewal is not in force here yet: our terms are "
            "those of before. Nothing was changed and nothing was charged; look again in some minutes.",
            retryable=True,
        )
    if facts.renewal_is_near:
        raise Refused(
            Code.RENEWAL_NEAR,
            "It renews within the half hour, and with other items. Nothing was changed and nothing was "
            "charged; look again afterwards.",
            retryable=True,
        )


def _at_kept_price(change: ItemChange, facts: Facts, prices: PriceBook) -> ItemChange:
    """The change at the price that the account had: today's price may be another one, which nobody agreed
    to pay."""
    if isinstance(change, RemoveItem):
        return change
    slot = prices.slot_of(change.price_id)
    held = {item.id: item.price_id for item in facts.items}
    if slot is None or (isinstance(change, SetItem) and held.get(change.item_id) == change.price_id):
        return change
    known = prices.versions(slot)
    if len(known) == 1:
        return change
    kept = facts.last_billed.get(slot)
    if kept is None:
        raise needs_staff(
            f"{slot.key} has {len(known)} prices, and no paid invoice tells which of them was bought: set "
            "the item in Stripe by hand."
        )
    if isinstance(change, AddItem):
        return AddItem(kept, change.quantity)
    return SetItem(change.item_id, kept, change.quantity)


def _require_same_interval(changes: Sequence[ItemChange], facts: Facts, prices: PriceBook) -> None:
    """Another interval begins a new period, which Stripe bills at once, prorated or not."""
    present = {
        slot.interval for item in facts.items if (slot := prices.slot_of(item.price_id)) and not item.metered
    }
    wanted = {
        slot.interval
        for change in changes
        if not isinstance(change, RemoveItem) and (slot := prices.slot_of(change.price_id))
    }
    if wanted and present - wanted:
        raise needs_staff(
            "The items are billed by another interval than the terms, and setting that back would be billed "
            "at once: agree on it with the customer, then change it in Stripe by hand."
        )


def _require_no_new_period(facts: Facts) -> None:
    """In classic mode the first item that costs something begins a new period, which is billed at once."""
    subscription = facts.subscription
    metered = {item.id for item in facts.items if item.metered}
    bills = any(
        item.quantity and item.price.unit_amount != 0
        for item in subscription.items.data
        if item.id not in metered
    )
    if subscription.billing_mode.type == "classic" and not bills:
        raise needs_staff(
            "The subscription bills nothing now and is in Stripe's classic billing mode, where the first "
            "item that costs something is billed at once: migrate it, or agree with the customer, first."
        )


def _require_no_substitute(changes: Sequence[ItemChange], facts: Facts, prices: PriceBook) -> None:
    """An item outside the catalog may stand for the missing one, and would be billed beside it."""
    added = [change for change in changes if isinstance(change, AddItem)]
    foreign = [item.id for item in facts.items if not item.metered and prices.slot_of(item.price_id) is None]
    if added and foreign:
        raise needs_staff(
            f"The item {foreign[0]} is outside the catalog and may stand for the one that is missing: set "
            "its price back in Stripe, or remove it there, first."
        )


def needs_staff(why: str) -> Refused:
    """The refusal of whatever only a person can put right."""
    return Refused(Code.REPAIR_NEEDS_STAFF, f"{why} Nothing was changed and nothing was charged.")


def terms_of(items: Sequence[Item], *, catalog: Catalog, prices: PriceBook, currency: str) -> Terms | None:
    """The terms that the items bill, exactly; None where they fit none that is sold."""
    try:
        slots = billed(items, prices)
        terms = catalog.terms_of(slots)
        if terms is None or catalog.problems_of(terms):
            return None
        wanted = catalog.items_for(terms, currency)
    except (Refused, NotFound):
        return None
    return terms if without_empty(wanted) == slots else None
