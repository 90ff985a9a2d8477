"""Items become terms exactly, or every reason is named; nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.errors import BadInput
from sync.rules.adoption import FoundItem, FoundSubscription, Mapped, Unmapped
from sync.rules.adoption_prices import MapLine, PriceMap
from sync.rules.adoption_reasons import Reason
from sync.rules.terms import Interval, Terms
from tests.adopt.builders import (
    BASE,
    CONTACTS,
    SEATS,
    SMS,
    decided,
    foreign,
    ours,
    reasons,
    slot,
    subscription,
    tagged,
)
from tests.rules.builders import CATALOG

PLUS = Terms("marketing", "plus", 1000, 5)
REST = (ours(CONTACTS), ours(SEATS, 2))
FULL = (ours(BASE), *REST)


def said_of_a(text: str, **of_price: Any) -> FoundItem:
    """An item with the price `price_a`, whose metadata says this of it."""
    return foreign("a", metadata={"prorata_slot": text}, **of_price)


def terms_of(*items: FoundItem, **others: Any) -> Terms:
    """The terms of a subscription that maps."""
    said = decided(subscription(*items, **others))
    assert isinstance(said, Mapped), said
    return said.terms


def test_catalog_prices_of_any_version_map() -> None:
    """A price that our list knows names its slot, sold or retired."""
    assert PLUS == terms_of(ours(BASE, version=1), ours(CONTACTS), ours(SEATS, 2, version=1))


def test_seats_are_the_included_ones_where_there_is_no_item_for_them() -> None:
    """Without extra seats there may be no item of them."""
    assert Terms("marketing", "plus", 1000, 3) == terms_of(ours(BASE), ours(CONTACTS))


def test_add_ons_and_years_map() -> None:
    """Packs count by quantity; the interval is that of the prices."""
    yearly = [ours(each, interval="year") for each in (BASE, CONTACTS)]
    found = terms_of(*yearly, ours(SMS, 3, interval="year"))
    assert Terms("marketing", "plus", 1000, 3, {"sms": 3}, Interval.YEAR) == found


def test_lookup_key_of_our_grammar_names_a_price() -> None:
    """A price that another installation pushed is known by its key, at whatever amount it was sold."""
    keyed = foreign("a", 4100, lookup_key=slot(BASE).lookup_key(7))
    said = decided(subscription(keyed, *REST))
    assert isinstance(said, Mapped)
    assert PLUS == said.terms
    assert ["other_amount"] == [str(each.code) for each in said.remarks]


@pytest.mark.parametrize(
    "item",
    [
        foreign("a", metadata={"prorata_slot": BASE}),
        foreign("a", metadata={"prorata_slot": slot(BASE).key}),
        foreign("a", product_metadata={"prorata_slot": BASE}),
        replace(foreign("a"), metadata={"prorata_slot": BASE}),
        foreign("a", 5500, metadata={"prorata_slot": BASE, "prorata_amount_minor": "5500"}),
    ],
)
def test_metadata_names_a_price(item: FoundItem) -> None:
    """On the price, its product or the item; in short or in full; another amount only where accepted."""
    assert PLUS == terms_of(item, *REST)


def test_subscription_metadata_names_its_prices() -> None:
    """One text names several prices of the subscription."""
    names = {"prorata_slots": f"price_a={BASE} price_b={CONTACTS}"}
    found = terms_of(foreign("a"), foreign("b", 2000), ours(SEATS), metadata=names)
    assert Terms("marketing", "plus", 1000, 4) == found


def test_mapping_file_names_prices() -> None:
    """The operator's file names prices, and accepts other amounts one by one."""
    lines = {"price_a": MapLine(BASE, accept_amount_minor=5500), "price_b": CONTACTS, "price_c": SEATS}
    found = subscription(foreign("a", 5500), foreign("b", 2000), foreign("c", 1500, 2))
    said = decided(found, lines)
    assert isinstance(said, Mapped)
    assert PLUS == said.terms
    assert ["amount_differs"] == reasons(found, {**lines, "price_a": MapLine(BASE, 5400)})


