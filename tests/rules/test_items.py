"""Items and amendments: exactly the items of the terms, and nothing else touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import Conflict, Refused
from sync.rules.catalog import PriceBook
from sync.rules.items import (
    AddItem,
    Amendment,
    Item,
    RemoveItem,
    SetItem,
    amend,
    amendment_for,
    billed,
    without_empty,
)
from sync.rules.terms import Terms
from tests.rules.builders import (
    BOOK,
    CATALOG,
    any_terms,
    increases,
    items_for_terms,
    items_of,
    rows,
    terms,
)


def towards(items: tuple[Item, ...], wanted: Terms, prices: PriceBook = BOOK) -> Amendment:
    """Return the amendment that makes the items bill the wanted terms in dollars."""
    return amendment_for(items, wanted, catalog=CATALOG, prices=prices, currency="usd")


@given(st.data(), any_terms(), any_terms())
def test_the_amended_items_bill_exactly_the_wanted_terms(data: st.DataObject, old: Terms, new: Terms) -> None:
    """Whatever was bought and is wanted, applying the amendment gives it, among any foreign items."""
    items = data.draw(items_for_terms(old))
    after = amend(items, towards(items, new))
    assert billed(after, BOOK) == without_empty(CATALOG.items_for(new, "usd"))


@given(st.data(), any_terms(), any_terms())
def test_items_that_are_not_ours_never_change(data: st.DataObject, old: Terms, new: Terms) -> None:
    """Foreign and metered items are the same before and after."""
    items = data.draw(items_for_terms(old))
    after = amend(items, towards(items, new))
    assert {item for item in items if "foreign" in item.id} == {
        item for item in after if "foreign" in item.id
    }


@given(st.data(), any_terms(), any_terms())
def test_an_amendment_names_only_what_it_changes(data: st.DataObject, old: Terms, new: Terms) -> None:
    """An item that is right already is not sent: Stripe would count it and could touch it."""
    items = data.draw(items_for_terms(old))
    present = {item.id: (item.price_id, item.quantity) for item in items}
    for change in towards(items, new).changes:
        if isinstance(change, SetItem):
            assert present[change.item_id] != (change.price_id, change.quantity)


@given(st.data(), any_terms(), any_terms())
def test_every_sent_item_has_price_and_quantity(data: st.DataObject, old: Terms, new: Terms) -> None:
    """A price without a quantity would silently become quantity 1."""
    items = data.draw(items_for_terms(old))
    for entry in towards(items, new).as_stripe_items():
        assert entry.keys() >= {"price", "quantity"} or entry.get("deleted") is True


@given(st.data(), increases())
def test_an_increase_removes_and_replaces_no_item(data: st.DataObject, move: tuple[Terms, Terms]) -> None:
    """More of anything keeps every item id, because a removal does not fit a pending update."""
    items = data.draw(items_for_terms(move[0]))
    after = amend(items, towards(items, move[1]))
    assert {item.id for item in items} <= {item.id for item in after}


@given(st.data(), any_terms(), any_terms())
def test_no_price_is_on_two_items(data: st.DataObject, old: Terms, new: Terms) -> None:
    """Stripe takes a price once per subscription."""
    items = data.draw(items_for_terms(old))
    used = [item.price_id for item in amend(items, towards(items, new)) if "foreign" not in item.id]
    assert len(used) == len(set(used))


@given(st.data(), any_terms())
def test_items_that_bill_the_terms_need_no_amendment(data: st.DataObject, some: Terms) -> None:
    """Retired prices are kept where nothing else moves."""
    assert towards(data.draw(items_for_terms(some)), some).is_empty


@given(any_terms(), any_terms())
def test_an_amendment_is_done_after_one_application(old: Terms, new: Terms) -> None:
    """Planning again after the change finds nothing left to do."""
    items = items_of(old)
    assert towards(amend(items, towards(items, new)), new).is_empty


def test_a_first_purchase_adds_every_item() -> None:
    """The seats item is made at quantity 0, ready for the first extra seat."""
    assert towards((), terms(seats=3)).as_stripe_items() == [
        {"price": "price_base:marketing:plus:-:month:usd_v2", "quantity": 1},
        {"price": "price_contacts:marketing:plus:2500:month:usd_v2", "quantity": 1},
        {"price": "price_seats:marketing:plus:-:month:usd_v2", "quantity": 0},
    ]


def test_a_tier_is_a_price_swap_on_the_same_items() -> None:
    """Nothing is added or removed, and the extra seats shrink by those the tier includes."""
    changes = towards(items_of(terms(seats=6)), terms(tier="pro", seats=6)).changes
    assert changes == (
        SetItem("si_base", "price_base:marketing:pro:-:month:usd_v2", 1),
        SetItem("si_contacts", "price_contacts:marketing:pro:2500:month:usd_v2", 1),
        SetItem("si_seats", "price_seats:marketing:pro:-:month:usd_v2", 1),
    )


def test_a_retired_price_of_the_same_slot_is_kept() -> None:
    """An account does not get a new price because it buys another seat."""
    items = items_of(terms(seats=5), version=1)
    assert towards(items, terms(seats=6)).changes == (
        SetItem("si_seats", "price_seats:marketing:plus:-:month:usd_v1", 3),
    )


def test_a_missing_seats_item_is_made_when_seats_are_bought() -> None:
    """An imported subscription may have none; without extra seats it stays like that."""
    items = tuple(item for item in items_of(terms(seats=3)) if item.id != "si_seats")
    assert towards(items, terms(seats=3)).is_empty
    assert towards(items, terms(seats=4)).changes == (
        AddItem("price_seats:marketing:plus:-:month:usd_v2", 1),
    )


def test_an_add_on_that_goes_is_removed() -> None:
    """The last pack takes its item with it."""
    amendment = towards(items_of(terms(add_ons={"sms": 1})), terms())
    assert amendment.changes == (RemoveItem("si_addon:sms"),)
    assert amendment.removes
    assert amendment.as_stripe_items() == [{"id": "si_addon:sms", "deleted": True}]


def test_a_doubled_part_is_refused() -> None:
    """With two base items nobody knows which one is meant, and both are named."""
    items = (*items_of(terms()), Item("si_twin", "price_base:sales:pro:-:month:usd_v2", 1))
    with pytest.raises(Refused, match="si_base and si_twin") as refused:
        towards(items, terms(seats=6))
    assert refused.value.code == "items_conflict"


def test_a_price_that_is_on_another_item_is_refused() -> None:
    """A metered item with the very price blocks adding it, and the sentence names the price."""
    items = (*items_of(terms()), Item("si_usage", "price_addon:sms:-:-:month:usd_v2", 0, metered=True))
    with pytest.raises(Refused, match="price_addon:sms") as refused:
        towards(items, terms(add_ons={"sms": 1}))
    assert refused.value.code == "items_conflict"


def test_more_than_twenty_items_are_refused() -> None:
    """Stripe's limit counts foreign items too."""
    foreign = tuple(Item(f"si_{n}", f"price_{n}", 1) for n in range(17))
    towards((*items_of(terms()), *foreign), terms(seats=6))
    with pytest.raises(Refused) as refused:
        towards((*items_of(terms()), *foreign), terms(add_ons={"sms": 1}))
    assert refused.value.code == "too_many_items"


def test_a_price_that_was_never_pushed_is_refused() -> None:
    """Without a Stripe price nothing can be sold."""
    prices = PriceBook.build(row for row in rows() if ":pro:" not in row.lookup_key)
    with pytest.raises(Refused, match="catalog push"):
        towards(items_of(terms()), terms(tier="pro"), prices)


def test_an_amendment_of_an_item_that_is_gone_is_a_conflict() -> None:
    """Somebody changed the subscription in between."""
    with pytest.raises(Conflict, match="si_gone"):
        amend(items_of(terms()), Amendment((RemoveItem("si_gone"),)))
