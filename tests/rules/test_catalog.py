"""The catalog: what is sold, and that a broken file is found before anything is sold from it."""

import json
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given

from sync.errors import BadInput, NotFound
from sync.rules.catalog import Catalog, Role, Slot
from sync.rules.terms import Interval, Terms
from tests.rules.builders import CATALOG, any_terms, terms

TEXT = resources.files("sync.rules").joinpath("catalog.toml").read_text("utf-8")


def broken(old: str, new: str) -> Catalog:
    """Return the packaged catalog with the first `old` of its file replaced."""
    assert old in TEXT
    return Catalog.load(TEXT.replace(old, new, 1))


def amount(key: str) -> int:
    """Return the amount behind a lookup key without version."""
    return CATALOG.amount_minor(Slot.parse(f"{key}:v1")[0])


def test_the_packaged_catalog_has_no_fault() -> None:
    """What comes with Prorata can be sold as it is."""
    assert CATALOG.check() == []


def test_the_packaged_catalog_has_every_combination() -> None:
    """Three products, four tiers, eight bands, three add-ons, two intervals, two currencies."""
    assert (len(CATALOG.products), len(CATALOG.tiers), len(CATALOG.bands)) == (3, 4, 8)
    assert len(CATALOG.amounts) == (3 * 4 * (8 + 2) + 3) * 2 * 2


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("contacts.month.usd = [1000, 1700,", "contacts.month.usd = [0, 1700,", "the amount 0 must be"),
        (", 29900, 49900]", ", 29900]", "contacts:marketing:starter:100000:month:usd has no amount"),
        ("{ usd = 1900, eur = 1700 }", "{ usd = 1900 }", "base:marketing:starter:-:month:eur has no amount"),
        ("{ usd = 1900, eur", "{ usd = 1900, gbp = 1500, eur", "month:gbp has an amount, but"),
        ("{ usd = 1900,", "{ usd = 5000,", "base:marketing:plus:-:month:usd is cheaper than"),
        ("[1000, 1700, 3500", "[1000, 1700, 1699", ":2500:month:usd is cheaper than"),
        ("base = { month = { usd = 2900", "base = { month = { usd = 3400", "is not cheaper than its parts"),
        ("base = { month = { usd = 2900", "base = { month = { usd = 1800", "cheaper than one of its parts"),
        ("seats_included = 1", "seats_included = 0", "every tier must include at least one seat"),
        ("seats_included = 3", "seats_included = 6", "marketing: a higher tier includes fewer seats"),
        ("seats_included = 5", "seats_included = 9", "bundle includes fewer seats than marketing"),
        ("seats_max = 1000", "seats_max = 9", "more seats than seats_max allows"),
        ("[500, 1000, 2500,", "[500, 1000, 1000,", "bands must be positive and ascending"),
        ('["usd", "eur"]', '["usd", "EUR"]', "currencies must be"),
        ('["usd", "eur"]', '["usd", "usd"]', "currencies must be"),
        ('"marketing", "sales"]  #', '"marketing", "crm"]  #', "includes 'crm', which is not another"),
        ('["marketing", "sales", "bundle"]', '["marketing", "crm", "bundle"]', "offered with 'crm'"),
        ('["marketing", "bundle"]', '["marketing"]', "dedicated_ip is offered with marketing but not with"),
        ('["pro", "enterprise"]', '["pro"]', "offered with tier pro but not with enterprise"),
        ("max_quantity = 5\n", "max_quantity = 0\n", "dedicated_ip is offered nowhere"),
        ("[add_ons.dialer]", "[add_ons.Dialer]", "add-on 'Dialer': use lower-case"),
        ("[products.marketing.tiers.pro]", "[products.marketing.tiers.gold]", "pro:-:month:usd has no"),
    ],
)  # fmt: skip
def test_a_broken_catalog_is_reported(old: str, new: str, fault: str) -> None:
    """Each rule of the catalog finds its own breach."""
    assert [sentence for sentence in broken(old, new).check() if fault in sentence]


def test_a_bundle_may_cost_as_much_as_its_dearest_part() -> None:
    """The second product may be a present, it may not cost less than nothing."""
    assert broken("base = { month = { usd = 2900", "base = { month = { usd = 1900").check() == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("seats_included = 1", 'seats_included = "1"', "products.marketing.tiers.starter.seats_included"),
        ("{ usd = 1900,", "{ usd = 19.00,", "products.marketing.tiers.starter.base.month.usd"),
        ("{ usd = 1900,", "{ usd = true,", "products.marketing.tiers.starter.base.month.usd"),
        ("[1000, 1700, 3500", "[1000, 17.5, 3500", "products.marketing.tiers.starter.contacts.month.usd"),
        ("[1000, 1700, 3500", "[1, 1, 1000, 1700, 3500", "has more amounts than there are bands"),
        ("base = { month", "base = { week", "products.marketing.tiers.starter.base.week is unknown"),
        ("max_quantity = 50", "max_quantities = 50", "add_ons.sms.max_quantities is unknown"),
        (
            'starter = { en = "Starter", fr = "Essentiel" }',
            'starter = { en = "Starter" }',
            "tiers.starter.fr",
        ),
        ("[add_ons.sms]", "[add_ons.sms", "not valid TOML"),
    ],
)
def test_a_file_of_a_wrong_shape_is_refused_with_the_place(old: str, new: str, place: str) -> None:
    """A wrong type or a misspelt key is never ignored, and the message says where it is."""
    with pytest.raises(BadInput) as refused:
        broken(old, new)
    assert refused.value.code == "catalog_invalid"
    assert place in refused.value.detail


