"""The audit log: who did what, when and by which door, in the transaction of the act itself.

Each account has a chain of its own; what concerns all accounts has another one. An entry is appended right
before the commit, whenever it was written: the head of its chain is the last lock of the global order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from sync import clock
from sync.errors import Code, NotFound
from sync.rules.audit_chain import BEGINNING, Break, Entry, Head, Link, check_end, follow, plain
from sync.store import accounts as account_store
from sync.store import audit as store
from sync.store.db import Connection, Executor, at_end
from sync.told import Told

# Whoever acts without having been asked by anybody.
PRORATA = "prorata"
PAGE = 1000


class Act(Told):
    """What can be found in the log; `sentence` says it for the reader of a timeline."""

    ACCOUNT_CREATED = "account.created", "The account was created."
    ACCOUNT_LINKED = "account.linked", "The account took over a customer that Stripe had."
    ACCOUNT_ADOPTED = "account.adopted", "A subscription that Stripe had was taken over with its terms."
    CUSTOMER_CREATED = "customer.created", "The account got its customer at Stripe."
    ADMIN_NAMED = "admin.named", "Another primary admin was named."

    QUOTE_CONFIRMED = "quote.confirmed", "A quote was confirmed: the change may be charged."
    CHANGE_RESUMED = "change.resumed", "A change was taken up again by hand."
    CHANGE_RECALLED = "change.recalled", "A change was asked to be taken back."
    CHANGE_APPLIED = "change.applied", "The change is in force."
    CHANGE_SETTLED = "change.settled", "The change is over, and was compared with its quote."
    CHANGE_FAILED = "change.failed", "The change ended without an effect."
    CHANGE_EXPIRED = "change.expired", "The change ran out of time without an effect."
    CHANGE_WITHDRAWN = "change.withdrawn", "The change was taken back before it took effect."
    CHANGE_SUPERSEDED = "change.superseded", "The change gave way to another one before it took effect."
    CHANGE_REPLACED = "change.replaced", "The promise for the renewal was replaced by a later one."

    REQUEST_SUBMITTED = "request.submitted", "Support was asked for a change."
    REQUEST_OFFERED = "request.offered", "Support said yes; the admin has to confirm the amounts."
    REQUEST_APPROVED = "request.approved", "A change request became a change."
    REQUEST_DECLINED = "request.declined", "Support said no to a change request."
    REQUEST_WITHDRAWN = "request.withdrawn", "A change request was taken back."
    REQUEST_EXPIRED = "request.expired", "A change request was not decided in time."

    ACCOUNT_PARKED = "account.parked", "Billing changes were stopped until staff look at the account."
    ACCOUNT_UNPARKED = "account.unparked", "Billing changes were allowed again after staff had looked."
    WRITES_STOPPED = "writes.stopped", "The stop switch for writes to Stripe was turned on."
    WRITES_ALLOWED = "writes.allowed", "The stop switch for writes to Stripe was turned off."

    REPAIR_BEGUN = "repair.begun", "A repair was asked for, and begun."
    REPAIR_FAILED = "repair.failed", "A repair ended without an effect."
    CHANGE_RESOLVED = "change.resolved", "A person looked at a change that was stuck, and said how it ended."
    FINDING_ACCEPTED = "finding.accepted", "A difference was accepted as it is."
    FINDING_REPAIRED = "finding.repaired", "A difference was repaired without moving money."

    CATALOG_PUSHED = "catalog.pushed", "The catalog was brought to Stripe."
    KEY_CREATED = "key.created", "An API key was made."
    KEY_REVOKED = "key.revoked", "An API key was made useless."
    EVENT_REPLAYED = "event.replayed", "An event was given back to be decided again."
    EVENT_BURIED = "event.buried", "An event was set aside by hand."
    NOTICE_RETRIED = "notice.retried", "An e-mail was given all its tries back by hand."
    EVENT_DISMISSED = "event.dismissed", "A buried event was given up for good."
    DATA_PRUNED = "data.pruned", "What is too old to be kept was deleted."


@dataclass(frozen=True, slots=True)
class Origin:
    """How an act came in: `http`, `cli` or `worker`; who stood there, in which role, with which API key.

    `reason` is what the person said about all that is done; an act that has a reason of its own keeps that.
    """

    door: str
    person: str
    role: str | None = None
    key_id: str | None = None
    reason: str | None = None


_WORKER = Origin("worker", PRORATA)
_origin: ContextVar[Origin] = ContextVar("origin", default=_WORKER)


def enter(origin: Origin) -> None:
    """From now on, this task and those that it starts act by this door."""
    _origin.set(origin)


@contextmanager
def through(origin: Origin) -> Iterator[None]:
    """Whatever is done inside is done by this door."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


