"""The whole story of any id: recognise it, find whose it is, and tell what happened in the order of time.

From our own tables only, so that it also works while Stripe does not.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sync.errors import Code, NotFound
from sync.store import story as store
from sync.store.db import Pool
from sync.store.story import Owner
from sync.store.story_about import about

# By the prefix of the id; whatever has none of these is the host application's own id of an account.
KINDS = {
    "chg_": "change",
    "quo_": "quote",
    "evt_": "event",
    "in_": "invoice",
    "ch_": "charge",
    "py_": "charge",  # of a bank debit
    "pi_": "payment_intent",
    "sub_sched_": "schedule",  # before subscriptions: their prefix is the beginning of this one
    "sub_": "subscription",
    "cus_": "customer",
    "req_": "request",
}
CHANGES_AT_MOST = 50


def kind_of(given_id: str) -> str:
    """What an id names, as far as its prefix tells: a key of `sync.store.story.OWNERS`."""
    return next((kind for prefix, kind in KINDS.items() if given_id.startswith(prefix)), "account")


async def tell(pool: Pool, given_id: str, *, limit: int = 200) -> dict[str, Any]:
    """The story of an id: `{id, kind, about, account, changes, story}`, with at most `limit` entries of each
    sort. `about` is the object itself as mirrored, where it has no story of its own; else None.

    Raises NotFound when nothing here has this id.
    """
    kind, owner = await _owner(pool, given_id)
    whole_account = owner.change_id is None
    change_ids = (
        await store.changes_of(pool, owner.account_id, CHANGES_AT_MOST)
        if whole_account
        else [str(owner.change_id)]
    )
    happened = await store.happenings(
        pool, owner.account_id, change_ids, whole_account=whole_account, limit=limit
    )
    if whole_account and kind == "quote":
        # Never confirmed: the quote itself is all there is to it.
        change_ids, happened = [], [each for each in happened if each.id == given_id]
    return {
        "id": given_id,
        "kind": kind,
        "about": await about(pool, kind, given_id),
        "account": await store.account_head(pool, owner.account_id),
        "changes": await store.change_heads(pool, change_ids),
        "story": [asdict(each) for each in happened],
    }


async def _owner(pool: Pool, given_id: str) -> tuple[str, Owner]:
    """By prefix first; but an account's id is the host application's own and may look like anything."""
    kind = kind_of(given_id)
    for candidate in dict.fromkeys((kind, "account")):
        found = await store.owner(pool, candidate, given_id)
        if found is not None:
            return candidate, found
    name = kind.replace("_", " ")
    raise NotFound(
        Code.NOT_FOUND,
        f"Nothing here has the id {given_id!r}, read as {'an' if name[0] in 'aei' else 'a'} {name}. "
        "Ids of accounts, changes, quotes, events, invoices, charges, payment intents, subscriptions, their "
        "schedules, customers and Stripe requests are understood.",
    )
