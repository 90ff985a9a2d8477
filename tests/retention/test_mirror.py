"""The mirror outlives the events that it was made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers import inbox
from sync import retention
from sync.retention import Keep
from tests.mirror.builders import SECOND, updated
from tests.mirror.conftest import Bench, bench

__all__ = ["bench"]


async def test_object_whose_event_was_pruned_goes_on(bench: Bench) -> None:
    """Newer is applied, older ignored; only within the lost event's own second is doubt."""
    moment = datetime.fromtimestamp(SECOND, UTC)
    await inbox.ensure_partitions(bench.pool, moment, 1)
    await bench.deliver(updated("evt_1", 5, now=5))
    await retention.prune(bench.pool, Keep(), moment + timedelta(days=100))
    assert [] == await bench.pool.fetch("SELECT id FROM inbox")

    await bench.deliver(updated("evt_0", 4, now=4))
    assert (5, {}) == (await bench.quantity(), await bench.doubts())
    await bench.deliver(updated("evt_2", 5, now=7))
    assert (5, ["sub_1"]) == (await bench.quantity(), list(await bench.doubts()))
    await bench.deliver(updated("evt_3", 6, now=6))
    assert 6 == await bench.quantity()
