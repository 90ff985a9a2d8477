"""tests/README.md names a test for every fault, promise and pain, and each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.test_mutants import CAUGHT

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([A-Z]?\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
BUG = re.compile(r"^\| `(\w+)` \| .+? \| (.+?) \| (\d+) \|$", re.MULTILINE)
FAULTS, SAFETY, LIVENESS, PAINS = 84, 23, 7, 28
SIMULATED = "each run of the simulation"
# A sentence of the simulation begins with the promise that it breaks.
BROKEN = re.compile(r'f?"((?:[SL]\d+, )*[SL]\d+): ')


@cache
def readme() -> str:
    return (TESTS / "README.md").read_text()


def rows() -> list[tuple[str, str, str]]:
    """Number, sentence and place of every row, in their order."""
    return ROW.findall(readme())


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of a file's tests."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)
    )


@pytest.mark.parametrize(("letter", "most"), [("", FAULTS), ("S", SAFETY), ("L", LIVENESS), ("P", PAINS)])
def test_every_row_is_told(letter: str, most: int) -> None:
    """In order, each with a test; a fault may have the reason why there is none."""
    found = [(number, where) for number, _, where in rows() if re.fullmatch(rf"{letter}\d+", number)]
    assert [f"{letter}{number}" for number in range(1, most + 1)] == [number for number, _ in found]
    bare = [number for number, where in found if not NAMED.search(where)]
    assert [] == [number for number in bare if letter or len(dict(found)[number].split()) < 8]


def test_every_test_that_is_named_exists() -> None:
    """Renamed or removed, a test would leave its row bare."""
    named = NAMED.findall(readme())
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (TESTS / file).exists() or name not in names_in(TESTS / file)
    ]
    assert named
    assert [] == missing


def test_what_the_simulation_is_said_to_check_it_checks() -> None:
    """The promises that a run is said to look after are those that its sentences name."""
    said = {number for number, _, where in rows() if SIMULATED in where}
    sources = "".join(path.read_text() for path in (TESTS / "simulation").glob("*.py"))
    assert said == {number for found in BROKEN.findall(sources) for number in found.split(", ")}


def test_every_planted_bug_is_told_as_it_is_caught() -> None:
    """With what catches it, and the seed."""
    assert [(bug, way, str(seed)) for bug, (way, seed) in CAUGHT.items()] == BUG.findall(readme())