def test_mapping_file_is_read_strictly() -> None:
    """Every wrong part of the file is named; nothing of it is used."""
    good = PriceMap.load(f'[prices.price_a]\nslot = "{BASE}"\naccept_amount_minor = 5500\n')
    assert {"price_a": MapLine(BASE, 5500)} == good.prices
    with pytest.raises(BadInput, match=r"slot is no slot: 'base:x'.*accept_amount_minor must be a whole"):
        PriceMap.load('[prices.price_a]\nslot = "base:x"\naccept_amount_minor = "5500"\n')
    with pytest.raises(BadInput, match="not valid TOML"):
        PriceMap.load("[prices")
    with pytest.raises(BadInput, match="amount is unknown"):
        PriceMap.load(f'[prices.price_a]\nslot = "{BASE}"\namount = 5500\n')


@pytest.mark.parametrize("rest", [REST, (ours(CONTACTS),)])
def test_metered_items_are_listed_and_left_alone(rest: tuple[FoundItem, ...]) -> None:
    """Nothing metered is sold here, so one of which nothing is said is none of ours."""
    said = decided(subscription(ours(BASE), *rest, foreign("m", None, None, metered=True)))
    assert isinstance(said, Mapped)
    assert [("si_m", "outside_catalog")] == [(each.about, str(each.code)) for each in said.remarks]


@pytest.mark.parametrize("rest", [REST, (ours(CONTACTS),)])
@pytest.mark.parametrize("amount_minor", [CATALOG.amount_minor(slot(SMS)), 700, None])
def test_licensed_price_of_which_nothing_is_said_may_be_one_of_ours(
    rest: tuple[FoundItem, ...], amount_minor: int | None
) -> None:
    """The seats, or an add-on: bought again, it would be charged twice. The report says how to name it."""
    found = subscription(ours(BASE), *rest, foreign("a", amount_minor))
    said = decided(found)
    assert isinstance(said, Unmapped)
    [reason] = said.reasons
    assert ("unknown_price", "price_a") == (reason.code, reason.about)
    for way in ("`outside`", "--map", "metadata prorata_slot"):
        assert way in reason.detail


def test_add_on_with_a_strange_price_is_an_add_on_once_it_is_named() -> None:
    """Then it is part of the terms, and nobody can buy it a second time."""
    sms = foreign("a", CATALOG.amount_minor(slot(SMS)))
    said = decided(subscription(ours(BASE), *REST, sms), {"price_a": SMS})
    assert isinstance(said, Mapped)
    assert {"sms": 1} == said.terms.add_ons


@pytest.mark.parametrize(
    ("item", "lines", "metadata"),
    [
        (foreign("a"), {"price_a": "outside"}, {}),
        (foreign("a"), {}, {"prorata_slots": "price_a=outside"}),
        (foreign("a", metadata={"prorata_slot": "outside"}), {}, {}),
        (foreign("a", product_metadata={"prorata_slot": "outside"}), {}, {}),
        (replace(foreign("a"), metadata={"prorata_slot": "outside"}), {}, {}),
    ],
)
def test_what_is_said_to_be_outside_is_outside(
    item: FoundItem, lines: dict[str, str], metadata: dict[str, str]
) -> None:
    """Wherever a slot can be named it can be said that there is none; the item is listed and left alone."""
    for rest in (REST, (ours(CONTACTS),)):
        said = decided(subscription(ours(BASE), *rest, item, metadata=metadata), lines)
        assert isinstance(said, Mapped)
        assert [("si_a", "outside_catalog")] == [(each.about, str(each.code)) for each in said.remarks]
        assert {} == said.terms.add_ons


@pytest.mark.parametrize(
    ("others", "remark"),
    [
        ({"status": "trialing"}, "trialing"),
        ({"status": "past_due"}, "unpaid"),
        ({"status": "unpaid"}, "unpaid"),
        ({"status": "paused"}, "paused"),
        ({"paused": True}, "paused"),
        ({"ends": True}, "ends"),
        ({"pays_by_invoice": True}, "pays_by_invoice"),
    ],
)
def test_state_that_limits_changes_is_remarked(others: dict[str, Any], remark: str) -> None:
    """Its terms are exact all the same; what cannot be changed yet is refused by the gates later."""
    said = decided(subscription(**others))
    assert isinstance(said, Mapped)
    assert [remark] == [str(each.code) for each in said.remarks]


