"""The fuse's arithmetic: how much of a subscription's share is used, and when it is free again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sync.fuse import DAY_MOST, MINUTE_MOST, QUANTITIES_MOST, possible_again
from sync.store.switches import SentRow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def sent(*ages_seconds: float, quantities: int = 1) -> list[SentRow]:
    """Calls so long ago, newest first."""
    return [SentRow(NOW - timedelta(seconds=age), quantities) for age in sorted(ages_seconds)]


def test_nothing_sent_is_free() -> None:
    """A subscription that nobody changed can be changed."""
    assert possible_again([], 20, NOW) is None


@pytest.mark.parametrize(
    ("count", "spacing", "window"), [(DAY_MOST, 600, 86_400), (MINUTE_MOST, 5, 60)], ids=["day", "minute"]
)
def test_the_share_is_free_again_when_its_oldest_has_left_the_window(
    count: int, spacing: int, window: int
) -> None:
    """One less is possible at once; a full share is possible again one window after its oldest call."""
    ages = [number * spacing for number in range(1, count + 1)]
    full = sent(*ages)

    assert possible_again(full[1:], 1, NOW) is None
    free_at = possible_again(full, 1, NOW)
    assert free_at == NOW - timedelta(seconds=ages[-1]) + timedelta(seconds=window)
    assert possible_again(full, 1, free_at) is None
    assert possible_again(full, 1, free_at - timedelta(seconds=1)) is not None


def test_more_than_a_share_waits_for_more_than_one() -> None:
    """Calls that came from elsewhere are counted, too: as many must leave as are over."""
    ages = [600 + number for number in range(DAY_MOST + 3)]
    free_at = possible_again(sent(*ages), 1, NOW)

    assert free_at == NOW - timedelta(seconds=ages[DAY_MOST - 1]) + timedelta(days=1)


def test_quantities_count_for_an_hour() -> None:
    """A change of many items spends many quantity updates."""
    per_call = QUANTITIES_MOST // 5
    calls = sent(300, 400, 500, 600, 700, quantities=per_call)

    assert possible_again(calls[1:], per_call, NOW) is None
    assert possible_again(calls, 1, NOW) == NOW - timedelta(seconds=700) + timedelta(hours=1)
    assert possible_again(calls, 1, NOW + timedelta(minutes=50)) is None


def test_the_longest_wait_counts() -> None:
    """A full minute inside of a full day waits for the day."""
    ages = [*range(1, MINUTE_MOST + 1), *range(7200, 7200 + DAY_MOST)]
    free_at = possible_again(sent(*ages), 1, NOW)

    assert free_at is not None
    assert free_at > NOW + timedelta(hours=20)
