"""Who has to look at an exception as long as nobody has taken it: a role, in the words of the API's keys."""

from __future__ import annotations

from typing import Final

from sync.rules.drift import FindingKind
from sync.rules.line_audit import Reason

# Our copy, settings, and things that are not where they must be: no account's wish can explain them.
_ONCALL: Final = frozenset(
    {
        FindingKind.TERMS_NOT_IN_CATALOG,
        FindingKind.TERMS_MISSING,
        FindingKind.SUBSCRIPTION_MISSING,
        FindingKind.CUSTOMER_MISSING,
        FindingKind.RENEWAL_LEG_MISSING,
        FindingKind.MIRROR_STALE,
        FindingKind.PORTAL_ALLOWS_UPDATES,
    }
)


def owner_of_finding(kind: str) -> str:
    """`oncall` for what is wrong with a machine, `support` for what somebody did to a subscription."""
    return "oncall" if kind in _ONCALL else "support"


def owner_of_line(reason: str) -> str:
    """`finance` for money that is not as expected, `oncall` for what never arrived here."""
    return "oncall" if reason == Reason.MISSING_EVENT else "finance"
