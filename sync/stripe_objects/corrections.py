"""What waits for the next invoice, and what became of the money that was taken."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct
from sync.stripe_objects.invoice import InvoiceParent


class InvoiceItem(StripeStruct, frozen=True, kw_only=True):
    """An amount that waits for an invoice: of one subscription, or of any that the customer has."""

    id: str
    amount: int
    currency: str
    parent: InvoiceParent | None = None

    @property
    def subscription_id(self) -> str | None:
        """The only subscription whose invoices may take it; None: whichever comes first."""
        return self.parent.subscription_id if self.parent else None


class Charge(StripeStruct, frozen=True, kw_only=True):
    """One taking of money."""

    id: str
    payment_intent: Ref | None = None
    amount_refunded: int = 0
    disputed: bool = False
