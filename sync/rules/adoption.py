"""From a subscription as Stripe has it to the terms that it bills: exactly, or not at all.

Nothing is guessed: what is not said by one of the places that `adoption_prices` reads is reported, each
reason with its sentence, and then nothing is written for the subscription. Items outside the catalog are
left alone: metered ones, and those of which somebody says that they are outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sync.rules.adoption_prices import FoundPrice, Named, Saying, name_of
from sync.rules.adoption_reasons import Reason, Remark, Why, why
from sync.rules.entitlements import ENDED
from sync.rules.slots import Role, Slot
from sync.rules.terms import Terms

_BY_STATUS = {"trialing": Remark.TRIALING, "past_due": Remark.UNPAID, "unpaid": Remark.UNPAID}


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item as read; a metered one has no quantity."""

    id: str
    price: FoundPrice
    quantity: int | None = 1
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundSubscription:
    """A subscription as read. `siblings` are the customer's other living ones."""

    id: str
    customer_id: str
    currency: str
    items: tuple[FoundItem, ...]
    status: str = "active"
    metadata: Mapping[str, str] = field(default_factory=dict)
    schedule_id: str | None = None
    has_pending_update: bool = False
    paused: bool = False
    ends: bool = False
    pays_by_invoice: bool = False
    customer_currency: str | None = None
    customer_deleted: bool = False
    siblings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OurItem:
    """An item of the catalog: what it stands for, and who says so."""

    item: FoundItem
    named: Named

    @property
    def quantity(self) -> int:
        return self.item.quantity or 0

    def to_json(self) -> dict[str, object]:
        """Return the item of a report; `amount_minor` is that of one unit."""
        price = self.item.price
        return {
            "item_id": self.item.id,
            "price_id": price.id,
            "slot": self.named.slot.key,
            "by": str(self.named.by),
            "quantity": self.quantity,
            "amount_minor": price.unit_amount_minor,
            "currency": price.currency,
        }


