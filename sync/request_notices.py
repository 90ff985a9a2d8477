"""What people are told about a change request, stored in the transaction that moves it."""

from __future__ import annotations

from typing import Any

from sync.billing import Billing
from sync.contract import iso
from sync.store import notices
from sync.store.accounts import AccountRow
from sync.store.change_requests import RequestRow
from sync.store.db import Connection
from sync.store.quotes import QuoteRow


async def tell_admin(
    conn: Connection,
    account: AccountRow,
    row: RequestRow,
    kind: str,
    more: dict[str, Any] | None = None,
) -> None:
    """To the primary admin's address, and to the one that the request named."""
    for recipient in dict.fromkeys([account.primary_admin_email, row.contact_email or ""]):
        if recipient:
            await notices.add(
                conn,
                f"{row.id}:{kind}:{row.quote_id or ''}:{recipient}",
                account_id=account.id,
                kind=kind,
                recipient=recipient,
                locale=account.locale,
                data=_said(account, row) | (more or {}),
            )


async def tell_support(billing: Billing, conn: Connection, account: AccountRow, row: RequestRow) -> None:
    if billing.support_email is not None:
        await notices.add(
            conn,
            f"{row.id}:request_for_support",
            account_id=account.id,
            kind="request_for_support",
            recipient=billing.support_email,
            locale="en",
            data=_said(account, row),
        )


def _said(account: AccountRow, row: RequestRow) -> dict[str, Any]:
    """What an e-mail about a request may say."""
    return {
        "account_name": account.name,
        "request_id": row.id,
        "wish": row.wish,
        "cancel": row.cancel,
        "effective": row.decided_effective or row.effective,
        "reason": row.reason,
        "note": row.note,
        "losses": row.losses,
        "expires_at": iso(row.expires_at),
    }


def money(quote: QuoteRow) -> dict[str, Any]:
    """The amounts that the primary admin is asked to confirm."""
    return {
        "quote_id": quote.id,
        "currency": quote.currency,
        "due_today_minor": quote.due_today_minor,
        "from_now_on_minor": quote.from_now_on_minor,
        "from_now_on_interval": quote.from_now_on_interval,
    }
