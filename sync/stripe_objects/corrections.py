"""What waits for the next invoice."""

from __future__ import annotations

from sync.stripe_objects.base import StripeStruct
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
