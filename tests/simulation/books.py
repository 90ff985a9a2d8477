"""What must hold of our own books at the end of a run: amounts, invoices, and the audit log."""

from __future__ import annotations

from typing import Any

from sync import audit
from tests.simulation.life import Life
from tests.simulation.people import ACCOUNTS

LINES = """
SELECT id, due_today_minor,
       (SELECT coalesce(sum((line ->> 'amount_minor')::bigint), 0) FROM jsonb_array_elements(lines) AS line)
  FROM quote WHERE due_today_minor IS NOT NULL
"""
SETTLED = """
SELECT leg.change_id, leg.account_id, leg.stripe_invoice_id, leg.quoted_minor
  FROM change_leg AS leg WHERE leg.leg = 'now' AND leg.state = 'settled'
"""
KNOWN_ENDS = ("paid", "open", "void")


async def kept(life: Life) -> list[str]:
    """What is not as it should be."""
    pool = life.stage.pool
    broken = [
        f"S13: the lines of {quote_id} come to {lines}, and its sum is {due}"
        for quote_id, due, lines in await pool.fetch(LINES)
        if lines != due
    ]
    invoices = life.stage.twin.world.store["invoice"].docs
    broken += [sentence for row in await pool.fetch(SETTLED) if (sentence := _invoiced(life, row, invoices))]
    verdicts = [await audit.verify(pool, account_id) for account_id in (None, *ACCOUNTS)]
    broken += [f"S19: the log of {each.account_id}: {each.broken}" for each in verdicts if each.broken]
    return broken


def _invoiced(life: Life, row: Any, invoices: dict[str, Any]) -> str | None:
    """L5: a settled change has one invoice whose end is known, or cost nothing."""
    if row["account_id"] in life.stripe.touched:
        return None
    if row["stripe_invoice_id"] is None:
        return f"L5: {row['change_id']} has no invoice" if row["quoted_minor"] else None
    invoice = invoices.get(row["stripe_invoice_id"])
    if invoice is None or invoice["status"] not in KNOWN_ENDS:
        return f"L5: the invoice of {row['change_id']} is {invoice and invoice['status']}"
    return None
