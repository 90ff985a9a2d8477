"""`prorata events`: what Stripe told us, and what became of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import usage
from worker.cli.output import AsJson, DryRun, Why, Yes, emit_json, emit_rows, note
from worker.cli.runtime import run_async, with_pool

if TYPE_CHECKING:
    from handlers.inbox.desk import EventSummary, StoredEvent
    from sync.store.db import Pool

MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
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
def replay(
    event_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One event (evt_...); or use --since.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=MOMENTS, help="All from this moment on, UTC, Stripe's time.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=MOMENTS, help="Before this moment. Default: now.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type of event.")] = None,
    state: Annotated[str | None, typer.Option(help="Only finished, ignored or buried ones.")] = None,
    about: Annotated[
        str | None, typer.Option(metavar="ID", help="Only about this account, customer or object.")
    ] = None,
    reason: Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let one event, or all of a range, be decided again. What is older than our copy changes nothing.

    A range needs a --reason.
    """
    from worker.cli.replay import replay_range, selection

    narrowed = [until, type_, state, about]
    if event_id is not None and since is None and not any(narrowed):
        found = run_async(with_pool("events replay", lambda pool: reopen(pool, event_id, dry_run), reason))
        emit_outcome(found, as_json)
        return
    if event_id is not None or since is None:
        raise usage("name one event, or a range with --since (and --until, --type, --state, --about)")
    if not dry_run and not (reason or "").strip():
        raise usage("say why so many events are decided again: --reason TEXT")
    customer = run_async(with_pool("events replay", partial(_customer_of, about=about))) if about else None
    chosen = selection(since, until, _state(state), type_, customer)
    replay_range(chosen, reason, dry_run=dry_run, yes=yes, as_json=as_json)


async def reopen(pool: Pool, event_id: str, dry_run: bool) -> dict[str, Any]:
    """Give an ended event new tries, or say what the next one would do."""
    from handlers.inbox import State, desk
    from sync import audit_acts
    from sync.audit import Act
    from sync.errors import Conflict
    from sync.store.db import transaction
    from worker.rehearsal import rehearse

    event = (await require_event(pool, event_id)).summary
    if dry_run:
        rehearsed = await rehearse(pool, await _dispatcher(pool), event)
        return {"id": event_id, "state": event.state, "would_be": rehearsed.would_be, "why": rehearsed.why}
    async with transaction(pool) as conn:
        if event.state is State.WAITING or not await desk.replay(conn, event.key):
            raise Conflict("event_waiting", f"{event_id} is waiting for a worker already. Nothing was done.")
        await audit_acts.event_decided(conn, Act.EVENT_REPLAYED, event_id, event.customer_id)
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


async def _dispatcher(pool: Pool) -> Any:
    """As the workers of this database have it: what is of the other mode would be ignored."""
    from handlers.dispatch import Dispatcher
    from sync.gateway import STRIPE_API_VERSION
    from sync.store import mode

    return Dispatcher(api_version=STRIPE_API_VERSION, livemode=await mode.livemode(pool))


def _body(body: bytes) -> tuple[Any, bool]:
    """The body as JSON or, where it is none, as readable text."""
    import json

    try:
        return json.loads(body), True
    except ValueError:
        return body.decode("utf-8", "backslashreplace"), False