def test_items_for_terms() -> None:
    """Base and contacts once, seats by the extra ones, add-ons by their quantity."""
    wanted = CATALOG.items_for(terms(seats=5, add_ons={"sms": 2}), "eur")
    assert {slot.key.removeprefix("prorata:"): quantity for slot, quantity in wanted.items()} == {
        "base:marketing:plus:-:month:eur": 1,
        "contacts:marketing:plus:2500:month:eur": 1,
        "seats:marketing:plus:-:month:eur": 2,
        "addon:sms:-:-:month:eur": 2,
    }


def test_the_seats_item_is_kept_without_extra_seats() -> None:
    """Buying the first extra seat later changes a quantity, it adds no item."""
    wanted = CATALOG.items_for(terms(seats=3), "usd")
    assert [quantity for slot, quantity in wanted.items() if slot.role is Role.SEATS] == [0]


@given(any_terms())
def test_the_items_of_terms_say_which_terms_they_are(bought: Terms) -> None:
    """Both ways, as long as no fewer seats are bought than the tier includes."""
    included = CATALOG.included_seats(bought.product, bought.tier)
    assert included is not None
    meant = replace(bought, seats=max(bought.seats, included))
    items = CATALOG.items_for(meant, "usd")
    assert meant == CATALOG.terms_of(items)
    assert CATALOG.terms_of({slot: 1 for slot in items if slot.role is not Role.CONTACTS}) is None
    assert CATALOG.terms_of({slot: 1 for slot in items if slot.role is not Role.BASE}) is None


def test_the_recurring_total() -> None:
    """The price of an interval is the sum over all items: 49.00 + 42.00 + 2 x 15.00 + 20.00."""
    assert CATALOG.recurring_minor(terms(seats=5, add_ons={"sms": 1}), "usd") == 4900 + 4200 + 3000 + 2000


def test_a_year_costs_about_ten_months() -> None:
    """Paying by the year is worth two months."""
    by_year = terms(interval=Interval.YEAR)
    assert CATALOG.recurring_minor(by_year, "usd") == 10 * CATALOG.recurring_minor(terms(), "usd")


def test_euros_are_not_dollars() -> None:
    """A currency has its own amounts, so mixing them up shows in every test."""
    assert amount("prorata:base:marketing:plus:-:month:usd") == 4900
    assert amount("prorata:base:marketing:plus:-:month:eur") == 4500


@given(any_terms())
def test_everything_sold_has_a_price(some: Terms) -> None:
    """Terms without problems can be billed in every currency."""
    assert CATALOG.problems_of(some) == []
    assert all(CATALOG.recurring_minor(some, currency) > 0 for currency in CATALOG.currencies)


def test_an_amount_that_does_not_exist_is_not_zero() -> None:
    """A missing price is an error, never free of charge."""
    with pytest.raises(NotFound, match="prorata:base:crm:plus:-:month:usd"):
        CATALOG.amount_minor(Slot(Role.BASE, "crm", "plus", None, Interval.MONTH, "usd"))


def test_the_public_catalog_is_json_with_both_languages() -> None:
    """The API's document can be encoded, and has names in English and French."""
    body = json.loads(json.dumps(CATALOG.to_json()))
    assert [product["id"] for product in body["products"]] == ["marketing", "sales", "bundle"]
    assert body["tiers"][0]["name"] == {"en": "Starter", "fr": "Essentiel"}


def test_the_public_catalog_shows_each_amount_with_its_currency() -> None:
    """The price slider finds base, seat and contact amounts of a tier in one place."""
    body = json.loads(json.dumps(CATALOG.to_json()))
    plus = body["products"][0]["tiers"][1]
    prices = plus["prices"][0]
    assert (plus["id"], plus["seats_included"], plus["add_ons"]) == ("plus", 3, ["sms"])
    assert (prices["interval"], prices["base"]) == ("month", {"amount_minor": 4900, "currency": "usd"})
    assert prices["contacts"][2] == {
        "contact_limit": 2500,
        "amount": {"amount_minor": 4200, "currency": "usd"},
    }
