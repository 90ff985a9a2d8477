"""Every reason, from an invoice that has it; and that what is right has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.rules.line_audit import SEVERITY, BilledInvoice, Bought, Customer, Reason, nowhere
from tests.reports.builders import (
    BAND,
    BASE,
    FOREIGN_SEAT,
    MONTH,
    OLD_SEAT,
    OTHER_BAND,
    PRO_SEAT,
    SEAT,
    START,
    TERMS,
    UPDATE,
    account,
    invoice,
    line,
    part,
    promise,
    promised,
    renewal,
    rows,
    wrong,
)

case = pytest.param


def one(reason: str, expected: int | None, diff: int) -> list[Any]:
    """One line that is not as expected."""
    return [("line", reason, expected, diff)]


OURS = part()
ONE_OFF = line(None, 77, 1, item_id=None)
LESS = {"discount_minor": 100, "total_minor": 650, "amount_due_minor": 650}
TAXED = {"tax_minor": 75, "total_minor": 825, "amount_due_minor": 825}
BOUGHT = [part(SEAT, -750, 1), part(SEAT, 1500, 2)]


def changed(position: int, **changes: Any) -> BilledInvoice:
    """A renewal with one line changed."""
    lines = renewal()
    lines[position] = replace(lines[position], **changes)
    return invoice(*lines)


@pytest.mark.parametrize(
    ("billed", "found"),
    [
        case(changed(2, quantity=3, amount_minor=4500), one("wrong_quantity", 3000, 1500), id="more"),
        case(changed(2, price_id=OLD_SEAT, amount_minor=2800), one("wrong_price", 3000, -200), id="version"),
        case(changed(1, price_id=OTHER_BAND, amount_minor=4200), one("wrong_price", 2000, 2200), id="band"),
        case(changed(2, amount_minor=3001), one("rounding", 3000, 1), id="rounding"),
        case(changed(2, amount_minor=2900), one("unknown", 3000, -100), id="unknown"),
        case(invoice(*renewal()[:2]), [("missing", "wrong_quantity", 3000, -3000)], id="missing"),
        case(invoice(*renewal(), line(PRO_SEAT, 1900, 1)), one("duplicate_item", 0, 1900), id="twice"),
        case(invoice(*renewal(), ONE_OFF), one("manual_item", None, 77), id="by hand"),
        case(invoice(*renewal(), line("price_x", 77, 1)), one("manual_item", None, 77), id="other price"),
        case(invoice(*renewal(), OURS), one("dashboard_edit", None, 1500), id="proration"),
        case(invoice(*renewal(), refunded_minor=500), [("refund", "refund", 0, -500)], id="refund"),
        case(invoice(*renewal(), disputed_minor=500), [("dispute", "dispute", 0, -500)], id="dispute"),
        case(invoice(line(), **UPDATE), one("dashboard_edit", None, 3000), id="billed by hand"),
        case(invoice(line(), subscription_id="sub_2"), one("dashboard_edit", None, 3000), id="another"),
        case(
            invoice(line(currency="eur"), currency="eur"), one("fx", None, 3000), id="other currency"
        ),
    ],
)  # fmt: skip
def test_renewal_that_is_not_as_the_terms_say(billed: BilledInvoice, found: list[Any]) -> None:
    """Each edit by hand is the only thing found."""
    assert found == wrong(billed)


def test_renewal_as_the_terms_say_has_no_reason() -> None:
    """Nothing to explain, and each line has its expectation."""
    found = rows(invoice(*renewal()))

    assert [(4900, 4900), (2000, 2000), (3000, 3000)] == [(r.expected_minor, r.invoiced_minor) for r in found]
    assert [] == wrong(invoice(*renewal()))


def test_account_keeps_the_version_that_it_bought() -> None:
    """An older price that was never replaced is right, and the one on sale today would be wrong."""
    old = replace(account(), bought=[Bought(START, TERMS, frozenset({OLD_SEAT, BASE, BAND}))])

    assert [] == wrong(changed(2, price_id=OLD_SEAT, amount_minor=2800), of=old)
    assert one("wrong_price", 2800, 200) == wrong(invoice(*renewal()), of=old)


def test_version_is_not_judged_where_nobody_knows_it() -> None:
    """Terms of which no price was ever asked for or found may have any version of their slots."""
    unknown = replace(account(), bought=[Bought(START, TERMS)])

    assert [] == wrong(changed(2, price_id=OLD_SEAT, amount_minor=2800), of=unknown)


def test_adopted_account_keeps_the_price_that_it_brought_along() -> None:
    """Its own price is right, and a price swapped for it by hand is found, even if it is the one on sale."""
    adopted = replace(account(), bought=[Bought(START, TERMS, frozenset({FOREIGN_SEAT, BASE, BAND}))])

    assert [] == wrong(changed(2, price_id=FOREIGN_SEAT, amount_minor=200), of=adopted)
    assert one("wrong_price", 200, 2800) == wrong(invoice(*renewal()), of=adopted)


@pytest.mark.parametrize(
    ("billed", "found"),
    [
        case(invoice(*renewal()[:2]), [("missing", "wrong_quantity", 3000, -3000)], id="missing"),
        case(changed(1, price_id=OTHER_BAND, amount_minor=4200), one("wrong_price", 2000, 2200), id="band"),
    ],
)
def test_price_that_another_account_brought_along_is_nobody_elses(
    billed: BilledInvoice, found: list[Any]
) -> None:
    """Where an account's own price is not known, the one that is sold is expected: never an adopted one."""
    assert found == wrong(billed, of=replace(account(), bought=[Bought(START, TERMS)]))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"status": "void"}, [("not_collected", "not_collected", 0, -9900)]),
        ({"status": "uncollectible", "amount_remaining_minor": 900},
         [("not_collected", "not_collected", 0, -900)]),
        ({"status": "open", "amount_remaining_minor": 9900}, []),
        ({"pre_payment_credit_minor": 400}, [("credit_note", "credit_note", 0, -400)]),
        ({"post_payment_credit_minor": 2000}, [("credit_note", "credit_note", 0, -2000)]),
        # A note that was paid out as a refund is listed once.
        ({"post_payment_credit_minor": 500, "refunded_minor": 500}, [("refund", "refund", 0, -500)]),
        ({"post_payment_credit_minor": 2000, "refunded_minor": 500},
         [("refund", "refund", 0, -500), ("credit_note", "credit_note", 0, -1500)]),
    ],
)  # fmt: skip
def test_money_of_a_renewal_that_was_not_kept(changes: dict[str, Any], found: list[Any]) -> None:
    """Given up or credited: each has a row of its own, beside lines that are as the terms say."""
    assert found == wrong(invoice(*renewal(), **changes))


