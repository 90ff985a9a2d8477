"""How invoices stand with their money, as the mirror has it: for people to read, never to decide on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sync.contract import amount
from sync.mirror_rows import InvoiceRow
from sync.rules.payments import Attempt, Taken, standing
from sync.store import payments as store
from sync.store.db import Pool


async def payments_json(pool: Pool, invoices: Sequence[InvoiceRow]) -> dict[str, dict[str, Any]]:
    """The member `payment` of each of these invoices, by the invoice's id."""
    ids = [invoice.id for invoice in invoices]
    taken: dict[str, list[Taken]] = defaultdict(list)
    for charge in await store.charges_of(pool, ids):
        taken[charge.invoice_id].append(charge)
    attempts = {each.invoice_id: each for each in await store.newest_attempts(pool, ids)}
    return {each.id: _payment_json(each, taken[each.id], attempts.get(each.id)) for each in invoices}


def _payment_json(invoice: InvoiceRow, taken: Sequence[Taken], last: Attempt | None) -> dict[str, Any]:
    found = standing(invoice.status, invoice.amount_due_minor, invoice.amount_paid_minor, taken, last)
    return {
        "state": found.state.value,
        "amount_refunded": amount(found.refunded_minor, invoice.currency),
        "disputed": found.disputed,
        "failure_code": found.failure_code,
    }
