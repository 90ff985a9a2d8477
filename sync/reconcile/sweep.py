"""The sweep: every subscription at Stripe against what we meant, page by page, and resumable after any page.

Where it stands is one row of table progress that every process shows. A page may be taken twice - by a worker
that comes after a killed one, or by two at once - and says the same both times, so the row moves on only from
where it was read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import structlog

from sync import clock
from sync.billing import Billing
from sync.reconcile.pages import Desk, Tally
from sync.reconcile.passes import PASSES, take_page
from sync.reconcile.stale import GRACE_SECONDS
from sync.store import catalog_prices, progress, sweeps
from sync.telemetry import SWEEP_LAST_SUCCESS, LogEvent

log = structlog.get_logger()

NAME: Final = "sweep"
# One by hand begins anew, beside the one that runs by itself.
BY_HAND: Final = "sweep_by_hand"
EVERY_SECONDS: Final = 6 * 3600
# A fresh deployment has better things to do in its first minutes.
FIRST_AFTER_SECONDS: Final = 300

Progress = Callable[[str, int], None]


class Sweep:
    """Sweeps under a name. `told` hears each pass and how many subscriptions were compared."""

    def __init__(
        self,
        billing: Billing,
        *,
        name: str = NAME,
        grace_seconds: float = GRACE_SECONDS,
        told: Progress = lambda _, __: None,
    ) -> None:
        self._billing = billing
        self._name = name
        self._grace_seconds = grace_seconds
        self._told = told

    async def run_due(self, seconds: float) -> bool:
        """Go on with the sweep that is under way, or begin one that is due, for at most so long.

        True when one was finished. Raises StripeCallFailed; the next call goes on from the last page.
        """
        until = clock.monotonic() + seconds
        position = await progress.position(self._billing.pool, self._name)
        now = clock.wall_seconds()
        if position is None:
            first: dict[str, Any] = {"next_unix": now + FIRST_AFTER_SECONDS, "since_unix": now}
            await progress.move(self._billing.pool, self._name, None, first)
            return False
        if position.get("under_way") is None:
            if now < position["next_unix"] and not position.get("is_wanted"):
                return False
            begun = await self._begin(position)
            if begun is None:
                return False
            position = begun
        return await self._go_on(position, until)

    async def run_anew(self) -> Tally | None:
        """One whole sweep from its beginning; None when another process took it over."""
        position = await progress.position(self._billing.pool, self._name)
        begun = await self._begin(position)
        if begun is None or not await self._go_on(begun, None):
            return None
        last = await progress.position(self._billing.pool, self._name)
        return Tally(**last["last"]["tally"]) if last else None

    async def _begin(self, position: dict[str, Any] | None) -> dict[str, Any] | None:
        since = await sweeps.now(self._billing.pool)
        under_way: dict[str, Any] = {
            "since": since.isoformat(),
            "pass": next(iter(PASSES)),
            "cursor": None,
            "tally": asdict(Tally()),
            "again": [],
        }
        known = position or {"since_unix": clock.wall_seconds()}
        begun = {**known, "under_way": under_way, "is_wanted": False}
        return begun if await progress.move(self._billing.pool, self._name, position, begun) else None

    async def _go_on(self, position: dict[str, Any], until: float | None) -> bool:
        """Page after page until the end (True), until the time is over, or until somebody else goes on."""
        prices = await catalog_prices.book(self._billing.pool)
        while until is None or clock.monotonic() < until:
            under_way = position["under_way"]
            tally = Tally(**under_way["tally"])
            desk = Desk(self._billing, prices, self._grace_seconds, tally, set(under_way["again"]))
            name, since = under_way["pass"], datetime.fromisoformat(under_way["since"])
            cursor = await take_page(desk, name, since, under_way["cursor"])
            following = _following(position, cursor, desk)
            if not await progress.move(self._billing.pool, self._name, position, following):
                return False
            position = following
            self._told(name, tally.subscriptions)
            if position["under_way"] is None:
                _tell(tally)
                return True
        return False


def _tell(tally: Tally) -> None:
    """A sweep that could not judge everything is no success, however far it came."""
    if tally.unjudged:
        log.warning(LogEvent.SWEEP_INCOMPLETE, **asdict(tally))
        return
    SWEEP_LAST_SUCCESS.set(clock.wall_seconds())
    log.info(LogEvent.SWEEP_FINISHED, **asdict(tally))


def _following(position: dict[str, Any], cursor: str | None, desk: Desk) -> dict[str, Any]:
    """The position after a page."""
    tally, again = desk.tally, sorted(desk.again)
    under_way = {**position["under_way"], "cursor": cursor, "tally": asdict(tally), "again": again}
    if cursor is not None:
        return {**position, "under_way": under_way}
    names = list(PASSES)
    place = names.index(under_way["pass"]) + 1
    if place < len(names):
        return {**position, "under_way": {**under_way, "pass": names[place]}}
    now = clock.wall_seconds()
    last = {"began": under_way["since"], "finished_unix": now, "tally": under_way["tally"]}
    over = {**position, "under_way": None, "next_unix": now + EVERY_SECONDS, "last": last}
    return over if tally.unjudged else {**over, "judged_unix": now}


async def want(billing: Billing) -> None:
    """Have a whole sweep begin soon, because something was missed that only a sweep finds."""
    moved = False
    while not moved:
        position = await progress.position(billing.pool, NAME)
        now = clock.wall_seconds()
        wanted = {**(position or {"next_unix": now, "since_unix": now}), "is_wanted": True}
        moved = await progress.move(billing.pool, NAME, position, wanted)
