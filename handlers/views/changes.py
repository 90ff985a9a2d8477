"""Changes: what became of a confirmed quote."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from handlers.views.base import Amount, Given, Moment, Problem, Terms


class NowLeg(Given):
    """What happens at once, and what it cost."""

    state: str
    reason: str | None
    detail: str | None
    terms: Terms
    quoted: Amount | None
    charged: Amount | None
    difference_minor: int | None
    stripe_invoice_id: str | None
    hosted_invoice_url: str | None
    payable_until: Moment | None


class RenewalLeg(Given):
    """What happens at the next renewal."""

    state: str
    reason: str | None
    detail: str | None
    terms: Terms
    effective_on: Moment | None
    charged: Amount | None
    difference_minor: int | None
    stripe_invoice_id: str | None


class Step(Given):
    """One step of a change's story."""

    at: Moment
    leg: str
    step: str
    state: str
    detail: dict[str, Any]


class Change(Given):
    """A confirmed quote. `state` is the open leg's, or the last one's."""

    id: str
    quote_id: str
    account_id: str
    actor: str
    now: NowLeg | None
    at_renewal: RenewalLeg | None
    state: str
    stripe_subscription_id: str | None
    created_at: Moment
    settled_at: Moment | None
    steps: list[Step]


class EndedChange(Problem, Change):
    """A change that ended without effect, as a problem document with the change's own members."""

    model_config = ConfigDict(extra="allow")
