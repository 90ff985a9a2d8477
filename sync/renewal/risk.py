"""A promise that may be missed: people are told before its renewal, once for each reason and each guard."""

from __future__ import annotations

from datetime import timedelta

import structlog

from sync.errors import Code
from sync.renewal.standing import effective_unix
from sync.states import LegState
from sync.steps import Step
from sync.telemetry import RENEWAL_AT_RISK, LogEvent
from sync.work import Work

log = structlog.get_logger()

DAY_SECONDS = int(timedelta(days=1).total_seconds())
HOUR_SECONDS = int(timedelta(hours=1).total_seconds())
AT_RISK_SECONDS = 300.0

_WHAT_TO_DO = (
    "Nothing was charged for it. It is tried again until the renewal; if that comes without it, propose a "
    "credit note for the difference."
)


def is_close(work: Work) -> bool:
    """Whether the renewal is less than a day away, as far as Stripe's clock is known without asking."""
    return work.billing.gateway.stripe_now() >= effective_unix(work) - DAY_SECONDS


async def at_risk(work: Work, why: str) -> float:
    """Tell on-call and say it in the change, once; returns the seconds until the next look."""
    remaining = effective_unix(work) - work.billing.gateway.stripe_now()
    detail = f"The decrease is promised but not at Stripe: {why.rstrip('.')}. {_left(remaining)}{_WHAT_TO_DO}"
    if work.leg.detail == detail:
        return AT_RISK_SECONDS
    RENEWAL_AT_RISK.inc()
    log.error(LogEvent.RENEWAL_AT_RISK, change_id=work.change_id, account_id=work.account.id, why=why)
    state = LegState(work.leg.state)
    if state is LegState.CONFIRMED:
        state = LegState.APPLYING
    async with work.commit() as conn:
        await work.move(conn, state, Step.RISK, {"why": why}, reason=Code.RENEWAL_AT_RISK, detail=detail)
    return AT_RISK_SECONDS


def _left(seconds: int) -> str:
    """Another sentence at each guard, so that people are told again."""
    if seconds <= HOUR_SECONDS:
        return "Less than an hour is left. "
    return "Less than a day is left. " if seconds <= DAY_SECONDS else ""
