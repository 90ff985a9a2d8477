"""The shapes of the public contract that HTTP and the command line share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sync.store.quotes import QuoteRow


def amount(minor: int | None, currency: str) -> dict[str, Any] | None:
    """An amount as the contract writes it."""
    return None if minor is None else {"amount_minor": minor, "currency": currency}


def quote_json(row: QuoteRow) -> dict[str, Any]:
    """The quote of the public contract. Amounts are null where a refusal stopped the pricing."""
    money = row.currency
    next_invoice = row.next_invoice
    return {
        "id": row.id,
        "account_id": row.account_id,
        "current": row.current_terms,
        "now": row.now_terms,
        "at_renewal": row.renewal_terms,
        "self_serve": row.self_serve,
        "refusals": row.refusals,
        "warnings": row.warnings,
        "due_today": amount(row.due_today_minor, money),
        "to_balance": amount(row.to_balance_minor, money),
        "due_today_lines": [_line_json(line, money) for line in row.lines],
        "from_now_on": None
        if row.from_now_on_minor is None
        else {"amount": amount(row.from_now_on_minor, money), "interval": row.from_now_on_interval},
        "next_invoice": None
        if next_invoice is None
        else {
            "amount": amount(next_invoice["amount_minor"], money),
            "on": iso(datetime.fromtimestamp(next_invoice["on_unix"], UTC)),
            "why": next_invoice["why"],
        },
        "estimate_difference_minor": row.estimate_difference_minor,
        "proration_date": row.proration_unix,
        "expires_at": iso(row.expires_at),
        "created_at": iso(row.created_at),
        "fingerprint": row.fingerprint,
    }


def _line_json(line: dict[str, Any], currency: str) -> dict[str, Any]:
    names = ("description", "amount_minor", "quantity", "price_lookup_key", "period", "kind")
    return {**{name: line[name] for name in names}, "currency": currency}


def iso(moment: datetime | None) -> str | None:
    """A moment as the contract writes it: UTC, ISO 8601, to the second."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
