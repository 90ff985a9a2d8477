"""The judge itself: every fault that a campaign must not pass over is seen, and what is well is not."""

from __future__ import annotations

from typing import Any

import pytest

from sync.rules.catalog import packaged
from sync.rules.terms import Terms
from tests.faults import judging
from tests.proof.backlog import Backlog
from tests.proof.deliveries import Deliveries
from tests.proof.judge import Verdict, unconfirmed
from tests.proof.parts import Part, report
from tests.proof.renewals import judge_renewals

TERMS = {"product": "marketing", "tier": "plus", "contact_limit": 1000, "seats": 3, "add_ons": {}}
TERMS |= {"interval": "month"}
RENEWAL, RENEWS_ON = 1_700_000_000, "2023-11-14T22:13:20Z"
EFFECT = {"kind": "subscription_updated"}


def _promised(state: str, reason: str | None = None) -> dict[str, Any]:
    leg = {"state": state, "reason": reason, "effective_on": RENEWS_ON, "terms": TERMS}
    return {"id": "chg_1", "now": None, "at_renewal": leg, "stripe_subscription_id": "sub_1"}


@pytest.mark.parametrize(
    ("state", "reason", "after", "is_parked", "problems"),
    [
        ("scheduled", None, -10, False, 0),
        ("scheduled", None, judging.LATE_SECONDS - 10, False, 0),
        ("scheduled", None, judging.LATE_SECONDS + 10, True, 1),
        ("settled", None, 86_400, False, 0),
        ("failed", "renewal_missed", 86_400, False, 1),
        ("failed", "renewal_missed", 86_400, True, 0),
        ("failed", "subscription_canceled", 86_400, False, 0),
    ],
)
def test_a_promise_that_its_renewal_passed_by(
    state: str, reason: str | None, after: int, is_parked: bool, problems: int
) -> None:
    """It came true, or the account is parked for it; it does not go on standing."""
    found = judging.missed(_promised(state, reason), RENEWAL + after, is_parked=is_parked)
    assert len(found) == problems, found


@pytest.mark.parametrize(
    ("confirmed", "told", "problems"),
    [
        ({"chg_1": "q_1"}, {"q_1": "chg_1"}, 0),
        ({}, {"q_1": None}, 0),  # no answer came before the end
        ({}, {"q_1": "quote_stale"}, 1),  # two charges, where the new quote was confirmed as well
        ({}, {}, 1),
        ({"chg_1": "q_2"}, {"q_2": "chg_1"}, 1),
    ],
)
def test_an_effect_of_which_the_customer_was_told_otherwise(
    confirmed: dict[str, str], told: dict[str, str | None], problems: int
) -> None:
    """A change with an effect is one that was agreed to, and nobody was told that nothing had happened."""
    assert len(unconfirmed(confirmed, told, "chg_1", "q_1", [EFFECT])) == problems


def test_a_change_without_an_effect_needs_no_consent() -> None:
    """Nothing happened for it, so whatever the customer was told is true."""
    assert unconfirmed({}, {"q_1": "quote_stale"}, "chg_1", "q_1", []) == []


def _renewed(name: str, subtotal: int, until: int = RENEWAL) -> dict[str, Any]:
    parent = {"subscription_details": {"subscription": "sub_1"}}
    told = {"billing_reason": "subscription_cycle", "period_end": until, "parent": parent}
    return {"id": name, "subtotal": subtotal, **told}


@pytest.mark.parametrize(
    ("more", "twice", "doubled", "unequal"), [(0, False, 0, 0), (1, False, 0, 1), (0, True, 1, 0)]
)
def test_every_renewal_is_billed_once_and_for_what_was_bought(
    more: int, twice: bool, doubled: int, unequal: int
) -> None:
    """A second invoice of a period, and an amount that is not the price of the terms, are seen."""
    catalog = packaged()
    price = catalog.recurring_minor(Terms.from_json(TERMS), "usd")
    invoices = [_renewed("in_1", price + more)] + ([_renewed("in_2", price)] if twice else [])
    change = {"id": "chg_1", "now": {"terms": TERMS}, "at_renewal": None}
    bought = {"kind": "subscription_created", "change_id": "chg_1", "subscription": "sub_1", "seq": 1}
    made = [
        {"kind": "invoice_created", "object": invoice["id"], "seq": 2, "change_id": None}
        for invoice in invoices
    ]
    verdict = Verdict()

    judge_renewals(catalog, [change], [{**bought, "at": RENEWAL - 1}, *made], invoices, verdict)

    assert (len(verdict.doubled), len(verdict.unequal)) == (doubled, unequal), verdict.problems


@pytest.mark.parametrize(("settled", "parked", "is_clean"), [(60, 1, True), (49, 1, False), (60, 16, False)])
def test_a_deployment_that_does_nothing_shows_nothing(settled: int, parked: int, is_clean: bool) -> None:
    """Half of the changes settle, and few accounts are parked."""
    verdict = Verdict(changes=100, accounts=100, parked=parked)
    verdict.ends["settled"] = settled
    assert verdict.is_clean is is_clean


@pytest.mark.parametrize(("caught_up", "is_clean"), [(5, True), (4, False), (25, False)])
def test_exactly_what_was_dropped_is_caught_up(caught_up: int, is_clean: bool) -> None:
    """More means that deliveries were acknowledged and not stored."""
    assert Deliveries(dropped=5, caught_up=caught_up).is_clean is is_clean


@pytest.mark.parametrize(
    ("seconds", "confirms", "is_clean"),
    [
        (50, [1.0] * 6, True),
        (61, [1.0] * 6, False),
        (50, [], False),
        (50, [4.0] * 6, True),  # too few for a percentile
        (50, [11.0] * 6, False),
        (50, [4.0] * 20, False),
    ],
)
def test_a_backlog_is_worked_off_in_time(seconds: float, confirms: list[float], is_clean: bool) -> None:
    """Within its seconds, and beside admins who do not wait."""
    assert Backlog(events=100_000, seconds=seconds, confirms=confirms).is_clean is is_clean


def test_what_nobody_counted_is_not_nothing() -> None:
    """A part that broke has a row, and the last line does not speak of counts that nobody made."""
    lines = report([Part.broken("under fire", RuntimeError("the twin is gone"), 3.0)], 7).splitlines()
    assert "BROKEN" in lines[1]
    assert "RuntimeError" in lines[2]
    assert lines[-1].startswith("BROKEN: tried under fire")
    assert "an unknown number doubled" in lines[-1]
