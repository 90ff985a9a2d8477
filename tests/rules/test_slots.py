"""Slots: the lookup keys that name our prices at Stripe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BadInput
from sync.rules.catalog import Role, Slot
from sync.rules.terms import Interval
from tests.rules.builders import CATALOG

BASE = Slot(Role.BASE, "sales", "pro", None, Interval.MONTH, "usd")
CONTACTS = Slot(Role.CONTACTS, "bundle", "plus", 2500, Interval.YEAR, "eur")
SMS = Slot.of_add_on("sms", Interval.MONTH, "usd")


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        (BASE, "prorata:base:sales:pro:-:month:usd:v1"),
        (CONTACTS, "prorata:contacts:bundle:plus:2500:year:eur:v1"),
        (SMS, "prorata:addon:sms:-:-:month:usd:v1"),
    ],
)
def test_the_grammar_of_lookup_keys(slot: Slot, expected: str) -> None:
    """Other systems find our prices by these texts, so they never change."""
    assert slot.lookup_key(1) == expected


@given(st.sampled_from(list(CATALOG.slots())), st.integers(1, 999_999_999))
def test_every_lookup_key_can_be_read_back(slot: Slot, version: int) -> None:
    """A price at Stripe leads back to exactly one slot and version, within Stripe's 200 characters."""
    assert Slot.parse(slot.lookup_key(version)) == (slot, version)
    assert len(slot.lookup_key(version)) <= 200


@pytest.mark.parametrize(
    "key",
    [
        "",
        "gold_monthly",
        "prorata:base:sales:pro:-:month:usd",
        "prorata:base:sales:pro:-:month:usd:1",
        "prorata:base:sales:pro:-:month:usd:v0",
        "prorata:base:sales:pro:-:month:usd:v01",
        "prorata:base:sales:pro:-:month:usd:vv1",
        "prorata:base:sales:pro:-:week:usd:v1",
        "prorata:base:sales:pro:-:month:USD:v1",
        "prorata:base:sales:pro:500:month:usd:v1",
        "prorata:base:Sales:pro:-:month:usd:v1",
        "prorata:base::pro:-:month:usd:v1",
        "prorata:contacts:sales:pro:-:month:usd:v1",
        "prorata:contacts:sales:pro:0500:month:usd:v1",
        "prorata:contacts:sales:pro:-5:month:usd:v1",
        "prorata:contacts:sales:pro:many:month:usd:v1",
        "prorata:addon:sms:pro:-:month:usd:v1",
        "prorata:addon:-:-:-:month:usd:v1",
        "prorata:tax:sales:pro:-:month:usd:v1",
        "other:base:sales:pro:-:month:usd:v1",
    ],
)
def test_anything_else_is_not_a_lookup_key(key: str) -> None:
    """A key that is nearly right is refused, so that no price is taken for another one."""
    with pytest.raises(BadInput):
        Slot.parse(key)


def test_each_add_on_is_a_part_of_its_own() -> None:
    """Two add-ons are two items, while each other role has one item."""
    assert [BASE.part, CONTACTS.part, SMS.part] == ["base", "contacts", "addon:sms"]
