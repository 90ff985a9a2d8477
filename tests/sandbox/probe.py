"""A probe: one question about Stripe, how to look, and what we expect to see.

    Probe     the question, the expected observation, and for open questions the branch that is taken today
    probe     registers a function as a probe; its name is the function's
    PROBES    every probe, in the order of the files

An observation is a small JSON-able dict of what was seen (statuses, codes, amounts, types of events): never
an id and never a time, so that the observations of two Stripes can be compared with `==`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sandbox.lab import Lab

Seen = dict[str, Any]
Look = Callable[["Lab"], Awaitable[Seen]]
PROBES: dict[str, Probe] = {}


@dataclass(frozen=True)
class Probe:
    """One question. `branch` is what code and twin assume today where Stripe's documents say nothing."""

    name: str
    group: str
    question: str
    expected: Seen
    look: Look
    branch: str = ""

    @property
    def is_open(self) -> bool:
        """Whether no document answers the question: `expected` is then the assumed branch."""
        return bool(self.branch)


def probe(question: str, expected: Seen, *, open_question: str = "") -> Callable[[Look], Look]:
    """Register the function below; `open_question` names the conservative branch of an open question."""

    def register(look: Look) -> Look:
        name = look.__name__
        if name in PROBES:
            raise ValueError(f"two probes are called {name}")
        group = look.__module__.rpartition(".")[2]
        PROBES[name] = Probe(name, group, question, expected, look, open_question)
        return look

    return register
