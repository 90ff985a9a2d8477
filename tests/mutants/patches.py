"""The planted bugs, by name. Each is a small edit of one or two functions or statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from handlers.inbox import Ending, InboxEvent, State
from handlers.intake import Intake
from sync import apply, changes, conclude, observation, promise
from sync.changes import call_key
from sync.gateway.transport import Transport
from sync.mirror import Mirror
from sync.observation import Observation
from sync.rules import items, ordering
from sync.store import calls as call_store
from sync.store import changes as change_store
from sync.store import mirror_rows, refresh, switches
from sync.store.db import Connection, transaction
from sync.work import Work
from tests.mutants.planting import edited
from worker import applying

Mutant = Callable[[], AbstractContextManager[Any]]


def no_stored_key() -> AbstractContextManager[None]:
    """The SDK makes up a key for each call; ours stays in the database."""
    return edited(Transport, "_request", ("if call.key else {}", "if False else {}"))


@contextmanager
def fresh_key_on_time_out() -> Iterator[None]:
    """An answer that was lost is a reason to send it again, under a key that Stripe has not seen."""

    async def read_back(work: Work, call: Any) -> float:
        again = replace(call.call, key=call_key(work.change_id, "send", 2))
        async with transaction(work.billing.pool) as conn:
            await call_store.insert(conn, again, work.change_id)
        return await apply.send(work, again)

    with mock.patch.object(apply, "read_back", read_back):
        yield


@contextmanager
def ack_before_commit() -> Iterator[None]:
    """A delivery is acknowledged as soon as it is in the queue."""

    async def accept(self: Intake, event: InboxEvent) -> None:
        self._enqueue((event.created, event.id), event)

    with mock.patch.object(Intake, "accept", accept):
        yield


def quantity_omitted() -> AbstractContextManager[None]:
    """Another price, and no word about how many: Stripe makes it one."""
    return edited(
        items,
        "_as_stripe_item",
        (
            '{"id": item_id, "price": price_id, "quantity": quantity}',
            '{"id": item_id, "price": price_id} | ({"quantity": quantity} if quantity == 0 else {})',
        ),
    )


@contextmanager
def guard_per_table() -> Iterator[None]:
    """The row of an object is guarded by its head; its items and lines are written as they come."""
    plain = Mirror.apply

    async def apply_events(self: Mirror, conn: Connection, events: list[Observation]) -> Any:
        decided = await plain(self, conn, events)
        for event in events:
            if event.shown is not None and event.shown.children:
                ids, children = [event.object_id], list(event.shown.children)
                if await mirror_rows.load_rows(conn, event.kind, ids):
                    await mirror_rows.replace_children(conn, event.kind, ids, children)
        return decided

    with mock.patch.object(Mirror, "apply", apply_events):
        yield


def at_least_as_new() -> AbstractContextManager[None]:
    """`>=` for `>`: an event of the same second counts as newer."""
    return edited(
        ordering,
        "decide_event",
        ("event.created > held.seen_to", "event.created >= held.seen_to"),
        ("event.created <= held.seen_to + slack", "False"),
        seen_by=(observation,),
    )


def tombstone_ignored() -> AbstractContextManager[None]:
    """What was deleted is written again by an event that came later."""
    return edited(ordering, "decide_event", ("if held.deleted:", "if False:"), seen_by=(observation,))


def older_applied() -> AbstractContextManager[None]:
    """An event from an earlier second is applied as if it were news."""
    return edited(
        ordering,
        "decide_event",
        ("event.created < held.seen_from - slack", "False"),
        ("event.created > held.seen_to", "event.created != held.seen_to"),
        ("event.created <= held.seen_to + slack", "False"),
        seen_by=(observation,),
    )


@contextmanager
def preview_not_repeated() -> Iterator[None]:
    """The quote is believed, whatever happened since."""

    async def broken(*_: Any) -> None:
        return None

    with mock.patch.object(promise, "broken", broken):
        yield


@contextmanager
def fence_not_checked() -> Iterator[None]:
    """Whoever holds an old lease writes on."""
    with ExitStack() as stack:
        for module, name in (
            (change_store, "MOVE_LEG"),
            (change_store, "RENEW_LEASE"),
            (change_store, "FREE_LEASE"),
            (switches, "MAY_WRITE"),
        ):
            change = ("fence = $3", "$3::bigint IS NOT NULL")
            stack.enter_context(edited(module, name, change))
        yield


@contextmanager
def replayed_after_the_deadline() -> Iterator[None]:
    """What nobody knows is sent again, however late it is."""
    with (
        edited(apply, "_no_trace", ("now < work.leg.apply_deadline_at and fresh", "fresh")),
        edited(switches, "MAY_WRITE", ("NOT $4 OR apply_deadline_at > clock_timestamp()", "NOT $4 OR $4")),
    ):
        yield


def not_voided_on_decline() -> AbstractContextManager[None]:
    """A declined change ends at once, and its invoice stays open."""
    return edited(
        conclude,
        "_declined",
        (
            "LegState(work.leg.state) if work.leg.state != LegState.CONFIRMED else LegState.APPLYING",
            "LegState.FAILED",
        ),
        ("ending=LegState.FAILED,", ""),
    )


def promised_before_payment() -> AbstractContextManager[None]:
    """The decrease of a cart goes to Stripe before its increase is paid."""
    return edited(
        changes,
        "_insert",
        (
            "await call_store.insert(",
            "if quote.renewal_terms:\n"
            "        rest = Terms.from_json(quote.renewal_terms)\n"
            "        await hand_over(conn, change, rest, _renews_on(quote), quote.scheduled_change_id)\n"
            "    await call_store.insert(",
        ),
    )


@contextmanager
def finished_before_its_effects() -> Iterator[None]:
    """An event is over before what it says is written."""
    plain = applying.Applying._apply

    async def apply_rows(self: applying.Applying, conn: Connection, rows: Any) -> Any:
        endings = [Ending(row.key, State.FINISHED) for row in rows]
        result = await plain(self, conn, rows)
        FINISHED.append((self.pool, endings))
        return result

    async def transact(self: applying.Applying, limit: int, keys: Any) -> int:
        FINISHED.clear()
        try:
            return await plain_transact(self, limit, keys)
        except BaseException:
            for pool, endings in FINISHED:
                async with transaction(pool) as conn:
                    await applying.inbox.finish(conn, endings)
            raise

    plain_transact = applying.Applying._transact
    with (
        mock.patch.object(applying.Applying, "_apply", apply_rows),
        mock.patch.object(applying.Applying, "_transact", transact),
    ):
        yield


FINISHED: list[tuple[Any, list[Ending]]] = []


def refresh_without_generation() -> AbstractContextManager[None]:
    """A read ends every wish to read, also one that came while it was under way."""
    return edited(refresh, "DELETE_WISH", ("generation = $2", "$2::bigint IS NOT NULL"))


def anybody_confirms() -> AbstractContextManager[None]:
    """Who confirms is not asked."""
    return mock.patch.object(changes, "require_admin", return_value=None)


def admin_not_asked_again() -> AbstractContextManager[None]:
    """Who confirms is asked before the checks, and not when it is committed."""
    return edited(changes, "_commit", ("require_admin(account, actor_id)", "pass"))


def expired_quote_confirmed() -> AbstractContextManager[None]:
    """A quote lives for ever."""
    return edited(changes, "_check", ("if quote.expires_at < clock.wall():", "if False:"))


@contextmanager
def stop_only_at_the_confirm() -> Iterator[None]:
    """The stop switch is looked at when a change is confirmed, and never again."""
    with (
        edited(switches, "SELECT_HOLD", ("account_id IS NULL OR account_id = $1", "$1::text IS NULL")),
        edited(switches, "MAY_WRITE", ("stop.account_id IS NULL OR stop.account_id = account.id", "false")),
    ):
        yield


def dead_lease_kept() -> AbstractContextManager[None]:
    """What a dead worker held is never taken up again."""
    return edited(
        change_store, "LEASE_LEG", ("leased_until < clock_timestamp()", "leased_until = '-infinity'")
    )


def terms_before_payment() -> AbstractContextManager[None]:
    """The account has its new terms from the confirm on."""
    return edited(
        changes,
        "_insert",
        (
            "await call_store.insert(",
            "await account_store.begin_terms(conn, change.account_id, Terms.from_json(quote.now_terms), "
            "clock.wall(), change.id, Leg.NOW)\n"
            "    await call_store.insert(",
        ),
    )


@contextmanager
def doubt_believed() -> Iterator[None]:
    """What waits to be read again counts as the beginning of a proof."""
    with mock.patch.object(observation.MirroredObject, "_in_doubt", False):
        yield


MUTANTS: dict[str, Mutant] = {
    each.__name__: each
    for each in (
        no_stored_key, fresh_key_on_time_out, ack_before_commit, quantity_omitted, guard_per_table,
        at_least_as_new, tombstone_ignored, older_applied, preview_not_repeated, fence_not_checked,
        replayed_after_the_deadline, not_voided_on_decline, promised_before_payment,
        finished_before_its_effects, refresh_without_generation, anybody_confirms, admin_not_asked_again,
        expired_quote_confirmed, stop_only_at_the_confirm, dead_lease_kept,
        terms_before_payment, doubt_believed,
    )
}  # fmt: skip
