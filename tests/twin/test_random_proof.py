"""The random histories at size: 100,000 requests of a seed of its own every time.

PRORATA_TEST_SEED=123 python -m pytest -m proof tests/twin/test_random_proof.py      runs one seed again
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.twin.fuzz.invariants import broken_history, lost_on_disk
from tests.twin.fuzz.run import History

pytestmark = pytest.mark.proof

REQUESTS = 100_000
SHORT, LONG = 120, 2_000
REPORT_EVERY = 10_000


async def test_a_hundred_thousand_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """Many short histories, now and then a long one; the first failure ends the run and names its seed."""
    first = int(os.environ.get("PRORATA_TEST_SEED") or random.SystemRandom().randrange(10**9))
    began, requests, histories, said = time.monotonic(), 0, 0, 0
    with capsys.disabled():
        print(f"\ntwin: {REQUESTS} requests from seed {first} (PRORATA_TEST_SEED={first} repeats them)")
    while requests < REQUESTS:
        steps = LONG if histories % 25 == 24 else SHORT
        history = await History(first + histories).run(steps, every=200 if steps == LONG else 40)
        history.fail(broken_history(history.world))
        history.fail(lost_on_disk(history.world, history.twin.keys))
        assert history.failures == [], history.report()
        requests, histories = requests + history.requests, histories + 1
        if requests // REPORT_EVERY > said:
            said = requests // REPORT_EVERY
            rate = requests / (time.monotonic() - began)
            with capsys.disabled():
                print(f"twin: {requests} requests, {histories} histories from seed {first}, {rate:.0f}/s")
