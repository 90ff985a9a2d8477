"""Every kind of notice that is stored; each one has its templates in both languages."""

from __future__ import annotations

from enum import StrEnum


class NoticeKind(StrEnum):
    """What an e-mail says, and to whom. Without templates for its kind a notice could never be sent."""

    REQUEST_SUBMITTED = "request_submitted"
    """To the admin: the change request has arrived."""
    REQUEST_FOR_SUPPORT = "request_for_support"
    """To support: a change request waits for a decision."""
    REQUEST_NEEDS_CONFIRM = "request_needs_confirm"
    """To the admin: support said yes, and it costs money now, so it waits for a confirm."""
    REQUEST_APPROVED = "request_approved"
    """To the admin: support said yes, and it is carried out."""
    REQUEST_DECLINED = "request_declined"
    """To the admin: support said no, and why."""
    REQUEST_WITHDRAWN = "request_withdrawn"
    """To the admin: the request was taken back."""
    REQUEST_EXPIRED = "request_expired"
    """To the admin: nobody decided or confirmed in time."""
    USAGE_80 = "usage_80"
    """To the admin: four fifths of what was bought are in use."""
    USAGE_90 = "usage_90"
    """To the admin: nine tenths of what was bought are in use."""
    USAGE_100 = "usage_100"
    """To the admin: everything that was bought is in use."""
    DECREASE_DOES_NOT_FIT = "decrease_does_not_fit"
    """To the admin: use has grown above a decrease that takes effect at the next renewal."""
