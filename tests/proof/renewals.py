"""The judge of renewals: one invoice for each period, for what was bought by then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sync.rules.catalog import Catalog
from sync.rules.terms import Terms
from tests.faults.judging import EFFECTS, Entries

if TYPE_CHECKING:
    from tests.proof.judge import Verdict

CAME_TRUE = ("applied", "settled")


class _Bought(NamedTuple):
    """From `at` on, and from this place of the ledger on, a subscription has these terms."""

    at: float
    place: int
    terms: dict[str, Any]


def judge_renewals(
    catalog: Catalog,
    changes: list[dict[str, Any]],
    ledger: Entries,
    invoices: list[dict[str, Any]],
    verdict: Verdict,
) -> None:
    """Every invoice of a renewal: the only one of its period, and the price of the terms in force."""
    bought = _bought(changes, ledger)
    place = {entry["object"]: entry["seq"] for entry in ledger if entry["kind"] == "invoice_created"}
    periods: Counter[tuple[str, int]] = Counter()
    for invoice in invoices:
        if invoice["billing_reason"] != "subscription_cycle":
            continue
        subscription_id = invoice["parent"]["subscription_details"]["subscription"]
        periods[subscription_id, invoice["period_end"]] += 1
        verdict.renewals += 1
        terms = _in_force(bought.get(subscription_id, []), invoice["period_end"], place[invoice["id"]])
        expected = catalog.recurring_minor(Terms.from_json(terms), "usd") if terms else None
        if invoice["subtotal"] != expected:
            verdict.unequal.append(
                f"{invoice['id']}: renewed for {invoice['subtotal']} instead of {expected}"
            )
    verdict.doubled += [
        f"{subscription_id}: {count} invoices for the period until {until}"
        for (subscription_id, until), count in periods.items()
        if count > 1
    ]


def _bought(changes: list[dict[str, Any]], ledger: Entries) -> dict[str, list[_Bought]]:
    """What each subscription came to have, as the ledger says when."""
    of = {change["id"]: change for change in changes}
    found: dict[str, list[_Bought]] = {}
    for entry in ledger:
        change = of.get(entry["change_id"])
        if entry["kind"] in EFFECTS and change is not None and change["now"]:
            happened = _Bought(entry["at"], entry["seq"], change["now"]["terms"])
            found.setdefault(entry["subscription"], []).append(happened)
    for change in changes:
        for promised in _came_true(change):
            found.setdefault(change["stripe_subscription_id"], []).append(promised)
    return found


def _came_true(change: dict[str, Any]) -> Iterator[_Bought]:
    leg = change["at_renewal"]
    if leg and leg["state"] in CAME_TRUE:
        yield _Bought(datetime.fromisoformat(leg["effective_on"]).timestamp(), 0, leg["terms"])


def _in_force(bought: list[_Bought], at: int, place: int) -> dict[str, Any] | None:
    """The terms that a renewal at this moment, and at this place of the ledger, has to bill."""
    before = [each for each in bought if each.at <= at and each.place < place]
    return max(before, key=lambda each: each.at).terms if before else None
