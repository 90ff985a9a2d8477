"""The life of a leg: one table of moves, and a database that knows the same states."""

from __future__ import annotations

import re

import pytest

from sync.states import ENDED, MOVES, LegState, may_move
from worker.migrate import load_migrations


def test_every_state_has_its_moves() -> None:
    """No state is missing from the table."""
    assert set(LegState) == set(MOVES)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_the_end_is_final(state: LegState) -> None:
    """What has ended never moves again."""
    assert frozenset() == MOVES[state]


def test_an_applied_change_can_only_settle() -> None:
    """Once it is paid there is no way back."""
    assert [LegState.SETTLED] == [state for state in LegState if may_move(LegState.APPLIED, state)]


def test_every_open_state_can_end() -> None:
    """From every open state some walk leads to an end: nothing is stuck by design."""
    reach = set(ENDED)
    while more := {state for state in LegState if state not in reach and MOVES[state] & reach}:
        reach |= more
    assert set(LegState) == reach


def test_database_knows_the_same_states() -> None:
    """The CHECK constraints of change_leg list exactly our states and our ends."""
    sql = next(migration.sql for migration in load_migrations() if migration.name == "billing")
    table = sql.split("CREATE TABLE change_leg")[1].split(");\nCREATE")[0]
    states, ends = re.findall(r"state\s+(?:text NOT NULL CHECK \(state )?IN\s*\(([^)]*)\)", table)
    assert {str(state) for state in LegState} == set(re.findall(r"'(\w+)'", states))
    assert {str(state) for state in ENDED} == set(re.findall(r"'(\w+)'", ends))
