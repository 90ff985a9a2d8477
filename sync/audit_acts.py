"""What the audit log says of each act of billing: one function an act, called where it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sync.audit import PRORATA, Act, write
from sync.request_states import RequestState
from sync.states import Leg, LegState
from sync.store import accounts as account_store
from sync.store.accounts import AccountRow
from sync.store.api_keys import ApiKeyRow
from sync.store.catalog_prices import CatalogPrice
from sync.store.change_requests import RequestRow
from sync.store.changes import ChangeRow, LegRow
from sync.store.db import Connection
from sync.store.quotes import QuoteRow

PRIMARY_ADMIN = "primary_admin"

ENDS = {
    LegState.APPLIED: Act.CHANGE_APPLIED,
    LegState.SETTLED: Act.CHANGE_SETTLED,
    LegState.FAILED: Act.CHANGE_FAILED,
    LegState.EXPIRED: Act.CHANGE_EXPIRED,
    LegState.WITHDRAWN: Act.CHANGE_WITHDRAWN,
    LegState.SUPERSEDED: Act.CHANGE_SUPERSEDED,
    LegState.REPLACED: Act.CHANGE_REPLACED,
}
"""The states of a leg that the log tells of: it is in force, or it has ended."""

REQUESTS = {
    RequestState.SUBMITTED: Act.REQUEST_SUBMITTED,
    RequestState.AWAITING_ADMIN_CONFIRM: Act.REQUEST_OFFERED,
    RequestState.APPROVED: Act.REQUEST_APPROVED,
    RequestState.DECLINED: Act.REQUEST_DECLINED,
    RequestState.WITHDRAWN: Act.REQUEST_WITHDRAWN,
    RequestState.EXPIRED: Act.REQUEST_EXPIRED,
}


# ---- changes


async def confirmed(conn: Connection, quote: QuoteRow, change_id: str, actor: str, by_admin: bool) -> None:
    """A quote became a change: what was bought, and for how much."""
    detail = {
        "quote_id": quote.id,
        "change_id": change_id,
        "request_id": quote.request_id,
        "cancel": quote.cancel,
        "before": quote.current_terms,
        "after": {"now": quote.now_terms, "at_renewal": quote.renewal_terms},
        "currency": quote.currency,
        "due_today_minor": quote.due_today_minor,
        "to_balance_minor": quote.to_balance_minor,
    }
    role = PRIMARY_ADMIN if by_admin else None
    await write(conn, quote.account_id, Act.QUOTE_CONFIRMED, actor, detail, role=role)


async def recalled(conn: Connection, change: ChangeRow, leg: LegRow, actor: str) -> None:
    """The admin wants a change back; whether it could be taken back is an act of its own."""
    detail = {"change_id": change.id, "leg": leg.leg, "state": leg.state}
    await write(conn, change.account_id, Act.CHANGE_RECALLED, actor, detail, role=PRIMARY_ADMIN)


async def resumed(conn: Connection, change: ChangeRow) -> None:
    """Somebody had a change looked at now, whatever it waits for."""
    await write(conn, change.account_id, Act.CHANGE_RESUMED, None, {"change_id": change.id})


async def moved(conn: Connection, quote: QuoteRow, before: LegRow, now: LegRow) -> None:
    """A leg is in force, or has ended; nothing is said of the states on the way."""
    state = LegState(now.state)
    if state not in ENDS or before.state == now.state:
        return
    detail: dict[str, Any] = {
        "change_id": now.change_id,
        "quote_id": quote.id,
        "leg": now.leg,
        "before": {"state": before.state},
        "after": {"state": now.state, "reason": now.reason},
        "currency": quote.currency,
        "quoted_minor": now.quoted_minor,
        "charged_minor": now.charged_minor,
        "difference_minor": now.difference_minor,
        "stripe_invoice_id": now.stripe_invoice_id,
    }
    if state is LegState.APPLIED:
        detail["before"]["terms"] = await _terms_before(conn, now)
        detail["after"]["terms"] = now.terms
    await write(conn, now.account_id, ENDS[state], PRORATA, detail)


async def replaced(conn: Connection, account_id: str, change_id: str, by: ChangeRow) -> None:
    """A promise for the renewal was taken over by the one of a later change."""
    detail = {"change_id": change_id, "leg": Leg.AT_RENEWAL, "by_change_id": by.id}
    await write(conn, account_id, Act.CHANGE_REPLACED, by.actor_id, detail)


async def _terms_before(conn: Connection, leg: LegRow) -> dict[str, Any] | None:
    """What the account had until these terms began, in this transaction."""
    history = await account_store.terms_history(conn, [leg.account_id], 2)
    rows = history.get(leg.account_id, [])
    return next((row.terms.to_json() for row in rows if row.change_id != leg.change_id), None)


# ---- requests


async def request_moved(
    conn: Connection, row: RequestRow, actor: str, before: str | None, *, role: str | None = None
) -> None:
    """A change request was submitted, decided, taken back, or ran out of time."""
    detail = {
        "request_id": row.id,
        "before": before,
        "after": row.state,
        "wish": row.wish,
        "cancel": row.cancel,
        "effective": row.decided_effective or row.effective,
        "reason": row.reason,
        "note": row.note,
        "quote_id": row.quote_id,
        "change_id": row.change_id,
    }
    await write(conn, row.account_id, REQUESTS[RequestState(row.state)], actor, detail, role=role)


# ---- what concerns all accounts


async def catalog_pushed(conn: Connection, sold: Sequence[CatalogPrice], created: Sequence[str]) -> None:
    """What is sold from now on, and the prices that were made for it."""
    detail = {
        "created": sorted(created),
        "sold": {price.lookup_key: price.unit_amount_minor for price in sold},
    }
    await write(conn, None, Act.CATALOG_PUSHED, None, detail)


async def key_created(conn: Connection, key: ApiKeyRow) -> None:
    """Somebody may call from now on."""
    detail = {"api_key_id": key.id, "name": key.name, "roles": list(key.roles)}
    await write(conn, None, Act.KEY_CREATED, None, detail)


async def key_revoked(conn: Connection, key_id: str) -> None:
    """Somebody may not call any more."""
    await write(conn, None, Act.KEY_REVOKED, None, {"api_key_id": key_id})


async def event_decided(
    conn: Connection, act: Act, event_id: str, customer_id: str | None, reason: str | None = None
) -> None:
    """A person decided about a stored event; its account is the one of the customer that it names."""
    account_id = await account_store.id_of_customer(conn, customer_id) if customer_id else None
    await write(conn, account_id, act, None, {"event_id": event_id, "reason": reason})


async def notice_retried(conn: Connection, account_id: str, reference: str, kind: str) -> None:
    """A person let an e-mail be tried again; its key names an address, so its reference stands for it."""
    await write(conn, account_id, Act.NOTICE_RETRIED, None, {"notice": reference, "kind": kind})


# ---- accounts


async def account_written(
    conn: Connection, given: dict[str, str], before: AccountRow | None, customer_id: str | None = None
) -> None:
    """An account was made, or corrected before anything came of it: what the host application says of it."""
    act = Act.ACCOUNT_LINKED if customer_id else Act.ACCOUNT_CREATED
    known = {name: getattr(before, name) for name in given} if before else None
    detail = {"before": known, "after": given, "stripe_customer_id": customer_id}
    await write(conn, given["id"], act, None, detail)


async def customer_made(conn: Connection, account_id: str, customer_id: str) -> None:
    """Stripe made the account's customer."""
    await write(conn, account_id, Act.CUSTOMER_CREATED, None, {"stripe_customer_id": customer_id})


async def admin_named(conn: Connection, before: AccountRow, user_id: str, email: str) -> None:
    """Somebody else may say yes from now on; the host application says who."""
    after = {"user_id": user_id, "email": email}
    if after != _admin(before):
        detail = {"before": _admin(before), "after": after}
        await write(conn, before.id, Act.ADMIN_NAMED, None, detail)


async def parked(conn: Connection, account_id: str, reason: str, actor: str) -> None:
    """Every reason is told; the account shows the first."""
    await write(conn, account_id, Act.ACCOUNT_PARKED, actor, {"reason": reason})


async def unparked(conn: Connection, account_id: str, reason: str, actor: str) -> None:
    """Staff have looked."""
    await write(conn, account_id, Act.ACCOUNT_UNPARKED, actor, {"reason": reason})


async def switched(conn: Connection, account_id: str | None, act: Act, reason: str, actor: str) -> None:
    """The stop switch was moved, for one account or for all."""
    await write(conn, account_id, act, actor, {"reason": reason})


def _admin(account: AccountRow) -> dict[str, str]:
    return {"user_id": account.primary_admin_user_id, "email": account.primary_admin_email}
