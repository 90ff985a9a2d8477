"""Answers against a published OpenAPI file: `pytest --spec FILE tests/twin/test_spec.py`.

Collected only with that option. Fields that the file does not know are no mistake, so that
an older one serves.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import stripe

from tests.twin.api import Api
from tests.twin.spec import Spec
from tests.twin.tour import tour
from worker.twin.server import RunningTwin


async def test_every_answer_fits_the_published_schema(
    twin: RunningTwin,
    api: Api,
    sdk: stripe.StripeClient,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    """Required fields, types, nulls and references of every object that the file knows."""
    spec = Spec(Path(pytestconfig.getoption("--spec")))
    answers = await tour(twin, api, sdk, monkeypatch)
    wrong: dict[str, set[str]] = {}
    for operation, examples in answers.items():
        for answer in examples:
            for problem in spec.problems(answer):
                wrong.setdefault(problem, set()).add(operation)
    assert wrong == {}, f"against {spec.version}; the SDK pins {stripe.api_version}"
