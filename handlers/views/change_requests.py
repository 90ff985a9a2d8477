"""Change requests: what was asked for, what would be lost, what it would cost, what was decided."""

from __future__ import annotations

from typing import Any, Literal

from handlers.views.base import Amount, Given, Moment, ProblemEntry, Terms
from handlers.views.changes import Change
from handlers.views.quotes import NextInvoice, Quote, QuoteLine, Recurring


class Loss(Given):
    """One thing that the account would lose."""

    dimension: str
    before: str | int | None
    after: str | int | None
    name: str | None


class DryRun(Given):
    """What the change would do at one of the two moments; nothing is stored or charged."""

    refusals: list[ProblemEntry]
    now: Terms | None
    at_renewal: Terms | None
    due_today: Amount | None
    to_balance: Amount | None
    due_today_lines: list[QuoteLine]
    from_now_on: Recurring | None
    next_invoice: NextInvoice | None


class DryRuns(Given):
    """Both timings."""

    now: DryRun
    renewal: DryRun


class ChangeRequest(Given):
    """A wish that support decides."""

    id: str
    account_id: str
    state: Literal["submitted", "awaiting_admin_confirm", "approved", "declined", "withdrawn", "expired"]
    terms: dict[str, Any] | None
    cancel: bool | None
    effective: Literal["now", "renewal"]
    reason: str
    contact_email: str | None
    losses: list[Loss]
    actor: str
    decided_by: str | None
    decided_at: Moment | None
    decided_effective: Literal["now", "renewal"] | None
    note: str | None
    quote_id: str | None
    change_id: str | None
    expires_at: Moment
    created_at: Moment
    dry_run: DryRuns | None
    quote: Quote | None
    change: Change | None
