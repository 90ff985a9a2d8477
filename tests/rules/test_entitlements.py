"""What a subscription's state leaves of what was bought, and that a careless table is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.rules.entitlements import NEVER_PAID, Entitlement, Level, Status, entitlement
from sync.rules.policy import Policy
from sync.rules.terms import Terms
from tests.rules.builders import CATALOG, POLICY, any_terms, terms

LEVELS = {
    "active": "full",
    "trialing": "full",
    "past_due": "full",
    "unpaid": "read_only",
    "paused": "read_only",
    "incomplete": "none",
    "incomplete_expired": "none",
    "canceled": "none",
    "none": "none",
}


def granted(status: str, bought: Terms | None, policy: Policy = POLICY) -> Entitlement:
    return entitlement(policy.entitlements, status, bought)


@pytest.mark.parametrize(("status", "level"), LEVELS.items())
def test_the_default_table(status: str, level: str) -> None:
    """Everything while Stripe collects, reading once it gave up, nothing after the end."""
    found = granted(status, terms())
    assert (found.level, bool(found.reason)) == (level, True)


def test_every_state_is_decided() -> None:
    """The table above is the whole of it: no state is left out."""
    assert set(LEVELS) == set(Status)


@given(st.one_of(st.sampled_from(sorted(Status)), st.text(max_size=20)), st.one_of(st.none(), any_terms()))
def test_nothing_is_granted_that_was_not_bought(status: str, bought: Terms | None) -> None:
    """Whatever Stripe reports: the terms are the bought ones or none, and none exactly at level none."""
    found = granted(status, bought)
    assert found.terms in (bought, None)
    assert (found.terms is None) == (found.level is Level.NONE)
    assert (found.entitled is not None) == (found.level is Level.FULL)
    assert found.reason


@given(st.sampled_from(sorted(NEVER_PAID)), any_terms())
def test_nothing_is_granted_before_the_first_payment(status: Status, bought: Terms) -> None:
    """Incomplete, expired or absent: no terms, whatever stands in our own tables."""
    assert granted(status, bought).terms is None


@given(st.text().filter(lambda text: text not in set(Status)), any_terms())
def test_a_state_that_nobody_knows_grants_nothing(status: str, bought: Terms) -> None:
    """Stripe may invent states; then nobody can say what is paid."""
    found = granted(status, bought)
    assert (found.level, found.terms) == (Level.NONE, None)
    assert "does not know" in found.reason


def test_read_only_shows_the_terms_and_entitles_to_nothing() -> None:
    """What is there can be seen; `entitled` is what may be used in full."""
    found = granted("unpaid", terms())
    assert (found.terms, found.entitled) == (terms(), None)
    assert found.to_json()["level"] == "read_only"


def with_level(status: Status, level: Level) -> Policy:
    """The packaged policy with another level for one state."""
    changed = [replace(rule, level=level) if rule.status is status else rule for rule in POLICY.entitlements]
    return replace(POLICY, entitlements=tuple(changed))


@pytest.mark.parametrize("status", sorted(NEVER_PAID))
@pytest.mark.parametrize("level", [Level.FULL, Level.READ_ONLY])
def test_a_table_that_grants_unpaid_is_refused(status: Status, level: Level) -> None:
    """No company can make Prorata give away what was never paid by a slip in a file."""
    [fault] = with_level(status, level).check(CATALOG)
    assert fault.startswith(f"entitlements: {status} grants {level}, but nothing was paid")


def test_a_table_that_withholds_what_is_paid_is_refused() -> None:
    """An active subscription is paid, so it grants everything."""
    [fault] = with_level(Status.ACTIVE, Level.READ_ONLY).check(CATALOG)
    assert fault == "entitlements: active grants read_only, but everything is paid; it must be full"


def test_a_company_can_be_stricter_with_those_who_owe() -> None:
    """Read-only at the first failed renewal already: a choice, not a fault."""
    strict = with_level(Status.PAST_DUE, Level.READ_ONLY)
    assert strict.check(CATALOG) == []
    assert granted("past_due", terms(), strict).level is Level.READ_ONLY


def test_missing_and_double_states_are_reported_together() -> None:
    """Each state needs exactly one row."""
    rows = [rule for rule in POLICY.entitlements if rule.status is not Status.PAUSED]
    broken = replace(POLICY, entitlements=(*rows, rows[0]))
    assert broken.check(CATALOG) == [
        "entitlements: active has 2 rules; each state needs exactly one",
        "entitlements: paused has no rules; each state needs exactly one",
    ]