REFUSED: list[tuple[str, FoundSubscription]] = [
    ("ended", subscription(status="canceled")),
    ("ended", subscription(status="incomplete_expired")),
    ("incomplete", subscription(status="incomplete")),
    ("foreign_schedule", subscription(schedule_id="sub_sched_1")),
    ("pending_update", subscription(has_pending_update=True)),
    ("second_subscription", subscription(siblings=("sub_2",))),
    ("customer_deleted", subscription(customer_deleted=True)),
    ("currency_differs", subscription(customer_currency="eur")),
    ("unknown_price", subscription(ours(BASE), ours(CONTACTS), foreign("a"))),
    ("slot_unreadable", subscription(said_of_a("base:marketing"), *FULL)),
    ("slot_unreadable", subscription(foreign("a", lookup_key="prorata:base:x"), *FULL)),
    ("slots_disagree", subscription(replace(ours(BASE), metadata={"prorata_slot": SEATS}), *REST)),
    ("slots_disagree", subscription(said_of_a(slot(BASE, "year").key), *FULL)),
    ("not_in_catalog", subscription(said_of_a("seats:marketing:gold"), *FULL)),
    ("unknown_band", subscription(said_of_a("contacts:marketing:plus:777"), *FULL)),
    ("amount_differs", subscription(tagged(BASE, amount_minor=4800), *REST)),
    ("price_not_fixed", subscription(tagged(BASE, amount_minor=None), *REST)),
    ("price_not_fixed", subscription(tagged(BASE, amount_minor=0), *REST)),
    ("metered", subscription(ours(BASE), ours(CONTACTS), tagged(SMS, metered=True))),
    ("interval_not_sold", subscription(ours(BASE), *REST, tagged(SMS, interval_count=3))),
    ("interval_not_sold", subscription(said_of_a(slot(SMS).key, interval="week"), *FULL)),
    ("mixed_intervals", subscription(ours(BASE), ours(CONTACTS), ours(SMS, interval="year"))),
    ("mixed_intervals", subscription(ours(BASE), *REST, foreign("y", interval="year"))),
    ("doubled_item", subscription(ours(BASE), *REST, tagged(SEATS, name="again"))),
    ("doubled_item", subscription(ours(BASE), ours(BASE, version=1), *REST)),
    ("no_base_item", subscription(*REST)),
    ("no_contacts_item", subscription(ours(BASE), ours(SEATS))),
    ("two_products", subscription(ours(BASE), ours("contacts:sales:plus:1000"))),
    ("two_products", subscription(ours(BASE), ours("base:sales:plus"), *REST)),
    ("two_tiers", subscription(ours(BASE), ours("contacts:marketing:pro:1000"))),
    ("quantity_not_one", subscription(ours(BASE, 2), *REST)),
    ("not_sold_together", subscription(ours(BASE), ours(CONTACTS), ours(SEATS, 5000))),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "found"), REFUSED)
def test_everything_else_is_refused_with_its_reason(reason: str, found: FoundSubscription) -> None:
    """Each has its code and a sentence with the values that were found."""
    assert reason in reasons(found)


def test_currency_that_is_not_sold_is_refused() -> None:
    """No slot of the catalog is in yen."""
    assert reasons(replace(subscription(), currency="jpy"))[0] == "currency_not_sold"


def test_all_reasons_are_named_at_once() -> None:
    """Whoever repairs it wants to do it once."""
    found = subscription(foreign("a"), status="incomplete", schedule_id="sub_sched_1")
    said = reasons(found)
    assert ["incomplete", "foreign_schedule", "unknown_price"] == said


def test_every_reason_about_a_subscription_has_a_row_above() -> None:
    """A reason that nothing can cause would be a promise without a test."""
    of_accounts = {
        "account_id_missing", "account_id_unreadable", "account_ids_disagree", "account_id_shared",
        "account_taken", "primary_admin_missing", "primary_admin_unreadable", "email_missing",
        "email_unreadable", "change_in_progress",
    }  # fmt: skip
    assert {str(each) for each in Reason} - of_accounts == {code for code, _ in REFUSED} | {
        "currency_not_sold"
    }
