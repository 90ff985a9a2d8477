"""What the audit of invoice lines reads and what it says. Moments are whole Unix seconds of Stripe's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sync.rules.line_audit.reasons import Reason
from sync.rules.terms import Terms


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One line of an invoice, as mirrored. `unit_minor` and `lookup_key` are its price's, where known."""

    id: str
    position: int
    amount_minor: int
    currency: str
    description: str | None
    quantity: int | None
    start: int
    end: int
    proration: bool
    price_id: str | None
    item_id: str | None
    tax_minor: int
    discount_minor: int
    unit_minor: int | None = None
    lookup_key: str | None = None


@dataclass(frozen=True, slots=True)
class BilledInvoice:
    """One invoice, as mirrored, with its lines in Stripe's order, and what was given back of its payment.

    The credits are those of credit notes: before the payment they lower `amount_due_minor`.
    """

    id: str
    number: str | None
    status: str | None
    currency: str
    billing_reason: str | None
    customer_id: str | None
    subscription_id: str | None
    created: int
    total_minor: int
    subtotal_minor: int
    amount_due_minor: int
    tax_minor: int
    discount_minor: int
    lines: tuple[BilledLine, ...] = ()
    amount_remaining_minor: int = 0
    pre_payment_credit_minor: int = 0
    post_payment_credit_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0

    @property
    def added_tax_minor(self) -> int:
        """The tax that comes on top; the rest of `tax_minor` is contained in the lines."""
        return self.total_minor - self.subtotal_minor + self.discount_minor


@dataclass(frozen=True, slots=True)
class PromisedLine:
    """One line that a quote promised. `span` is None where only Stripe knows the second it begins."""

    price_id: str | None
    amount_minor: int
    quantity: int | None
    span: tuple[int, int] | None
    description: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What a change promised for the invoice of its part `leg`, in the account's currency.

    `added` are the sums beside the lines: discount, tax and balance. `before` and `after` are terms. `open`
    as long as the change is under way; `applied` once its money was there.
    """

    change_id: str
    leg: str
    quote_id: str
    actor_id: str
    lines: tuple[PromisedLine, ...]
    added: Mapping[str, int]
    before: Terms | None
    after: Terms | None
    open: bool = False
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Bought:
    """Terms that came in force at `since`, by a part of a change; its `price_ids` are what we asked for.

    Without `promise` they were not bought here: adopted, or taken over by a repair, with the prices found.
    """

    since: int
    terms: Terms
    price_ids: frozenset[str] = frozenset()
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Who is billed. An `account_id` of None: nobody of ours.

    `promises` are by invoice; `unlinked` those under way whose invoice is not known yet; `bought` in the
    order of `since`; `subscription_ids` those that are or were ours.
    """

    account_id: str | None
    currency: str = ""
    subscription_ids: frozenset[str] = frozenset()
    promises: Mapping[str, Promise] | None = None
    unlinked: Sequence[Promise] = ()
    bought: Sequence[Bought] = ()


class RowKind(StrEnum):
    """What a row of the audit is about. Only `line` rows are part of an invoice's sums."""

    LINE = "line"  # a line of an invoice
    MISSING = "missing"  # expected on this invoice, and not there
    DISCOUNT = "discount"  # the discounts of an invoice that is not as quoted
    TAX = "tax"  # its tax
    BALANCE = "balance"  # what of it went to the customer's balance, or came from there
    REFUND = "refund"  # given back of its payment
    DISPUTE = "dispute"  # disputed of its payment
    CREDIT_NOTE = "credit_note"  # credited by credit notes, apart from refunds
    NOT_COLLECTED = "not_collected"  # what nobody will pay any more: voided, or uncollectible


@dataclass(frozen=True, slots=True)
class Check:
    """Our own arithmetic for a line: `base_minor` x `seconds_left` / `seconds_total`, before discounts.

    The base of a credit is what was billed for the span that is given back. A line for a whole period has no
    seconds.
    """

    base_minor: int
    seconds_left: int | None
    seconds_total: int | None
    minor: int


class AuditRow(NamedTuple):
    """One amount, expected against invoiced. An `expected_minor` of None: nothing here says what is right.

    `line` is None for what is not on the invoice; `promised` is the expectation where a quote made it.
    `part` is the part of the terms that is billed.
    """

    kind: RowKind
    invoiced_minor: int
    expected_minor: int | None
    reason: Reason | None
    line: BilledLine | None = None
    promised: PromisedLine | None = None
    promise: Promise | None = None
    part: str | None = None
    price_id: str | None = None
    old_quantity: int | None = None
    new_quantity: int | None = None
    check: Check | None = None
    note: str = ""

    @property
    def diff_minor(self) -> int:
        """Invoiced minus expected; all of it where nothing was expected."""
        return self.invoiced_minor - (self.expected_minor or 0)
