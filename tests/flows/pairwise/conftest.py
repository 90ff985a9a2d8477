"""What these tests' own modules assert is explained as in a test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.flows.pairwise.checks", "tests.flows.pairwise.roads")
