"""What `prorata policy explain` says is what a plan does, each difference with its rule and reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from sync.rules.planner import Usage
from sync.rules.policy import Policy
from sync.rules.policy_explain import Explanation, Outcome, explain
from sync.rules.terms import Interval, Terms
from tests.rules.builders import CATALOG, POLICY, any_terms, planned, terms
from tests.rules.test_policy import broken

NOW = terms(tier="pro", contact_limit=2500, seats=8, add_ons={"sms": 1})


def explained(
    current: Terms | None, wanted: Terms, policy: Policy = POLICY, usage: Usage | None = None
) -> Explanation:
    return explain(current, wanted, catalog=CATALOG, policy=policy, currency="usd", usage=usage)


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        (replace(NOW, seats=9), Outcome.NOW),
        (replace(NOW, seats=6), Outcome.AT_RENEWAL),
        (replace(NOW, seats=6, contact_limit=5000), Outcome.NOW_AND_AT_RENEWAL),
        (replace(NOW, tier="plus"), Outcome.BY_REQUEST),
        (replace(NOW, tier="plus", contact_limit=5000), Outcome.BY_REQUEST),
        (replace(NOW, add_ons={}), Outcome.BY_REQUEST),
        (replace(NOW, interval=Interval.YEAR), Outcome.BY_REQUEST),
        (replace(NOW, product="bundle"), Outcome.NOW),
        (NOW, Outcome.NOTHING_TO_CHANGE),
    ],
)
def test_the_whole_is_as_strict_as_its_strictest_part(wanted: Terms, outcome: Outcome) -> None:
    """A cart with one part by request is no cart that can be confirmed."""
    assert explained(NOW, wanted).outcome is outcome


def test_a_first_purchase() -> None:
    """Without present terms there is one difference, the purchase."""
    found = explained(None, NOW)
    assert found.outcome is Outcome.NOW
    assert ["purchase"] == [part.difference.dimension for part in found.plan.differences]


def test_each_difference_says_what_when_how_and_why() -> None:
    """Everything that support or a script has to know, with the row of the file that decided."""
    shown = explained(NOW, replace(NOW, tier="plus", seats=6)).to_json()
    assert shown["differences"] == [
        {
            "dimension": "tier",
            "direction": "down",
            "pointer": "/terms/tier",
            "add_on": None,
            "before": "pro",
            "after": "plus",
            "rule": "tier down *",
            "decision": "by_request",
            "when": ["now", "renewal"],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
            "reason": "A lower tier goes through support, because features in use may be lost.",
        },
        {
            "dimension": "seats",
            "direction": "down",
            "pointer": "/terms/seats",
            "add_on": None,
            "before": 8,
            "after": 6,
            "rule": "seats down *",
            "decision": "self_serve_at_renewal",
            "when": ["renewal"],
            "proration_behavior": "none",
            "payment_behavior": None,
            "reason": "Fewer seats take effect at the next renewal, without refund.",
        },
    ]
    assert shown["summary"] == {
        "outcome": "by_request",
        "now": [],
        "at_renewal": ["/terms/seats"],
        "by_request": ["/terms/tier"],
        "refused": [],
    }


def test_use_refuses_whatever_the_policy_says() -> None:
    """Six seats in use: five are refused, and the sentence says why."""
    found = explained(NOW, replace(NOW, seats=5), usage=Usage(contacts=0, seats=6))
    assert (found.outcome, [each.code for each in found.plan.refusals]) == (Outcome.REFUSED, ["seats_in_use"])


def test_another_file_says_something_else() -> None:
    """The explanation is that of the file at hand."""
    strict = broken('direction = "up"\nproduct = "*"\ndecision = "self_serve_now"',
                    'direction = "up"\nproduct = "*"\ndecision = "refused"')  # fmt: skip
    found = explained(terms(tier="plus"), terms(tier="pro"), strict)
    assert found.outcome is Outcome.REFUSED


@given(any_terms(), any_terms())
def test_an_explanation_is_the_plan_of_a_quote(current: Terms, wanted: Terms) -> None:
    """Same refusals, same legs: nobody is told what a quote would not do."""
    said, made = explained(current, wanted).plan, planned(current, wanted)
    assert (said.differences, said.refusals) == (made.differences, made.refusals)
    assert (said.now, said.at_renewal, said.self_serve) == (made.now, made.at_renewal, made.self_serve)
