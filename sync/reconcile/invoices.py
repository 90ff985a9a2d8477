"""Invoices of our customers that neither a change of ours nor the life of the subscription explains."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sync.billing import Billing
from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.rules.drift import Difference, FindingKind
from sync.store.sweeps import OddInvoice


def unexplained(invoices: Sequence[OddInvoice]) -> list[Difference]:
    """What a finding says of each; its status is left out, because paying it changes nothing about it."""
    return [
        Difference(
            FindingKind.INVOICE_UNEXPLAINED,
            invoice.id,
            "",
            invoice.account_id,
            None,
            {
                "billing_reason": invoice.billing_reason,
                "subscription": invoice.subscription_id,
                "total_minor": invoice.total_minor,
                "currency": invoice.currency,
            },
        )
        for invoice in invoices
    ]


async def fresh_reads(billing: Billing, invoices: Sequence[OddInvoice]) -> list[ObjectRead]:
    """Each of them, read now. Raises StripeCallFailed."""
    reads = await asyncio.gather(
        *(billing.gateway.read_object(Kind.INVOICE, invoice.id) for invoice in invoices)
    )
    return list(reads)
