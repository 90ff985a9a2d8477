"""Several things at once, but never too many, and none left behind when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def at_most(limit: int, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run everything, `limit` at once; results in the order given. The first failure ends the others."""
    free = asyncio.Semaphore(limit)

    async def one(each: Coroutine[Any, Any, T]) -> T:
        async with free:
            return await each

    given = list(work)
    tasks = [asyncio.create_task(one(each)) for each in given]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in given:
            each.close()  # one that never got its turn
