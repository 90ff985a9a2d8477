"""What counts as a difference: every kind by one example, and nothing that belongs to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.rules.drift import Difference, FindingKind, Severity
from sync.rules.drift_compare import (
    Meant,
    PromiseMeant,
    Seen,
    compare,
    second_subscription,
    subscription_missing,
)
from sync.rules.items import Item
from sync.rules.slots import Role, Slot
from sync.rules.terms import Interval, Terms
from tests.rules.builders import BOOK, CATALOG, items_of, price_id, terms

BOUGHT = terms(seats=5, add_ons={"sms": 2})
FEWER = replace(BOUGHT, seats=4)
RENEWAL = 2_000
MEANT = Meant("acme", "usd", BOUGHT)
PROMISED = replace(MEANT, promise=PromiseMeant(FEWER, RENEWAL, stands=True))
NO_SEATS = terms(seats=3)
ITEMS = items_of(BOUGHT)


def seen(items: Sequence[Item] = ITEMS, **others: Any) -> Seen:
    """The subscription as it should be, but for what is named."""
    facts = {"id": "sub_1", "status": "active", "period_start_unix": 1_000, **others}
    return Seen(items=items, **facts)


def kinds(meant: Meant, shown: Seen) -> list[str]:
    return [str(each.kind) for each in differences(meant, shown)]


def differences(meant: Meant, shown: Seen) -> list[Difference]:
    return compare(meant, shown, catalog=CATALOG, prices=BOOK)


def without(part: str) -> tuple[Item, ...]:
    return tuple(item for item in ITEMS if item.id != f"si_{part}")


def having(part: str, **fields: Any) -> tuple[Item, ...]:
    """The items with one of them edited."""
    return tuple(replace(item, **fields) if item.id == f"si_{part}" else item for item in ITEMS)


def slot(part: str, bought: Terms = BOUGHT) -> Slot:
    return next(each for each in CATALOG.items_for(bought, "usd") if each.part == part)


OTHER_TIER = price_id(slot("base", replace(BOUGHT, tier="pro")))
YEARLY = items_of(replace(BOUGHT, interval=Interval.YEAR))
STRANGE = Item("si_x", "price_by_hand", 1)
METERED = Item("si_m", "price_metered", 0, metered=True)
SECOND_SEATS = Item("si_seats_2", price_id(slot("seats"), 1), 1)
VOICE = Item("si_v", price_id(Slot.of_add_on("dedicated_ip", Interval.MONTH, "usd")), 1)
SLOTS = {each.part for each in CATALOG.items_for(BOUGHT, "usd")}

WRONG = [
    ("an item was removed", MEANT, seen(without("contacts")), ["missing_item"]),
    ("an add-on was removed", MEANT, seen(without("addon:sms")), ["missing_item"]),
    ("an add-on was added", replace(MEANT, terms=terms(seats=5)), seen(), ["extra_item"]),
    ("a second seats item", MEANT, seen((*ITEMS, SECOND_SEATS)), ["duplicate_item"]),
    ("the price of another tier", MEANT, seen(having("base", price_id=OTHER_TIER)), ["wrong_price"]),
    ("another quantity", MEANT, seen(having("seats", quantity=9)), ["wrong_quantity"]),
    ("no quantity at all", MEANT, seen(having("addon:sms", quantity=0)), ["wrong_quantity"]),
    ("two of the base", MEANT, seen(having("base", quantity=2)), ["wrong_quantity"]),
    ("billed by the year", MEANT, seen(YEARLY), ["wrong_interval"]),
    ("an item of nobody's", MEANT, seen((*ITEMS, STRANGE)), ["not_in_catalog"]),
    ("a metered item", MEANT, seen((*ITEMS, METERED)), ["not_in_catalog"]),
    ("a tier that is not sold", replace(MEANT, terms=terms(tier="gold")), seen(), ["terms_not_in_catalog"]),
    ("nothing was bought here", replace(MEANT, terms=None), seen(), ["terms_missing"]),
    ("ended in the dashboard", MEANT, seen(status="canceled", ended_at_once=True), ["status_differs"]),
    (
        "a schedule of others",
        MEANT,
        seen(schedule_id="sub_sched_1", schedule_is_ours=False),
        ["schedule_foreign"],
    ),
    (
        "our schedule, and no promise",
        MEANT,
        seen(schedule_id="sub_sched_1", schedule_is_ours=True),
        ["schedule_left_over"],
    ),
    ("a promise without its schedule", PROMISED, seen(schedule_carries=False), ["renewal_leg_missing"]),
    (
        "a promise, and a schedule of others",
        PROMISED,
        seen(schedule_id="sub_sched_1", schedule_is_ours=False, schedule_carries=False),
        ["schedule_foreign", "renewal_leg_missing"],
    ),
    ("an update of others", MEANT, seen(foreign_pending_until_unix=5), ["pending_update_foreign"]),
    (
        "the decrease was made before the renewal",
        PROMISED,
        seen(items_of(FEWER), schedule_carries=True),
        ["wrong_quantity"],
    ),
    (
        "neither what was nor what will be",
        replace(MEANT, in_flight=FEWER),
        seen(having("seats", quantity=9)),
        ["wrong_quantity"],
    ),
]

RIGHT = [
    ("as bought", MEANT, seen()),
    ("an earlier version of a price", MEANT, seen(items_of(BOUGHT, version=1))),
    ("an empty seats item is missing", replace(MEANT, terms=NO_SEATS), seen(items_of(NO_SEATS)[:2])),
    ("in trial", MEANT, seen(status="trialing")),
    ("past due", MEANT, seen(status="past_due")),
    ("collection given up", MEANT, seen(status="unpaid")),
    ("ends with its period", MEANT, seen(is_ending=True)),
    ("ended as planned", MEANT, seen((), status="canceled")),
    ("the first payment is open", replace(MEANT, terms=None, in_flight=BOUGHT), seen(status="incomplete")),
    ("the first payment never came", replace(MEANT, terms=None), seen(status="incomplete_expired")),
    ("a purchase has just landed", replace(MEANT, terms=FEWER, in_flight=BOUGHT, moves=True), seen()),
    ("a read lags behind a purchase", replace(MEANT, terms=FEWER, just_before=BOUGHT), seen()),
    ("a purchase has not landed yet", replace(MEANT, in_flight=FEWER, moves=True), seen()),
    ("a promise with its schedule", PROMISED, seen(
        schedule_id="sub_sched_1", schedule_is_ours=True, schedule_carries=True)),
    ("renewed a moment ago", PROMISED, seen(
        items_of(FEWER), period_start_unix=RENEWAL, schedule_is_ours=True, schedule_carries=False)),
    ("about to be noticed as missed", PROMISED, seen(period_start_unix=RENEWAL, schedule_carries=False)),
    ("its schedule is being written", replace(
        PROMISED, promise=PromiseMeant(FEWER, RENEWAL, stands=False), moves=True), seen()),
    ("its schedule is being let go", replace(MEANT, moves=True), seen(
        schedule_id="sub_sched_1", schedule_is_ours=True)),
    ("a promise that the end overtakes", PROMISED, seen(schedule_carries=False, is_ending=True)),
    ("a promise whose items nobody can read", PROMISED, seen(schedule_carries=None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("meant", "shown", "expected"), [case[1:] for case in WRONG], ids=[c[0] for c in WRONG]
)
def test_a_difference_has_its_kind(meant: Meant, shown: Seen, expected: list[str]) -> None:
    """Exactly this one, and about the object that it is at Stripe."""
    assert expected == kinds(meant, shown)
    assert {"acme"} == {each.account_id for each in differences(meant, shown)}


@pytest.mark.parametrize(("meant", "shown"), [case[1:] for case in RIGHT], ids=[c[0] for c in RIGHT])
def test_what_is_right_or_not_ours_to_judge_is_no_difference(meant: Meant, shown: Seen) -> None:
    """Earlier prices, people's own settings, and everything of ours that is on its way."""
    assert [] == differences(meant, shown)