async def write(
    conn: Connection,
    account_id: str | None,
    act: Act,
    actor: str | None,
    detail: Mapping[str, Any],
    *,
    role: str | None = None,
) -> None:
    """Say in the log that `actor` did this, in the transaction that does it.

    `account_id` None: it concerns all accounts; `actor` None: whoever stands at the door. Somebody else
    there is named as `by`: an actor is what a caller says, and anybody may say so. `detail` is JSON: ids, and
    `before` and `after` where something was replaced; amounts are integers. `role` is named where it is more
    than the door knows. Raises TypeError for a detail that has no exact text.
    """
    origin = _origin.get()
    if actor is not None and actor != origin.person:
        detail = {**detail, "by": origin.person}
    if origin.reason is not None and detail.get("reason") is None:
        detail = {**detail, "reason": origin.reason}
    entry = Entry(
        account_id=account_id,
        at=clock.wall(),
        act=act.value,
        actor=plain(actor or origin.person),
        role=role or origin.role,
        door=origin.door,
        key_id=origin.key_id,
        detail=plain(detail),
    )
    await at_end(conn, partial(store.append, entry=entry))


# ---- reading it again

Kept = Mapping[str | None, tuple[int, bytes]]
"""Of a chain: the number and the hash of a row, as an earlier verification printed them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one chain: the last row that fits, and the first one that is broken."""

    account_id: str | None
    last: Head
    broken: Break | None

    @property
    def rows(self) -> int:
        """How many rows fit, from the first on."""
        return self.last.seq


async def shown(
    conn: Executor, account_id: str | None, *, limit: int, before: int | None = None
) -> tuple[list[Link], bool]:
    """The newest rows of a chain, newest first, and whether there are older ones. Raises NotFound."""
    found = await store.newest(conn, account_id, before, limit + 1)
    if not found and account_id is not None and await account_store.get(conn, account_id) is None:
        raise NotFound(Code.ACCOUNT_UNKNOWN, f"There is no account {account_id!r}.")
    return found[:limit], len(found) > limit


async def chains(conn: Executor, kept: Kept) -> list[str | None]:
    """Every chain that exists, or was seen before."""
    found = await store.chains(conn)
    return list(dict.fromkeys([*found, *kept]))


async def count(conn: Executor) -> int:
    """How many rows all chains have together, as far as their heads know."""
    return await store.count(conn)


async def verify_all(
    conn: Executor, account_ids: Sequence[str | None], kept: Kept, told: Callable[[int], None]
) -> list[Verdict]:
    """Verify these chains; `told` is called with the number of rows so far."""
    verdicts, done = [], 0
    for account_id in account_ids:
        found = await verify(conn, account_id, kept.get(account_id))
        verdicts.append(found)
        told(done := done + found.rows)
    return verdicts


async def verify(conn: Executor, account_id: str | None, kept: tuple[int, bytes] | None = None) -> Verdict:
    """Compute a whole chain again. Rows that are appended meanwhile are left to the next time.

    `kept` is a row as it was seen before: a chain that was written anew as a whole does not have it.
    """
    head = await store.head(conn, account_id)
    last, seen = BEGINNING, None
    while page := await store.after(conn, account_id, last.seq, PAGE, head.seq if head else None):
        followed = follow(page, last)
        last = followed.last
        if followed.broken is not None:
            return Verdict(account_id, last, followed.broken)
        seen = next((link.hash for link in page if kept and link.seq == kept[0]), seen)
    if head is None and last.seq and await store.head(conn, account_id):
        return await verify(conn, account_id, kept)  # it began a moment ago
    if kept is not None and seen != kept[1]:
        return Verdict(account_id, last, Break(kept[0], f"row {kept[0]} is not the one that was seen before"))
    return Verdict(account_id, last, check_end(last, head))
