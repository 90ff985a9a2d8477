"""Why an amount was invoiced that nobody here expected: one code each, for finance to sort by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Why invoiced and expected differ."""

    ROUNDING = "rounding"
    """One minor unit apart, and nothing else differs."""
    TAX = "tax"
    """The invoice's tax is not the one of the quote."""
    DISCOUNT = "discount"
    """The invoice's discounts are not those of the quote."""
    CREDIT_BALANCE = "credit_balance"
    """Another part of the total was settled with the customer's balance than quoted."""
    FX = "fx"
    """The line is in another currency than the account."""
    TIMING = "timing"
    """Promised on another invoice, or of a time before the account's terms are known here."""
    MANUAL_ITEM = "manual_item"
    """Added by hand: a one-off item, an invoice of its own, or a price outside of the catalog."""
    DASHBOARD_EDIT = "dashboard_edit"
    """The subscription was changed at Stripe and not through Prorata."""
    REFUND = "refund"
    """Given back on the invoice's payment."""
    DISPUTE = "dispute"
    """The payer's bank disputed the payment. One that was won stays listed: the charge does not say how it
    ended."""
    CREDIT_NOTE = "credit_note"
    """Credited by a credit note: to the customer's balance, outside of Stripe, or before the payment."""
    NOT_COLLECTED = "not_collected"
    """Owed, and given up: the invoice was voided or marked uncollectible."""
    MISSING_EVENT = "missing_event"
    """A change was paid, and its invoice never arrived here."""
    WRONG_QUANTITY = "wrong_quantity"
    """Another quantity than the terms say; none at all counts as 0."""
    WRONG_PRICE = "wrong_price"
    """Another price than the terms say, or another version of it."""
    DUPLICATE_ITEM = "duplicate_item"
    """A second item bills the same part of the terms."""
    UNKNOWN = "unknown"
    """None of the others explains it."""


_CRITICAL: Final = (
    Reason.FX,
    Reason.WRONG_QUANTITY,
    Reason.WRONG_PRICE,
    Reason.DUPLICATE_ITEM,
    Reason.UNKNOWN,
)
_NOTICE: Final = (
    Reason.ROUNDING,
    Reason.TIMING,
    Reason.MANUAL_ITEM,
    Reason.REFUND,
    Reason.CREDIT_NOTE,
)

# In the words of a finding.
SEVERITY: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        **dict.fromkeys(Reason, "warning"),
        **dict.fromkeys(_CRITICAL, "critical"),
        **dict.fromkeys(_NOTICE, "notice"),
    }
)
