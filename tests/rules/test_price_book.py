"""The price book: known Stripe prices, and which of them is sold now."""

import pytest

from sync.errors import BadInput, NotFound, Refused
from sync.rules.catalog import PriceBook, PriceRow, Role, Slot
from sync.rules.terms import Interval

SLOT = Slot(Role.BASE, "sales", "pro", None, Interval.MONTH, "usd")
OLD = PriceRow(SLOT.lookup_key(1), "price_old", 8900, False)
NEW = PriceRow(SLOT.lookup_key(2), "price_new", 9900, True)
FOREIGN = PriceRow("gold_monthly", "price_gold", 700, True)
BOOK = PriceBook.build([NEW, OLD, FOREIGN])


def test_the_marked_version_is_sold() -> None:
    """The mark decides what is sold, not the order of the rows."""
    assert BOOK.sold_now(SLOT) == "price_new"


def test_a_retired_price_is_still_known() -> None:
    """An account that has an earlier price keeps being understood."""
    assert BOOK.slot_of("price_old") == SLOT
    assert BOOK.amount_of("price_old") == 8900


def test_versions_are_in_order() -> None:
    """The history of a slot reads from the first version on."""
    assert list(BOOK.versions(SLOT).items()) == [(1, "price_old"), (2, "price_new")]


def test_a_foreign_price_has_no_slot() -> None:
    """A price that is not of our grammar is never taken for one of ours."""
    assert BOOK.slot_of("price_gold") is None
    assert BOOK.amount_of("price_gold") == 700


def test_a_slot_that_was_never_pushed_says_what_to_run() -> None:
    """The operator reads the command that creates the missing price."""
    with pytest.raises(Refused, match="prorata catalog push") as refused:
        PriceBook.build([]).sold_now(SLOT)
    assert refused.value.code == "not_in_catalog"


def test_a_slot_that_was_withdrawn_is_a_changed_price() -> None:
    """A slot with retired prices only is not the same as one that never existed."""
    with pytest.raises(Refused) as refused:
        PriceBook.build([OLD]).sold_now(SLOT)
    assert refused.value.code == "price_changed"


def test_an_unknown_price_has_no_amount() -> None:
    """An unknown amount is an error, never zero."""
    with pytest.raises(NotFound, match="price_unknown"):
        BOOK.amount_of("price_unknown")


def test_two_prices_on_sale_for_one_slot_are_refused() -> None:
    """Nobody could say which amount a customer would be charged."""
    with pytest.raises(BadInput, match="marked as sold"):
        PriceBook.build([NEW, OLD._replace(sold_now=True)])


def test_a_broken_key_of_ours_is_refused() -> None:
    """A key with our prefix that cannot be read would hide a price of ours."""
    with pytest.raises(BadInput, match="not a lookup key"):
        PriceBook.build([("prorata:base:sales", "price_x", 1, True)])
