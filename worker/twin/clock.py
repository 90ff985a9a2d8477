"""The twin's one movable clock, Stripe's test clocks on top of it, and the work that falls due.

A time domain is `""` (the twin's clock) or the id of a test clock. Every piece of due work belongs to one
domain and runs in time order; while it runs, the domain's clock shows the moment at which the work fell due.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# At one and the same second: what ends unpaid changes first, then phases, then cancellation, then renewal.
PRIORITY = {
    "expire_pending": 0,
    "expire_incomplete": 0,
    "expire_resume": 0,
    "resume_collection": 0,
    "phase": 1,
    "schedule_start": 1,
    "end_discount": 1,
    "expiring": 1,
    "cancel": 2,
    "renew": 3,
    "finalize": 4,
    "retry": 5,
    "overdue": 5,
    "deadline": 5,
    "will_be_due": 6,
    "trial_will_end": 6,
    "upcoming": 6,
    "debit": 5,
    "refund": 6,
    "settle": 7,
    "payout": 8,
    "payout_arrives": 8,
}

Runner = Callable[[str, int], None]


@dataclass(order=True, slots=True)
class Task:
    """Something to do at `due` (Unix seconds). Whether it still applies is for its runner to see."""

    due: int
    priority: int
    number: int
    kind: str = field(compare=False)
    object_id: str = field(compare=False)


@dataclass
class Clock:
    """now = wall + offset, unless due work is running, which sees its own moment."""

    offset: int = 0
    wall: Callable[[], float] = time.time
    frozen: dict[str, int] = field(default_factory=dict)
    queues: dict[str, list[Task]] = field(default_factory=dict)
    number: int = 0
    planned: dict[tuple[str, str], int] = field(default_factory=dict)
    _running: dict[str, int] = field(default_factory=dict)

    def now(self, domain: str = "") -> int:
        """Seconds since 1970 in one domain."""
        if domain in self._running:
            return self._running[domain]
        if domain in self.frozen:
            return self.frozen[domain]
        return int(self.wall()) + self.offset

    def at(self, due: int, kind: str, object_id: str, domain: str = "") -> None:
        """Plan work for the moment `due`."""
        self.number += 1
        task = Task(due, PRIORITY[kind], self.number, kind, object_id)
        heapq.heappush(self.queues.setdefault(domain, []), task)

    def once(self, due: int, kind: str, object_id: str, domain: str = "") -> None:
        """Plan work that is asked for again and again, unless it was planned for this moment last."""
        if self.planned.get((kind, object_id)) != due:
            self.planned[kind, object_id] = due
            self.at(due, kind, object_id, domain)

    def run_due(self, runners: dict[str, Runner], domain: str = "") -> int:
        """Do everything in one domain that is due by now; returns how many pieces of work ran."""
        if domain in self._running:
            return 0
        queue, until, done = self.queues.get(domain, []), self.now(domain), 0
        try:
            while queue and queue[0].due <= until:
                task = heapq.heappop(queue)
                self._running[domain] = task.due
                runners[task.kind](task.object_id, task.due)
                done += 1
        finally:
            self._running.pop(domain, None)
        return done

    def drop(self, domain: str) -> None:
        """Forget a test clock."""
        self.frozen.pop(domain, None)
        self.queues.pop(domain, None)
