"""How a planted bug is looked for: the machine, the mirror alone, or a run about one kind of trouble."""

from __future__ import annotations

from collections.abc import Callable

from tests.mutants.patches import MUTANTS
from tests.simulation import focus, mirrored, run
from tests.simulation.machine import Theatre

SEEDS = range(1, 51)


def _machine(seed: int) -> list[str]:
    try:
        run.one(seed)
    except Exception as error:  # however it breaks, it is caught
        return [f"{type(error).__name__}: {error}"]
    return []


def _mirror(seed: int) -> list[str]:
    return list(Theatre.run(mirrored.after_a_burst(Theatre.stage, seed, loss=False)))


def _live(seed: int) -> list[str]:
    return list(Theatre.run(mirrored.while_it_happens(Theatre.stage, seed)))


def _read(seed: int) -> list[str]:
    return list(Theatre.run(mirrored.while_it_is_read(Theatre.stage, seed)))


def _focus(name: str) -> Callable[[int], list[str]]:
    return lambda seed: list(Theatre.run(focus.run(Theatre.stage, name, seed)))


WAYS: dict[str, Callable[[int], list[str]]] = {
    "the state machine": _machine,
    "the mirror after a burst": _mirror,
    "the mirror while it happens": _live,
    "the mirror while it is read": _read,
    **{f"runs about {name}": _focus(name) for name in focus.FOCI},
}


def look(way: str, seed: int, mutant: str | None = None) -> list[str]:
    """What is broken in one run; with a mutant, whatever goes wrong in any way counts."""
    if mutant is None:
        return WAYS[way](seed)
    with MUTANTS[mutant]():
        try:
            return WAYS[way](seed)
        except Exception as error:  # a bug may also show as a crash
            return [f"{type(error).__name__}: {error}"]


def search(mutant: str, way: str) -> int | None:
    """The first of the fixed seeds that catches it."""
    return next((seed for seed in SEEDS if look(way, seed, mutant)), None)
