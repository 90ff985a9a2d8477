"""`prorata dead`: the events that nobody could apply, and what a person decides about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.events import EventId, emit_outcome, event_json, reopen, require_event
from worker.cli.exits import usage
from worker.cli.output import AsJson, DryRun, Why, emit_rows, note
from worker.cli.runtime import run_async, with_pool

if TYPE_CHECKING:
    from handlers.inbox.desk import EventSummary
    from sync.store.db import Pool

COLUMNS = ("id", "type", "age", "object_id", "attempts", "last_error")

dead = typer.Typer(help="Events that failed for good.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(dead, name="dead")


@dead.command("list")
def list_dead(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the buried events with age and last error, newest first."""

    async def read(pool: Pool) -> list[EventSummary]:
        from handlers.inbox import desk

        return await desk.list_dead(pool, limit=limit)

    found = run_async(with_pool("dead list", read))
    rows = [event_json(event) | {"age": _age(event)} for event in found]
    emit_rows(rows, COLUMNS, as_json=as_json)
    if not found:
        note("no event is buried")


@dead.command("retry")
def retry(event_id: EventId, reason: Why = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Give a buried event new tries. One that was given up by hand comes back, too."""

    async def carry_out(pool: Pool) -> dict[str, Any]:
        from handlers.inbox import State
        from sync.errors import Conflict

        event = (await require_event(pool, event_id)).summary
        if event.state is State.FINISHED:
            raise Conflict(
                "event_not_dead",
                f"{event_id} is not dead: it was applied. Nothing was done; "
                f"`prorata events replay {event_id}` has it decided again.",
            )
        return await reopen(pool, event_id, dry_run)

    emit_outcome(run_async(with_pool("dead retry", carry_out, reason)), as_json)


@dead.command("bury")
def bury(
    event_id: EventId,
    why: Annotated[str | None, typer.Option(help="The reason, for whoever reads the event later.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take an event out of the way. A waiting one is set aside, a buried one is given up for good."""
    reason = why or _ask_why()

    async def carry_out(pool: Pool) -> dict[str, Any]:
        return await _bury(pool, event_id, f"by hand: {reason}", dry_run)

    emit_outcome(run_async(with_pool("dead bury", carry_out)), as_json)


async def _bury(pool: Pool, event_id: str, reason: str, dry_run: bool) -> dict[str, Any]:
    from handlers.inbox import State, desk, retries
    from sync import audit_acts
    from sync.audit import Act
    from sync.errors import Conflict
    from sync.store.db import transaction

    event = (await require_event(pool, event_id)).summary
    state = event.state
    if state not in (State.WAITING, State.BURIED):
        raise Conflict(
            "event_not_waiting", f"{event_id} is {state}: there is nothing to bury. Nothing was done."
        )
    ending = State.BURIED if state is State.WAITING else State.IGNORED
    if dry_run:
        return {"id": event_id, "state": state, "would_be": ending, "why": f"it would be {ending}, {reason}"}
    act, carry_out = (
        (Act.EVENT_BURIED, retries.bury) if state is State.WAITING else (Act.EVENT_DISMISSED, desk.dismiss)
    )
    async with transaction(pool) as conn:
        if not await carry_out(conn, event.key, reason):
            raise Conflict(
                "event_not_waiting",
                f"A worker was faster with {event_id}. Nothing was done; look again.",
                retryable=True,
            )
        await audit_acts.event_decided(conn, act, event_id, event.customer_id, reason)
    return {
        "id": event_id,
        "state": ending,
        "why": f"{reason}; `prorata dead retry {event_id}` brings it back",
    }


def _ask_why() -> str:
    """The reason is asked for on a terminal, and demanded everywhere else."""
    if not sys.stdin.isatty():
        raise usage("say why: --why TEXT")
    answer: str = typer.prompt("Why is it of no use to us?", err=True)
    return answer


def _age(event: EventSummary) -> str:
    """How long ago it reached us, in the largest unit that fits."""
    from sync.clock import wall

    seconds = int((wall() - event.received_at).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"
