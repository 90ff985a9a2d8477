"""The planner: what happens now, what at renewal, and what is refused and why."""

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.rules.catalog import PriceBook
from sync.rules.items import AddItem, Amendment, Item, RemoveItem, SetItem
from sync.rules.planner import Usage
from sync.rules.policy import Effective, Policy
from sync.rules.terms import Interval, Terms
from tests.rules.builders import (
    any_terms,
    codes,
    increases,
    items_for_terms,
    items_of,
    planned,
    rows,
    terms,
)

NOW, RENEWAL = Effective.NOW, Effective.RENEWAL


@given(st.data(), increases())
def test_an_increase_happens_now_and_only_if_it_is_paid(
    data: st.DataObject, move: tuple[Terms, Terms]
) -> None:
    """More of anything is one paid update, complete at once, that removes nothing."""
    low, high = move
    made = planned(low, high, data.draw(items_for_terms(low)))
    if low == high:
        assert codes(made) == [("/terms", "nothing_to_change")]
        return
    assert (made.refusals, made.now, made.at_renewal, made.self_serve) == ((), high, None, True)
    assert (made.proration_behavior, made.payment_behavior) == ("always_invoice", "pending_if_incomplete")
    assert not made.amendment.removes


@given(st.data(), any_terms(), any_terms(), st.sampled_from([None, NOW, RENEWAL]))
def test_a_plan_is_refused_or_complete(
    data: st.DataObject, current: Terms, wanted: Terms, approved: Effective | None
) -> None:
    """Either there are refusals and nothing to apply, or the last leg ends with the wanted terms."""
    made = planned(current, wanted, data.draw(items_for_terms(current)), approved=approved)
    if made.refusals:
        assert (made.now, made.at_renewal, made.amendment) == (None, None, Amendment())
    else:
        assert (made.at_renewal or made.now) == wanted
        assert made.amendment.is_empty == (made.now is None)


@given(any_terms())
def test_a_first_purchase_only_adds(wanted: Terms) -> None:
    """A purchase creates every item, and may stay incomplete until it is paid."""
    made = planned(None, wanted)
    assert (made.now, made.at_renewal, made.refusals) == (wanted, None, ())
    assert all(isinstance(change, AddItem) for change in made.amendment.changes)
    assert (made.proration_behavior, made.payment_behavior) == ("none", "allow_incomplete")


@pytest.mark.parametrize(
    "wanted", [terms(seats=4), terms(contact_limit=500), terms(seats=3, contact_limit=500)]
)
def test_fewer_seats_or_contacts_wait_for_the_renewal(wanted: Terms) -> None:
    """A decrease changes nothing now and credits nothing."""
    made = planned(terms(seats=5), wanted)
    assert (made.now, made.at_renewal, made.amendment.is_empty) == (None, wanted, True)
    assert (made.proration_behavior, made.payment_behavior) == ("none", None)


def test_a_decrease_knows_the_items_of_the_next_period() -> None:
    """The renewal's items are computed with the same rules as those of now."""
    made = planned(terms(seats=5), terms(seats=4))
    assert made.renewal_amendment.changes == (
        SetItem("si_seats", "price_seats:marketing:plus:-:month:usd_v2", 1),
    )


def test_a_cart_is_split_into_now_and_renewal() -> None:
    """The increases happen now, the decreases at renewal, and the renewal leg has all of it."""
    wanted = terms(tier="pro", contact_limit=500, seats=6, add_ons={"sms": 1})
    made = planned(terms(seats=9), wanted)
    assert made.now == terms(tier="pro", contact_limit=2500, seats=9, add_ons={"sms": 1})
    assert made.at_renewal == wanted
    assert [str(one.effective) for one in made.differences] == ["now", "renewal", "renewal", "now"]


def test_a_move_to_the_bundle_swaps_prices() -> None:
    """The bundle takes over the items of the product; the included seats shrink the bought ones."""
    made = planned(terms(seats=6), terms("bundle", seats=6))
    assert made.now == terms("bundle", seats=6)
    assert made.amendment.changes == (
        SetItem("si_base", "price_base:bundle:plus:-:month:usd_v2", 1),
        SetItem("si_contacts", "price_contacts:bundle:plus:2500:month:usd_v2", 1),
        SetItem("si_seats", "price_seats:bundle:plus:-:month:usd_v2", 1),
    )