def test_items_outside_the_catalog_stay_known_while_a_purchase_lands() -> None:
    """They are there before and after, and no reason to doubt either."""
    meant = replace(MEANT, terms=FEWER, in_flight=BOUGHT)
    assert ["not_in_catalog"] == kinds(meant, seen((*ITEMS, STRANGE)))


def test_another_living_subscription_of_the_customer() -> None:
    """Beside our own it is a second one; an account without any has terms that nobody knows."""
    other = replace(seen(), id="sub_2")
    assert ["second_subscription"] == [str(e.kind) for e in second_subscription(MEANT, "sub_1", other)]
    assert ["terms_missing"] == [str(e.kind) for e in second_subscription(MEANT, None, other)]
    ended = replace(other, status="canceled")
    assert [] == second_subscription(MEANT, "sub_1", ended)
    buying = replace(MEANT, in_flight=BOUGHT)
    assert [] == second_subscription(buying, None, other), "it may be our own, a moment before we note it"


def test_a_subscription_that_stripe_does_not_know_says_what_was_bought() -> None:
    """So that it can be sold again."""
    assert BOUGHT.to_json() == subscription_missing(MEANT, "sub_1").expected


def test_every_kind_has_a_sentence_and_a_severity() -> None:
    """What bills wrongly is critical; what is only shown is a notice."""
    assert all(kind.sentence.endswith(".") for kind in FindingKind)
    critical = {str(kind) for kind in FindingKind if kind.severity is Severity.CRITICAL}
    assert {"extra_item", "duplicate_item", "wrong_price", "wrong_quantity", "missing_item"} < critical
    assert Severity.NOTICE is FindingKind.NOT_IN_CATALOG.severity


