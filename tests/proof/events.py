"""Events in volume: deliveries that are doubled, shuffled and dropped; a backlog after an outage.

Nothing may be lost: in the end every row of the mirror is what its object is at the source.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.proof.backlog import Backlog, backlog
from tests.proof.deliveries import Deliveries, deliveries
from tests.support import postgres


@dataclass(slots=True)
class Verdict:
    """Both volumes."""

    deliveries: Deliveries
    backlog: Backlog

    @property
    def is_clean(self) -> bool:
        return self.deliveries.is_clean and self.backlog.is_clean

    @property
    def line(self) -> str:
        return f"{self.deliveries.line}\n{self.backlog.line}"


async def run(size: int, seed: int) -> Verdict:
    """Both volumes at this size, each on a fresh database."""
    async with postgres.fresh_database(postgres.template_name()) as url:
        delivered = await deliveries(url, size, seed)
    async with postgres.fresh_database(postgres.template_name()) as url:
        return Verdict(delivered, await backlog(url, size, seed))
