"""When the creation of a customer may be sent again, and under which key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.customers import next_call
from sync.errors import OutcomeUnknown
from sync.gateway import StoredCall
from sync.store.calls import CallRow

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = {"email": "b@acme.example", "payment_method": "pm_asked"}
OTHER = {"email": "b@acme.example", "payment_method": "pm_other"}


def sent(first_seconds: int, last_seconds: int, body: dict[str, Any], status: int | None = None) -> CallRow:
    """The first attempt, first and last sent so many seconds ago."""
    first, last = (NOW - timedelta(seconds=ago) for ago in (first_seconds, last_seconds))
    call = StoredCall("account:acme:customer:1", "customer", "POST", "/v1/customers", body)
    return CallRow(call, first, last, 1, NOW if status else None, status)


@pytest.mark.parametrize(
    ("last", "number"),
    [
        (None, 1),
        (sent(5, 5, ASKED, 402), 2),  # a definite no
        (sent(5, 5, ASKED, 500), 2),  # replayed for a day
        (sent(5, 5, ASKED), 1),
        (sent(80_000, 70, ASKED), 1),
        (sent(83_000, 70, ASKED), 2),  # the key is too old to be trusted
        (sent(70, 70, OTHER), 2),
    ],
)
def test_next_call_has_this_number(last: CallRow | None, number: int) -> None:
    """The same key only for the same bytes, while it is young and its answer is not known."""
    call = next_call("acme", last, 1 if last else 0, ASKED, NOW)
    assert (f"account:acme:customer:{number}", ASKED) == (call.key, call.params)


@pytest.mark.parametrize("last", [sent(5, 5, OTHER), sent(70, 59, OTHER), sent(83_000, 5, ASKED)])
def test_next_call_waits_for_one_under_way(last: CallRow) -> None:
    """Another key while the last call may still arrive could make a second customer."""
    with pytest.raises(OutcomeUnknown) as refused:
        next_call("acme", last, 1, ASKED, NOW)
    assert refused.value.retryable
