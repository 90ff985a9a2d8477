"""A process with two appliers on connections of its own: `python -m tests.mirror.applier_process DSN`.

Works until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import sys

from handlers.dispatch import Dispatcher
from sync.mirror import Mirror
from sync.store.db import create_pool
from tests.mirror.builders import VERSION
from worker.applier import Applier


async def main(dsn: str) -> None:
    pool = await create_pool(dsn, min_size=2, max_size=6)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            applier = Applier(pool, Dispatcher(VERSION, livemode=False), Mirror())
            group.create_task(applier.run(stop))
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