@pytest.mark.parametrize(
    ("current", "wanted", "pointer"),
    [
        (terms(), terms(tier="starter"), "/terms/tier"),
        (terms("bundle"), terms(), "/terms/product"),
        (terms(), terms("sales"), "/terms/product"),
        (terms(add_ons={"sms": 2}), terms(add_ons={"sms": 1}), "/terms/add_ons/sms"),
        (terms(add_ons={"sms": 2}), terms(), "/terms/add_ons/sms"),
        (terms(), terms(interval=Interval.YEAR), "/terms/interval"),
        (terms(interval=Interval.YEAR), terms(), "/terms/interval"),
    ],
)
def test_what_is_not_self_serve_needs_a_request(current: Terms, wanted: Terms, pointer: str) -> None:
    """The refusal points to the part that support has to look at."""
    made = planned(current, wanted)
    assert (codes(made), made.self_serve) == ([(pointer, "needs_request")], False)


def test_the_rule_is_that_of_the_product_the_account_has() -> None:
    """Whoever leaves a product does so by its rules, also for the other parts of the cart."""
    row = (
        '[[rules]]\ndimension = "seats"\ndirection = "up"\nproduct = "marketing"\ndecision = "refused"\n'
        'proration_behavior = "none"\nreason = "Ask your partner."\n'
    )
    stricter = Policy.load(resources.files("sync.rules").joinpath("policy.toml").read_text("utf-8") + row)
    made = planned(terms(), terms("bundle", seats=9), policy=stricter)
    assert codes(made) == [("/terms/seats", "refused_by_policy")]


def test_one_part_by_request_holds_back_the_whole_cart() -> None:
    """A cart is not applied in pieces that nobody confirmed as such."""
    made = planned(terms(), terms(tier="starter", seats=9))
    assert (made.now, made.amendment.is_empty) == (None, True)


def test_an_approved_removal_now_is_all_or_nothing() -> None:
    """A removal does not fit a pending update, so the payment must succeed in the same call."""
    made = planned(terms(add_ons={"sms": 1}), terms(seats=9), approved=NOW)
    assert made.now == terms(seats=9)
    assert RemoveItem("si_addon:sms") in made.amendment.changes
    assert made.payment_behavior == "error_if_incomplete"


def test_an_approved_lower_tier_at_renewal_changes_nothing_now() -> None:
    """Support may approve for the renewal: then nothing is credited."""
    made = planned(terms(), terms(tier="starter"), approved=RENEWAL)
    assert (made.now, made.at_renewal) == (None, terms(tier="starter"))


@pytest.mark.parametrize("approved", [NOW, RENEWAL])
@pytest.mark.parametrize(("interval", "is_now"), [(Interval.YEAR, True), (Interval.MONTH, False)])
def test_an_interval_moves_when_its_rule_says(interval: Interval, is_now: bool, approved: Effective) -> None:
    """The year starts now and the month at renewal, whatever moment was asked for."""
    other = Interval.MONTH if interval is Interval.YEAR else Interval.YEAR
    made = planned(terms(interval=other), terms(interval=interval), approved=approved)
    assert (made.now is not None, made.at_renewal is not None) == (is_now, not is_now)


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        (terms(seats=9), terms(seats=5), [("/terms/seats", "seats_in_use")]),
        (terms(seats=9), terms(seats=6), []),
        (terms(seats=4), terms(seats=5), []),
        (terms(), terms(contact_limit=1000), [("/terms/contact_limit", "contacts_in_use")]),
        (terms(contact_limit=500), terms(contact_limit=1000), []),
        (None, terms(seats=5), [("/terms/seats", "seats_in_use")]),
    ],
)
def test_nobody_can_buy_less_than_is_in_use(
    current: Terms | None, wanted: Terms, expected: list[tuple[str, str]]
) -> None:
    """A decrease below the use is refused; an increase that is still too small is not."""
    made = planned(current, wanted, usage=Usage(contacts=2000, seats=6))
    assert codes(made) == expected


def test_usage_does_not_disturb_other_changes() -> None:
    """An account that is over its limits can still buy an add-on."""
    made = planned(terms(), terms(add_ons={"sms": 1}), usage=Usage(contacts=9999, seats=99))
    assert made.refusals == ()