def test_invoice_of_a_declined_change_is_voided_by_us() -> None:
    """Nobody owes it, so nothing is missing; of a change that was applied it would be."""
    lines = [promised(each) for each in BOUGHT]
    billed = invoice(*BOUGHT, **UPDATE, status="void")

    assert [] == wrong(billed, of=account(promise(*lines)))
    found = [("not_collected", "not_collected", 0, -750)]
    assert found == wrong(billed, of=account(promise(*lines, applied=True)))


def test_credit_note_on_a_changes_unpaid_invoice_is_no_balance() -> None:
    """It lowers what is due; that is told once, as a credit note."""
    of = account(promise(*(promised(each) for each in BOUGHT)))
    credited = {"pre_payment_credit_minor": 200, "amount_due_minor": 550}

    assert [("credit_note", "credit_note", 0, -200)] == wrong(invoice(*BOUGHT, **UPDATE, **credited), of=of)


def test_renewal_that_carries_out_a_decrease_says_what_there_was_before() -> None:
    """The first renewal with fewer seats has both quantities, and the one after it the same twice."""
    more = Bought(START - MONTH, replace(TERMS, seats=9), frozenset({SEAT, BASE, BAND}))
    of = replace(account(), bought=[more, Bought(START, TERMS)])
    later = [replace(each, start=START + MONTH, end=START + 2 * MONTH) for each in renewal()]

    found = rows(invoice(*renewal()), invoice(*later, id="in_2"), of=of)

    quantities = [(row.old_quantity, row.new_quantity) for row in found if row.part == "seats"]
    assert [(6, 2), (2, 2)] == quantities


def test_terms_count_from_the_second_that_stripe_bills_them() -> None:
    """A renewal is held against the terms of its period's start, not against today's."""
    later = Bought(START + 10, replace(TERMS, seats=9))
    of = replace(account(), bought=[*account().bought, later])

    assert [] == wrong(invoice(*renewal()), of=of)


def test_what_was_billed_before_our_terms_is_a_matter_of_timing() -> None:
    """An adopted account's history is listed, not judged."""
    adopted = replace(account(), bought=[Bought(START + 1, TERMS)])

    assert {("line", "timing")} == {each[:2] for each in wrong(invoice(*renewal()), of=adopted)}


