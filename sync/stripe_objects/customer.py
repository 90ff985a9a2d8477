"""Customers."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct


class InvoiceSettings(StripeStruct, frozen=True, kw_only=True):
    default_payment_method: Ref | None = None


class Customer(StripeStruct, frozen=True, kw_only=True):
    """A customer; a deleted one keeps its id and `deleted=True` and loses the rest."""

    id: str
    deleted: bool = False
    email: str | None = None
    name: str | None = None
    balance: int = 0
    currency: str | None = None
    delinquent: bool | None = None
    default_source: Ref | None = None
    invoice_settings: InvoiceSettings = InvoiceSettings()
    metadata: dict[str, str] = {}
    created: int = 0
    livemode: bool = False
    test_clock: Ref | None = None

    @property
    def has_payment_method(self) -> bool:
        """Whether something can be charged without the customer present."""
        return bool(self.invoice_settings.default_payment_method or self.default_source)