@dataclass(frozen=True, slots=True)
class Mapped:
    """A subscription that maps exactly. `remarks` name what limits later changes, and what is left alone."""

    terms: Terms
    items: tuple[OurItem, ...]
    remarks: tuple[Why, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A subscription that is not taken over, with every reason."""

    reasons: tuple[Why, ...]


def decide(found: FoundSubscription, saying: Saying) -> Mapped | Unmapped:
    """Map a subscription to terms, or say everything that stands against it."""
    named = [(item, name_of(item.price, item.metadata, found.metadata, saying)) for item in found.items]
    ours = tuple(OurItem(item, name) for item, name in named if isinstance(name, Named))
    # Of what is metered nothing is sold here. A licensed price may always be one of ours: add-ons have a
    # place beside every set, and a second one of the same would be charged twice.
    spare = [item for item, name in named if item.price.metered and _says_nothing(name)]
    outside = [*(item for item, name in named if name is None), *spare]
    doubted = [(item, name) for item, name in named if isinstance(name, Why) and item not in spare]
    reasons = [*_of_subscription(found, saying), *(said for _, said in doubted)]
    reasons += _of_set(found, ours)
    if not doubted:  # what is missing may be what is in doubt
        reasons += _missing(found, ours)
    if reasons:
        return Unmapped(tuple(reasons))
    terms = saying.catalog.terms_of({each.named.slot: each.quantity for each in ours})
    if terms is None:
        raise AssertionError("items without a product or a contact limit have their reason")
    if problems := saying.catalog.problems_of(terms):
        said = [why(Reason.NOT_SOLD_TOGETHER, problem.pointer, problem.detail) for problem in problems]
        return Unmapped(tuple(said))
    return Mapped(terms, ours, tuple(_remarks(found, ours, outside, saying)))


def _says_nothing(name: Named | Why | None) -> bool:
    return isinstance(name, Why) and name.code is Reason.UNKNOWN_PRICE


def _of_subscription(found: FoundSubscription, saying: Saying) -> Iterator[Why]:
    """Return what stands against it whatever its items are."""
    if found.status in ENDED:
        yield why(Reason.ENDED, found.id, f"it is {found.status}")
    if found.status == "incomplete":
        yield why(Reason.INCOMPLETE, found.id)
    if found.customer_deleted:
        yield why(Reason.CUSTOMER_DELETED, found.customer_id)
    if found.siblings:
        yield why(Reason.SECOND_SUBSCRIPTION, found.customer_id, ", ".join((found.id, *found.siblings)))
    if found.schedule_id is not None:
        advice = "Release the schedule at Stripe, and adopt again."
        yield why(Reason.FOREIGN_SCHEDULE, found.schedule_id, found.schedule_id, advice)
    if found.has_pending_update:
        yield why(Reason.PENDING_UPDATE, found.id, advice="Adopt again once it is paid or dropped.")
    if found.currency not in saying.catalog.currencies:
        yield why(Reason.CURRENCY_NOT_SOLD, found.id, found.currency)
    if found.customer_currency not in (None, found.currency):
        values = f"the customer is billed in {found.customer_currency}, the subscription in {found.currency}"
        yield why(Reason.CURRENCY_DIFFERS, found.customer_id, values)


def _of_set(found: FoundSubscription, ours: Sequence[OurItem]) -> Iterator[Why]:
    """Return what stands against the items together."""
    by_part: dict[str, list[OurItem]] = {}
    for each in ours:
        by_part.setdefault(each.named.slot.part, []).append(each)
        if each.named.slot.currency != found.currency:
            values = f"{each.item.price.id} is in {each.named.slot.currency}, the account in {found.currency}"
            yield why(Reason.CURRENCY_DIFFERS, each.item.id, values)
        if each.named.slot.role in (Role.BASE, Role.CONTACTS) and each.quantity != 1:
            yield why(Reason.QUANTITY_NOT_ONE, each.item.id, f"{each.item.id} has {each.quantity}")
    sold = [each.named.slot for each in ours if each.named.slot.role is not Role.ADDON]
    yield from _differing(found, sold)
    for part, several in by_part.items():
        if len({(each.named.slot.product, each.named.slot.tier) for each in several}) < len(several):
            values = f"{part} is billed by {' and '.join(each.item.id for each in several)}"
            yield why(Reason.DOUBLED_ITEM, several[0].item.id, values)
    yield from _mixed(found)


def _missing(found: FoundSubscription, ours: Sequence[OurItem]) -> Iterator[Why]:
    """Return which item there must be and is not."""
    roles = {each.named.slot.role for each in ours}
    if Role.BASE not in roles:
        yield why(Reason.NO_BASE_ITEM, found.id)
    if Role.CONTACTS not in roles:
        yield why(Reason.NO_CONTACTS_ITEM, found.id)


def _differing(found: FoundSubscription, sold: Sequence[Slot]) -> Iterator[Why]:
    """Return whether the items are of more than one product or tier."""
    products, tiers = sorted({slot.product for slot in sold}), sorted({slot.tier for slot in sold})
    if len(products) > 1:
        yield why(Reason.TWO_PRODUCTS, found.id, ", ".join(products))
    if len(tiers) > 1:
        yield why(Reason.TWO_TIERS, found.id, ", ".join(tiers))


def _mixed(found: FoundSubscription) -> Iterator[Why]:
    """Return whether items renew at different times, those outside the catalog too: their period is part
    of every proration."""
    rhythms = sorted({(item.price.interval or "once", item.price.interval_count) for item in found.items})
    if len(rhythms) > 1:
        values = ", ".join(f"every {count} {interval}" for interval, count in rhythms)
        yield why(Reason.MIXED_INTERVALS, found.id, values)


def _remarks(
    found: FoundSubscription, ours: Sequence[OurItem], outside: Sequence[FoundItem], saying: Saying
) -> Iterator[Why]:
    """Return what a person should know of a subscription that is adopted."""
    for item in outside:
        yield why(Remark.OUTSIDE_CATALOG, item.id, f"{item.id} with the price {item.price.id}")
    for each in ours:
        expected = saying.catalog.amount_minor(each.named.slot)
        if each.item.price.unit_amount_minor != expected:
            values = f"{each.item.price.id} costs {each.item.price.unit_amount_minor} instead of {expected}"
            yield why(Remark.OTHER_AMOUNT, each.item.id, values)
    if found.status in _BY_STATUS:
        yield why(_BY_STATUS[found.status], found.id)
    if found.paused or found.status == "paused":
        yield why(Remark.PAUSED, found.id)
    if found.ends:
        yield why(Remark.ENDS, found.id)
    if found.pays_by_invoice:
        yield why(Remark.PAYS_BY_INVOICE, found.id)
