"""Terms: strict reading of a wish, and what it becomes when laid over the current terms."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BadInput
from sync.rules.terms import AddOns, Interval, PartialTerms, Terms, merge, parse_partial, pointer_to
from tests.rules.builders import CATALOG, any_terms, terms


def problems(value: object) -> list[tuple[str, str]]:
    """Return the pointer and code of each problem of a wish that must be refused."""
    with pytest.raises(BadInput) as refused:
        parse_partial(value)
    return [(problem.pointer, problem.code) for problem in refused.value.problems]


def merge_problems(current: Terms | None, wish: dict[str, object]) -> list[tuple[str, str]]:
    """Return the pointer and code of each problem of a merge that must be refused."""
    with pytest.raises(BadInput) as refused:
        merge(current, parse_partial(wish), CATALOG)
    return [(problem.pointer, problem.code) for problem in refused.value.problems]


RANGE, BAD, UNSOLD = "quantity_out_of_range", "bad_request", "not_in_catalog"


@pytest.mark.parametrize("field", ["seats", "contact_limit"])
@pytest.mark.parametrize(
    ("value", "code"),
    [("8", BAD), (2.5, BAD), (8.0, BAD), (True, BAD), (None, BAD), ([8], BAD), (-1, RANGE), (0, RANGE),
     (10**9, RANGE)],
)  # fmt: skip
def test_a_number_is_a_whole_number_in_range(field: str, value: object, code: str) -> None:
    """Texts, fractions, true and numbers that nobody can mean are refused at their place."""
    assert problems({field: value}) == [(f"/terms/{field}", code)]


@pytest.mark.parametrize(
    ("value", "code"), [("1", BAD), (1.5, BAD), (False, BAD), (None, BAD), (-1, RANGE), (10**9, RANGE)]
)
def test_an_add_ons_quantity_is_a_whole_number_in_range(value: object, code: str) -> None:
    """An add-on's quantity is as strict as any other, and its pointer names the add-on."""
    assert problems({"add_ons": {"sms": value}}) == [("/terms/add_ons/sms", code)]


@pytest.mark.parametrize(
    ("wish", "pointer", "code"),
    [
        ([], "/terms", BAD),
        ("seats=8", "/terms", BAD),
        (None, "/terms", BAD),
        ({"seat": 8}, "/terms/seat", BAD),
        ({"a/b~c": 8}, "/terms/a~1b~0c", BAD),
        ({"product": 3}, "/terms/product", BAD),
        ({"product": ""}, "/terms/product", BAD),
        ({"tier": None}, "/terms/tier", BAD),
        ({"interval": "week"}, "/terms/interval", UNSOLD),
        ({"interval": 12}, "/terms/interval", BAD),
        ({"add_ons": "sms"}, "/terms/add_ons", BAD),
        ({"add_ons": None}, "/terms/add_ons", BAD),
        ({"add_ons": [1]}, "/terms/add_ons/0", BAD),
        ({"add_ons": ["sms", "sms"]}, "/terms/add_ons/1", BAD),
    ],
)
def test_wrong_parts_are_refused_at_their_place(wish: object, pointer: str, code: str) -> None:
    """Unknown fields and wrong types are named by a JSON pointer, escaped as the standard says."""
    assert problems(wish) == [(pointer, code)]


def test_all_problems_are_reported_together() -> None:
    """A form shows every wrong field at once."""
    found = problems({"seats": "8", "tier": 1, "nonsense": 0, "add_ons": {"sms": -1}})
    assert {pointer for pointer, _ in found} == {
        "/terms/seats", "/terms/tier", "/terms/nonsense", "/terms/add_ons/sms",
    }  # fmt: skip


def test_a_wish_keeps_only_what_was_named() -> None:
    """Fields that were not named stay open."""
    assert parse_partial({"seats": 8}) == PartialTerms(seats=8)


@pytest.mark.parametrize(
    "wish", [{}, {"seats": 8}, {"interval": "year", "add_ons": {"sms": 0}}, {"add_ons": {}}]
)
def test_a_wish_is_written_as_it_was_read(wish: dict[str, object]) -> None:
    """Only the named fields, so that the same wish can be repeated later; a 0 still removes an add-on."""
    assert json.loads(json.dumps(parse_partial(wish).to_json())) == wish


def test_a_list_of_add_ons_means_one_each() -> None:
    """The short form of the command line is understood."""
    assert parse_partial({"add_ons": ["sms", "dialer"]}).add_ons == {"sms": 1, "dialer": 1}


@given(any_terms())
def test_terms_survive_json(some: Terms) -> None:
    """Stored terms come back equal."""
    assert Terms.from_json(json.loads(json.dumps(some.to_json()))) == some


@pytest.mark.parametrize("missing", ["product", "tier", "contact_limit", "seats", "interval"])
def test_stored_terms_must_be_complete(missing: str) -> None:
    """Complete terms with a missing part are not completed by guessing."""
    stored = terms().to_json()
    del stored[missing]
    with pytest.raises(BadInput) as refused:
        Terms.from_json(stored)
    assert [problem.pointer for problem in refused.value.problems] == [f"/terms/{missing}"]


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 3)))
def test_add_ons_are_compared_without_zeros_and_order(quantities: dict[str, int]) -> None:
    """Equal purchases are equal terms, with equal hashes."""
    backwards = dict(reversed(quantities.items()))
    one, other = terms(add_ons=quantities), terms(add_ons={**backwards, "zero": 0})
    assert one == other
    assert hash(one) == hash(other)


