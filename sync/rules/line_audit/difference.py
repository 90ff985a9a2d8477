"""Why the amount of a line is not the expected one."""

from __future__ import annotations

from sync.rules.line_audit.reasons import Reason
from sync.rules.line_audit.shapes import BilledLine


def why_differs(line: BilledLine, price_id: str | None, quantity: int | None, minor: int) -> Reason:
    """What explains that the line does not bill `minor`, for so many of this price."""
    if line.price_id != price_id:
        return Reason.WRONG_PRICE
    if line.quantity != quantity:
        return Reason.WRONG_QUANTITY
    return Reason.ROUNDING if abs(line.amount_minor - minor) == 1 else Reason.UNKNOWN
