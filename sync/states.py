"""The life of a change's legs: every state with a sentence, and the one table of allowed moves."""

from __future__ import annotations

from enum import StrEnum


class Leg(StrEnum):
    """The two parts of a change."""

    NOW = "now"
    AT_RENEWAL = "at_renewal"


class LegState(StrEnum):
    """Where a leg stands. A renewal leg is applied by its phase: it is scheduled before, and never paid."""

    CONFIRMED = "confirmed"
    """The admin agreed; everything is stored, nothing was sent."""
    APPLYING = "applying"
    """The call left or is about to; while `unknown_since` is set nobody knows yet what it did."""
    AWAITING_PAYMENT = "awaiting_payment"
    """Stripe holds the change back until the payer confirms the payment with the bank."""
    APPLIED = "applied"
    """Paid, or renewed, and read back at Stripe: the new terms are in force."""
    SETTLED = "settled"
    """The invoice was compared with the quote, line by line. The end of a good change."""
    FAILED = "failed"
    """Declined or refused: nothing changed, nothing was charged."""
    EXPIRED = "expired"
    """Not applied before its deadline: it never will be."""
    WITHDRAWN = "withdrawn"
    """The admin took it back before it was paid."""
    SUPERSEDED = "superseded"
    """Another change took its place before it was paid."""
    SCHEDULED = "scheduled"
    """Promised for the renewal: the schedule at Stripe has it as its next phase."""
    REPLACED = "replaced"
    """Another promise for the renewal took its place."""


_S = LegState

ENDED = frozenset({_S.SETTLED, _S.FAILED, _S.EXPIRED, _S.WITHDRAWN, _S.SUPERSEDED, _S.REPLACED})

# From a state to those that may follow. A state may follow itself: a retry, a note, another clean read.
MOVES: dict[LegState, frozenset[LegState]] = {
    _S.CONFIRMED: frozenset(
        {
            _S.CONFIRMED,
            _S.APPLYING,
            _S.SCHEDULED,
            _S.FAILED,
            _S.EXPIRED,
            _S.WITHDRAWN,
            _S.REPLACED,
        }
    ),
    _S.APPLYING: frozenset(
        {
            _S.APPLYING,
            _S.AWAITING_PAYMENT,
            _S.APPLIED,
            _S.FAILED,
            _S.EXPIRED,
            _S.WITHDRAWN,
            _S.SUPERSEDED,
            _S.SCHEDULED,
            _S.REPLACED,
        }
    ),
    _S.AWAITING_PAYMENT: frozenset(
        {
            _S.AWAITING_PAYMENT,
            _S.APPLIED,
            _S.FAILED,
            _S.EXPIRED,
            _S.WITHDRAWN,
            _S.SUPERSEDED,
        }
    ),
    _S.APPLIED: frozenset({_S.SETTLED}),
    _S.SCHEDULED: frozenset({_S.SCHEDULED, _S.APPLYING, _S.APPLIED, _S.FAILED, _S.WITHDRAWN, _S.REPLACED}),
    **{state: frozenset() for state in ENDED},
}


def may_move(before: LegState, after: LegState) -> bool:
    """Whether the table allows this move."""
    return after in MOVES[before]