# ---- any terms, any single edit


EVERY_TERMS = st.builds(
    terms,
    product=st.sampled_from(sorted(CATALOG.products)),
    tier=st.sampled_from(["plus", "pro", "enterprise"]),
    contact_limit=st.sampled_from(CATALOG.bands),
    seats=st.integers(41, 80),  # more than any tier includes: an empty item may be missing
    add_ons=st.sampled_from([{}, {"sms": 1}, {"sms": 3}]),
    interval=st.sampled_from(list(Interval)),
)
EDITS = ["remove", "add", "double", "tier", "band", "quantity", "interval", "foreign"]


@settings(max_examples=150, deadline=None)
@given(bought=EVERY_TERMS, version=st.sampled_from([1, 2]), edit=st.sampled_from(EDITS), data=st.data())
def test_any_single_edit_is_found_with_its_kind(
    bought: Terms, version: int, edit: str, data: st.DataObject
) -> None:
    """What was bought has no difference; whatever is edited afterwards has exactly one, and the right one."""
    items = list(items_of(bought, version=version))
    meant = Meant("acme", "usd", bought)
    assert [] == differences(meant, seen(items))
    expected = _edit(items, bought, edit, data)
    assert [expected] == kinds(meant, seen(items))


def _edit(items: list[Item], bought: Terms, edit: str, data: st.DataObject) -> str:
    """Edit the items in place, and say what kind of difference that is."""
    place = data.draw(st.integers(0, len(items) - 1))
    item = items[place]
    slots = list(CATALOG.items_for(bought, "usd"))
    base = next(n for n, each in enumerate(slots) if each.role is Role.BASE)
    match edit:
        case "remove":
            del items[place]
            return "missing_item"
        case "add":
            items.append(Item("si_new", price_id(Slot.of_add_on("dedicated_ip", bought.interval, "usd")), 1))
            return "extra_item"
        case "double":
            items.append(Item("si_new", price_id(slots[place]), item.quantity))
            return "duplicate_item"
        case "tier":
            other = "starter" if bought.tier != "starter" else "pro"
            items[base] = replace(items[base], price_id=price_id(replace(slots[base], tier=other)))
            return "wrong_price"
        case "band":
            n = next(n for n, each in enumerate(slots) if each.role is Role.CONTACTS)
            band = next(each for each in CATALOG.bands if each != bought.contact_limit)
            items[n] = replace(items[n], price_id=price_id(replace(slots[n], band=band)))
            return "wrong_price"
        case "quantity":
            items[place] = replace(item, quantity=item.quantity + data.draw(st.integers(1, 5)))
            return "wrong_quantity"
        case "interval":
            other_interval = Interval.YEAR if bought.interval is Interval.MONTH else Interval.MONTH
            items[:] = items_of(replace(bought, interval=other_interval))
            return "wrong_interval"
    items.append(STRANGE)
    return "not_in_catalog"
