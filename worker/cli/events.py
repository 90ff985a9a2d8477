"""`prorata events`: what Stripe told us, and what became of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import usage
from worker.cli.output import AsJson, DryRun, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_pool

if TYPE_CHECKING:
    from handlers.inbox.desk import EventSummary, StoredEvent
    from sync.store.db import Pool

COLUMNS = ("id", "type", "created", "object_id", "state", "attempts", "last_error")

events = typer.Typer(help="Stripe's events, as stored.", no_args_is_help=True, rich_markup_mode=None)

EventId = Annotated[str, typer.Argument(metavar="ID", help="The event's id (evt_...).")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(events, name="events")


@events.command("list")
def list_events(
    state: Annotated[str | None, typer.Option(help="waiting, finished, ignored or buried.")] = None,
    about: Annotated[
        str | None,
        typer.Option(metavar="ID", help="About this account, customer, subscription, invoice, ..."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Older than this event.")] = None,
    as_json: AsJson = False,
) -> None:
    """List events, newest first."""

    async def read(pool: Pool) -> list[EventSummary]:
        from handlers.inbox import desk

        last = (await require_event(pool, before)).summary if before else None
        return await desk.list_events(
            pool,
            state=_state(state),
            about=await _customer_of(pool, about) if about else None,
            before=(last.created, last.id) if last else None,
            limit=limit,
        )

    found = run_async(with_pool("events list", read))
    emit_rows([event_json(event) for event in found], COLUMNS, as_json=as_json)
    if len(found) == limit:
        note(f"there may be more: --before {found[-1].id}")


@events.command("show")
def show(
    event_id: EventId,
    raw: Annotated[bool, typer.Option("--raw", help="Print the body alone, byte for byte.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one event: what became of it, and its body."""
    event = run_async(with_pool("events show", lambda pool: require_event(pool, event_id)))
    if raw:
        sys.stdout.buffer.write(event.body)
        return
    body, is_json = _body(event.body)
    head = event_json(event.summary)
    head |= {"api_version": event.api_version, "livemode": event.livemode, "account": event.account}
    if as_json:
        emit_json({**head, "body": body})
        return
    from worker.cli.render import fields_text

    typer.echo(fields_text(head))
    typer.echo()
    if is_json:
        emit_json(body)
    else:
        typer.echo(body)


@events.command("replay")
def replay(event_id: EventId, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Let an event be decided again. What is older than our copy changes nothing."""
    emit_outcome(run_async(with_pool("events replay", lambda pool: reopen(pool, event_id, dry_run))), as_json)


async def reopen(pool: Pool, event_id: str, dry_run: bool) -> dict[str, Any]:
    """Give an ended event new tries, or say what the next one would do."""
    from handlers.inbox import State, desk
    from sync.errors import Conflict
    from worker.rehearsal import rehearse

    event = (await require_event(pool, event_id)).summary
    if dry_run:
        rehearsed = await rehearse(pool, _dispatcher(), event)
        return {"id": event_id, "state": event.state, "would_be": rehearsed.would_be, "why": rehearsed.why}
    if event.state is State.WAITING or not await desk.replay(pool, event_id):
        raise Conflict("event_waiting", f"{event_id} is waiting for a worker already. Nothing was done.")
    return {"id": event_id, "state": State.WAITING, "why": "the next worker that is free applies it"}


def emit_outcome(outcome: dict[str, Any], as_json: bool) -> None:
    """Print what was done to one event, or what would be done."""
    if as_json:
        emit_json(outcome)
    else:
        typer.echo(f"{outcome['id']} is {outcome['state']}: {outcome['why']}")


async def require_event(pool: Pool, event_id: str) -> StoredEvent:
    """One stored event. Raises NotFound."""
    from handlers.inbox import desk
    from sync.errors import Code, NotFound

    found = await desk.show(pool, event_id)
    if found is None:
        raise NotFound(
            Code.NOT_FOUND,
            f"There is no event {event_id!r} here; `prorata catch-up` fetches what was missed.",
        )
    return found


def event_json(event: EventSummary) -> dict[str, Any]:
    """An event as a row; `created` is Stripe's own second."""
    from sync.contract import iso

    return {
        "id": event.id,
        **asdict(event),
        "created": iso(datetime.fromtimestamp(event.created, UTC)),
        "received_at": iso(event.received_at),
        "finished_at": iso(event.finished_at),
    }


async def _customer_of(pool: Pool, about: str) -> str:
    """Events name Stripe's objects; of our accounts they know the customer."""
    from sync.store import accounts

    account = await accounts.get(pool, about)
    return (account.stripe_customer_id if account else None) or about


def _state(name: str | None) -> Any:
    from handlers.inbox import State

    if name is None:
        return None
    if name not in set(State):
        raise usage(f"--state {name}: the states are {', '.join(State)}")
    return State(name)


def _dispatcher() -> Any:
    from handlers.dispatch import Dispatcher
    from sync.gateway import STRIPE_API_VERSION

    return Dispatcher(api_version=STRIPE_API_VERSION)


def _body(body: bytes) -> tuple[Any, bool]:
    """The body as JSON or, where it is none, as readable text."""
    import json

    try:
        return json.loads(body), True
    except ValueError:
        return body.decode("utf-8", "backslashreplace"), False
