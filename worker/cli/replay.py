"""`prorata events replay` of a range: counted and shown first, then given back in small transactions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from worker.cli.exits import usage
from worker.cli.output import confirmed, emit_json, emit_rows, note
from worker.cli.runtime import progress_bar, run_async, with_pool

if TYPE_CHECKING:
    from handlers.inbox.ranges import Selection
    from sync.store.db import Pool

# Small enough that no worker waits long for the lock of an event.
PIECE = 500
COLUMNS = ("type", "state", "events")


def selection(
    since: datetime, until: datetime | None, state: Any, event_type: str | None, about: str | None
) -> Selection:
    """What the options select; the end is now, unless one is given. Raises BadInput."""
    from handlers.inbox import ENDED, State
    from handlers.inbox.ranges import Selection
    from sync.clock import wall

    if state is State.WAITING:
        raise usage("--state waiting: those events wait for a worker already")
    start, end = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC) if until else wall()
    if end <= start:
        raise usage("--until must be later than --since")
    states = ENDED if state is None else (state,)
    return Selection(int(start.timestamp()), int(end.timestamp()), states, event_type, about)


def replay_range(chosen: Selection, reason: str | None, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Show what is selected and, if it is wanted, let all of it be decided again."""
    rows, kept_from = run_async(with_pool("events replay", lambda pool: _count(pool, chosen)))
    if kept_from is not None and chosen.since_unix < kept_from.timestamp():
        note(f"events from before {kept_from:%Y-%m-%d} are not kept any more: what is missing stays missing")
    total = sum(row["events"] for row in rows)
    if not as_json:
        emit_rows(rows, COLUMNS, as_json=False)
    asked = f"Have {total} events decided again? What is older than our copy changes nothing."
    if dry_run or not total or not confirmed(asked, yes=yes):
        _tell(rows, total, 0, as_json)
        return
    with progress_bar("replaying", total) as told:
        replayed = run_async(
            with_pool("events replay", lambda pool: _replay(pool, chosen, total, told), reason)
        )
    _tell(rows, total, replayed, as_json)


async def _count(pool: Pool, chosen: Selection) -> tuple[list[dict[str, Any]], datetime | None]:
    """What is selected, and from when on events are kept."""
    from handlers.inbox import ranges
    from sync import retention

    found = await ranges.count(pool, chosen)
    rows = [{"type": type_, "state": state, "events": events} for type_, state, events in found]
    return rows, await retention.kept_from(pool)


async def _replay(pool: Pool, chosen: Selection, total: int, told: Callable[[int, int], None]) -> int:
    from handlers.inbox import Key, ranges
    from sync.store.db import transaction

    replayed, last = 0, Key(-1, "")
    while True:
        async with transaction(pool) as conn:
            piece = await ranges.reopen(conn, chosen, last, PIECE)
            if piece and not replayed:
                await _remember(conn, chosen, total)
        if not piece:
            return replayed
        replayed, last = replayed + len(piece), piece[-1]
        told(replayed, total)


async def _remember(conn: Any, chosen: Selection, total: int) -> None:
    """One entry of the audit log for all of them, with the first of them."""
    from dataclasses import asdict

    from sync import audit

    detail = {**asdict(chosen), "states": [str(state) for state in chosen.states], "events": total}
    await audit.write(conn, None, audit.Act.EVENT_REPLAYED, None, detail)


def _tell(rows: list[dict[str, Any]], total: int, replayed: int, as_json: bool) -> None:
    if as_json:
        emit_json({"matched": total, "replayed": replayed, "by_type": rows})
    elif replayed:
        typer.echo(f"{replayed} events wait for the next worker that is free")
    elif not total:
        note("no ended event is selected")