def test_terms_do_not_follow_a_mapping_that_changes_later() -> None:
    """Terms are immutable, whatever happens to the mapping they were made from."""
    mapping = {"sms": 1}
    some = terms(add_ons=mapping)
    mapping["sms"] = 9
    assert some.add_ons == {"sms": 1}


def test_pointers_escape_slashes_and_tildes() -> None:
    """A strange name cannot point elsewhere."""
    assert pointer_to("add_ons", "a/~b") == "/terms/add_ons/a~1~0b"


def test_a_first_purchase_needs_product_tier_and_contact_limit() -> None:
    """Nothing is guessed about what a new account wants to pay for."""
    assert merge_problems(None, {"seats": 3}) == [
        ("/terms/product", BAD), ("/terms/tier", BAD), ("/terms/contact_limit", BAD),
    ]  # fmt: skip


def test_a_first_purchase_defaults_to_the_included_seats_by_the_month() -> None:
    """Only what was named costs more than the base."""
    wish = parse_partial({"product": "sales", "tier": "pro", "contact_limit": 500})
    assert merge(None, wish, CATALOG) == Terms("sales", "pro", 500, 5, AddOns(), Interval.MONTH)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, terms()),
        ({"seats": 8}, terms(seats=8)),
        ({"seats": 3}, terms(seats=3)),
        ({"seats": 1000}, terms(seats=1000)),
        ({"contact_limit": 500}, terms(contact_limit=500)),
        ({"interval": "year"}, terms(interval=Interval.YEAR)),
        ({"tier": "enterprise"}, terms(tier="enterprise", seats=10)),
        ({"tier": "starter"}, terms(tier="starter", seats=5)),
        ({"product": "bundle", "tier": "pro"}, terms("bundle", "pro", seats=8)),
        ({"add_ons": {"sms": 2}}, terms(add_ons={"sms": 2})),
    ],
)
def test_a_wish_is_laid_over_the_current_terms(wish: object, expected: Terms) -> None:
    """What was not named stays, except that seats rise to those which a new tier includes."""
    assert merge(terms(), parse_partial(wish), CATALOG) == expected


@pytest.mark.parametrize(
    ("wish", "expected"),
    [({"dialer": 2}, {"sms": 3, "dialer": 2}), ({"sms": 0}, {}), (["sms"], {"sms": 1}), ({}, {"sms": 3})],
)
def test_add_ons_are_merged_by_name(wish: object, expected: dict[str, int]) -> None:
    """Other add-ons stay, a zero removes, and a quantity replaces the earlier one."""
    current = terms("bundle", add_ons={"sms": 3})
    assert merge(current, parse_partial({"add_ons": wish}), CATALOG).add_ons == expected


@pytest.mark.parametrize(
    ("wish", "pointer", "code"),
    [
        ({"product": "crm"}, "/terms/product", UNSOLD),
        ({"tier": "gold"}, "/terms/tier", UNSOLD),
        ({"contact_limit": 2501}, "/terms/contact_limit", UNSOLD),
        ({"seats": 2}, "/terms/seats", RANGE),
        ({"seats": 1001}, "/terms/seats", RANGE),
        ({"add_ons": {"fax": 1}}, "/terms/add_ons/fax", UNSOLD),
        ({"add_ons": {"fax": 0}}, "/terms/add_ons/fax", UNSOLD),
        ({"add_ons": {"dialer": 1}}, "/terms/add_ons/dialer", UNSOLD),
        ({"add_ons": {"dedicated_ip": 1}}, "/terms/add_ons/dedicated_ip", UNSOLD),
        ({"add_ons": {"sms": 51}}, "/terms/add_ons/sms", RANGE),
    ],
)
def test_what_is_not_sold_is_refused_at_its_place(wish: dict[str, object], pointer: str, code: str) -> None:
    """Unknown names, ineligible add-ons and quantities out of range each have a pointer and a code."""
    assert merge_problems(terms(), wish) == [(pointer, code)]


def test_an_add_on_that_is_not_sold_any_more_can_be_removed() -> None:
    """Whoever still holds a withdrawn add-on must be able to leave it."""
    held = terms(add_ons={"fax": 1})
    assert merge(held, PartialTerms(add_ons={"fax": 0}), CATALOG) == terms()


def test_too_few_seats_name_the_included_number() -> None:
    """The sentence says what would be accepted."""
    with pytest.raises(BadInput, match="3 seats are included"):
        merge(terms(), PartialTerms(seats=1), CATALOG)


def test_an_add_on_that_the_new_product_lacks_is_named() -> None:
    """Nothing that is paid for vanishes silently with a change of product."""
    current = terms("sales", add_ons={"dialer": 1})
    assert merge_problems(current, {"product": "marketing"}) == [("/terms/add_ons/dialer", UNSOLD)]


@given(any_terms())
def test_an_empty_wish_changes_nothing(some: Terms) -> None:
    """Laying nothing over terms gives the same terms."""
    assert merge(some, PartialTerms(), CATALOG) == some