def test_equal_terms_are_nothing_to_change() -> None:
    """A change without a difference would cost an invoice and mean nothing."""
    assert codes(planned(terms(), terms())) == [("/terms", "nothing_to_change")]


def test_a_promise_for_the_renewal_is_kept_by_a_later_increase() -> None:
    """Buying an add-on does not undo the seats that end with the period."""
    made = planned(terms(seats=9), terms(seats=9, add_ons={"sms": 1}), scheduled=terms(seats=5))
    assert made.now == terms(seats=9, add_ons={"sms": 1})
    assert made.at_renewal == terms(seats=5, add_ons={"sms": 1})


def test_a_new_target_replaces_the_promised_one() -> None:
    """The latest word on a dimension counts, the other promises stay."""
    promised = terms(seats=5, contact_limit=500)
    made = planned(terms(seats=9), terms(seats=7), scheduled=promised)
    assert (made.now, made.at_renewal) == (None, terms(seats=7, contact_limit=500))


def test_an_increase_can_leave_nothing_for_the_renewal() -> None:
    """More seats now means that fewer seats later were not the last word: the schedule can go."""
    made = planned(terms(seats=9), terms(seats=10), scheduled=terms(seats=5))
    assert (made.now, made.at_renewal) == (terms(seats=10), None)


def test_promised_seats_rise_to_those_a_new_tier_includes() -> None:
    """Nobody is left with fewer seats than the tier includes."""
    made = planned(terms(seats=9), terms(tier="pro", seats=9), scheduled=terms(seats=4))
    assert made.at_renewal == terms(tier="pro", seats=5)


def test_an_add_on_that_a_promise_excludes_is_refused() -> None:
    """A lower tier is promised, so an add-on that it does not have cannot be bought any more."""
    current = terms(tier="pro")
    made = planned(current, terms(tier="pro", add_ons={"dedicated_ip": 1}), scheduled=terms(tier="plus"))
    assert codes(made) == [("/terms/add_ons/dedicated_ip", "not_in_catalog")]


def test_items_that_do_not_bill_the_terms_are_refused() -> None:
    """A seat added by hand at Stripe must not be charged along with something else."""
    made = planned(terms(seats=5), terms(seats=5, add_ons={"sms": 1}), items_of(terms(seats=6)))
    assert codes(made) == [("/terms", "items_conflict")]


def test_a_first_purchase_on_a_subscription_that_exists_is_refused() -> None:
    """Items of ours without terms have to be imported first."""
    assert codes(planned(None, terms(), items_of(terms()))) == [("/terms", "items_conflict")]


def test_a_doubled_part_is_refused_with_a_sentence() -> None:
    """The refusal says what support has to do."""
    twin = Item("si_twin", "price_base:sales:pro:-:month:usd_v2", 1)
    made = planned(terms(), terms(seats=6), (*items_of(terms()), twin))
    assert codes(made) == [("/terms", "items_conflict")]
    assert "support has to remove one" in made.refusals[0].detail


def test_too_many_items_are_refused() -> None:
    """Stripe's limit of 20 is a refusal before anything is sent."""
    foreign = [Item(f"si_{n}", f"price_{n}", 1) for n in range(17)]
    made = planned(terms(), terms(add_ons={"sms": 1}), [*items_of(terms()), *foreign])
    assert codes(made) == [("/terms", "too_many_items")]


@pytest.mark.parametrize("currency", ["eur", "gbp"])
def test_another_currency_is_refused(currency: str) -> None:
    """One currency for the subscription's life."""
    assert codes(planned(terms(), terms(seats=6), items_of(terms()), currency=currency)) == [
        ("/terms", "currency_mismatch")
    ]


@pytest.mark.parametrize(("kept", "code"), [((), "not_in_catalog"), ((1,), "price_changed")])
def test_a_price_that_cannot_be_sold_is_refused(kept: tuple[int, ...], code: str) -> None:
    """A tier that was never pushed, or was withdrawn, cannot be bought."""
    prices = PriceBook.build(
        row for row in rows() if ":pro:" not in row.lookup_key or int(row.lookup_key[-1]) in kept
    )
    assert codes(planned(terms(), terms(tier="pro"), prices=prices)) == [("/terms", code)]
