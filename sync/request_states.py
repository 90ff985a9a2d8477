"""The life of a change request: every state with a sentence, and who may move it where."""

from __future__ import annotations

from enum import StrEnum


class RequestState(StrEnum):
    """Where a request stands."""

    SUBMITTED = "submitted"
    """Support has it."""
    AWAITING_ADMIN_CONFIRM = "awaiting_admin_confirm"
    """Support said yes, and it costs something now: the primary admin confirms the amounts."""
    APPROVED = "approved"
    """It became a change."""
    DECLINED = "declined"
    """Support said no, with a reason."""
    WITHDRAWN = "withdrawn"
    """The primary admin took it back."""
    EXPIRED = "expired"
    """Nobody decided, or confirmed, in time."""


OPEN = (RequestState.SUBMITTED, RequestState.AWAITING_ADMIN_CONFIRM)

MOVES: dict[RequestState, frozenset[RequestState]] = {
    RequestState.SUBMITTED: frozenset(
        {
            RequestState.AWAITING_ADMIN_CONFIRM,
            RequestState.APPROVED,
            RequestState.DECLINED,
            RequestState.WITHDRAWN,
            RequestState.EXPIRED,
        }
    ),
    RequestState.AWAITING_ADMIN_CONFIRM: frozenset(
        {
            RequestState.AWAITING_ADMIN_CONFIRM,
            RequestState.APPROVED,
            RequestState.DECLINED,
            RequestState.WITHDRAWN,
            RequestState.EXPIRED,
        }
    ),
    RequestState.APPROVED: frozenset(),
    RequestState.DECLINED: frozenset(),
    RequestState.WITHDRAWN: frozenset(),
    RequestState.EXPIRED: frozenset(),
}
