"""A worker that one event kills: `python -m tests.intake.poisoned_process DSN EVENT_ID`.

Works until its standard input is closed, or until it meets the event: then it dies as by a lost machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from handlers.dispatch import Dispatcher
from handlers.inbox import Claimed
from sync.mirror import Mirror
from sync.store.db import create_pool
from tests.mirror.builders import VERSION
from worker.applier import Applier


@dataclass(frozen=True, slots=True)
class Deadly(Dispatcher):
    """A dispatcher with a defect that no `except` can catch."""

    event_id: str = ""

    def view(self, row: Claimed) -> Any:
        if row.id == self.event_id:
            os.kill(os.getpid(), signal.SIGKILL)
        return Dispatcher.view(self, row)


async def main(dsn: str, event_id: str) -> None:
    pool = await create_pool(dsn, min_size=1, max_size=6)
    stop = asyncio.Event()
    dispatcher = Deadly(VERSION, livemode=False, event_id=event_id)
    applier = Applier(pool, dispatcher, Mirror(), retry_seconds=0.01, poll_seconds=0.01)
    loop = asyncio.create_task(applier.run(stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await loop
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