@pytest.mark.parametrize(
    ("billed", "found"),
    [
        case(BOUGHT, [], id="as promised"),
        case([BOUGHT[0], replace(BOUGHT[1], amount_minor=1501)], one("rounding", 1500, 1), id="rounding"),
        case([BOUGHT[0], replace(BOUGHT[1], amount_minor=1600)], one("unknown", 1500, 100), id="unknown"),
        case([BOUGHT[0], part(SEAT, 2250, 3)], one("wrong_quantity", 1500, 750), id="quantity"),
        case([BOUGHT[0], part(OLD_SEAT, 1400, 2)], one("wrong_price", 1500, -100), id="price"),
        case([*BOUGHT, part(PRO_SEAT, 950, 1)], one("duplicate_item", 0, 950), id="twice"),
        case([*BOUGHT, part(BASE, 50, 1)], one("dashboard_edit", 0, 50), id="another item"),
        case([*BOUGHT, line(None, 9, 1)], one("manual_item", 0, 9), id="by hand"),
        case([BOUGHT[1]], [("missing", "unknown", -750, 750)], id="a line is missing"),
    ],
)  # fmt: skip
def test_invoice_of_a_change_against_its_quote(billed: list[Any], found: list[Any]) -> None:
    """The promise is what is expected, line by line."""
    of = account(promise(*(promised(each) for each in BOUGHT)))

    assert found == wrong(invoice(*billed, **UPDATE), of=of)


@pytest.mark.parametrize(
    ("changes", "added", "found"),
    [
        (LESS, {"discount": -100}, []),
        (LESS, {}, [("discount", "discount", 0, -100)]),
        (TAXED, {"tax": 75}, []),
        (TAXED, {"tax": 70}, [("tax", "tax", 70, 5)]),
        ({"tax_minor": 75}, {}, []),  # contained in the amounts
        ({"amount_due_minor": 450}, {"balance": -300}, []),
        ({"amount_due_minor": 450}, {}, [("balance", "credit_balance", 0, -300)]),
        ({"amount_due_minor": 40}, {"balance": -750}, []),  # too little to be collected
    ],
)  # fmt: skip
def test_sums_beside_the_lines(changes: dict[str, int], added: dict[str, int], found: list[Any]) -> None:
    """Discount, tax and balance have a row of their own where they are not as quoted."""
    of = account(promise(*(promised(each) for each in BOUGHT), added=added))

    assert found == wrong(invoice(*BOUGHT, **UPDATE, **changes), of=of)


def test_line_on_another_invoice_is_a_matter_of_timing() -> None:
    """Missing here, found there: both say so, and the stray one names its change."""
    of = account(promise(*(promised(each) for each in BOUGHT)))
    here, there = invoice(BOUGHT[1], **UPDATE), invoice(*renewal(), BOUGHT[0], id="in_9")

    found = [("missing", "timing", -750, 750), *one("timing", None, -750)]
    assert found == wrong(here, there, of=of)


def test_invoice_of_a_change_that_is_just_being_sent_is_known_by_its_lines() -> None:
    """Between Stripe's answer and our note of it there is no false alarm."""
    sent = promise(*(promised(each) for each in BOUGHT), open=True)

    assert [] == wrong(invoice(*BOUGHT, **UPDATE), of=replace(account(), unlinked=[sent]))


def test_change_whose_invoice_never_came() -> None:
    """All of its lines are missing, and the reason says why."""
    found = list(nowhere(promise(*(promised(each) for each in BOUGHT))))

    assert [("missing", Reason.MISSING_EVENT)] * 2 == [(row.kind.value, row.reason) for row in found]


def test_customer_of_nobody_is_listed() -> None:
    """No line of any invoice is left out."""
    billed = invoice(line(), line(None, 500, 1, item_id=None))

    found = [("line", "dashboard_edit", None, 3000), ("line", "manual_item", None, 500)]
    assert found == wrong(billed, of=Customer(None))


def test_quantities_before_and_after() -> None:
    """By the terms of the change, for the part that the line bills."""
    of = account(promise(*(promised(each) for each in BOUGHT)))

    assert {(0, 2)} == {(row.old_quantity, row.new_quantity) for row in rows(invoice(*BOUGHT), of=of)}


def test_every_reason_has_a_severity() -> None:
    """In the words of the findings."""
    assert set(Reason) == set(SEVERITY)
    assert {"notice", "warning", "critical"} == set(SEVERITY.values())
