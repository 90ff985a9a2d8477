"""Accounts and their effective-dated terms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.rules.terms import Terms
from sync.store.db import Connection, Executor

_COLUMNS = """
id, email, name, locale, currency, primary_admin_user_id, primary_admin_email, stripe_customer_id,
stripe_subscription_id, stripe_schedule_id,
contacts_in_use, seats_in_use, parked_at, parked_reason, created_at
"""

# What the host application gives, in the order of the statements that write it.
GIVEN = ("id", "email", "name", "locale", "currency", "primary_admin_user_id", "primary_admin_email")

INSERT_ACCOUNT = """
INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING
"""

SELECT_ACCOUNT = f"SELECT {_COLUMNS} FROM account WHERE id = $1"
LOCK_ACCOUNT = f"SELECT {_COLUMNS} FROM account WHERE id = $1 FOR UPDATE"
SELECT_MANY = f"SELECT {_COLUMNS} FROM account WHERE id = ANY ($1)"
SELECT_BY_CUSTOMER = "SELECT id FROM account WHERE stripe_customer_id = $1"
SELECT_ACCOUNTS = f"""
SELECT {_COLUMNS} FROM account WHERE $2::text IS NULL OR id > $2 ORDER BY id LIMIT $1
"""

# Only while nothing was made for it: what Stripe knows may not be rewritten here.
REWRITE_ACCOUNT = """
UPDATE account
   SET email = $2, name = $3, locale = $4, currency = $5, primary_admin_user_id = $6, primary_admin_email = $7
 WHERE id = $1 AND stripe_customer_id IS NULL
"""
# An account keeps its first customer; the same one again is no change.
SET_CUSTOMER = """
UPDATE account SET stripe_customer_id = $2
 WHERE id = $1 AND (stripe_customer_id IS NULL OR stripe_customer_id = $2)
"""
SET_SUBSCRIPTION = "UPDATE account SET stripe_subscription_id = $2 WHERE id = $1"
SET_SCHEDULE = "UPDATE account SET stripe_schedule_id = $2 WHERE id = $1"
SET_ADMIN = "UPDATE account SET primary_admin_user_id = $2, primary_admin_email = $3 WHERE id = $1"
SET_USAGE = """
UPDATE account SET contacts_in_use = coalesce($2, contacts_in_use), seats_in_use = coalesce($3, seats_in_use)
 WHERE id = $1
"""
# Every reason is in the audit log, the first one is shown.
PARK = """
UPDATE account SET parked_at = coalesce(parked_at, now()), parked_reason = coalesce(parked_reason, $2)
 WHERE id = $1
"""

# From the mirror: null until the first event about the customer was applied.
HAVE_PAYMENT_METHOD = """
SELECT account.id,
       customer.default_payment_method_id IS NOT NULL OR customer.default_source_id IS NOT NULL AS present
  FROM account JOIN stripe_customer AS customer ON customer.id = account.stripe_customer_id
 WHERE account.id = ANY ($1)
"""

SELECT_TERMS = """
SELECT product, tier, contact_limit, seats, add_ons, interval
  FROM account_terms WHERE account_id = $1 AND ended_at IS NULL
"""
SELECT_TERMS_OF_MANY = """
SELECT account_id, product, tier, contact_limit, seats, add_ons, interval
  FROM account_terms WHERE account_id = ANY ($1) AND ended_at IS NULL
"""
# The newest terms of each account, in force or over.
SELECT_HISTORY = """
SELECT newest.*
  FROM unnest($1::text[]) AS wanted (account_id)
 CROSS JOIN LATERAL (
       SELECT account_id, effective_at, ended_at, change_id, leg,
              product, tier, contact_limit, seats, add_ons, interval
         FROM account_terms AS terms
        WHERE terms.account_id = wanted.account_id
        ORDER BY effective_at DESC, ended_at DESC NULLS FIRST LIMIT $2) AS newest
 ORDER BY newest.account_id, newest.effective_at DESC, newest.ended_at DESC NULLS FIRST
"""
END_TERMS = """
UPDATE account_terms SET ended_at = $4
 WHERE account_id = $1 AND ended_at IS NULL AND (change_id, leg) <> ($2, $3)
"""
INSERT_TERMS = """
INSERT INTO account_terms
       (account_id, effective_at, product, tier, contact_limit, seats, add_ons, interval, change_id, leg)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (account_id, change_id, leg) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account. `stripe_customer_id` is None only until its creation at Stripe was answered."""

    id: str
    email: str
    name: str
    locale: str
    currency: str
    primary_admin_user_id: str
    primary_admin_email: str
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    stripe_schedule_id: str | None
    contacts_in_use: int | None
    seats_in_use: int | None
    parked_at: datetime | None
    parked_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TermsRow:
    """What an account bought by one leg of a change, from when to when; `ended_at` None: still in force."""

    effective_at: datetime
    ended_at: datetime | None
    change_id: str
    leg: str
    terms: Terms


async def insert(conn: Executor, row: dict[str, str]) -> bool:
    """True if the account is new; `row` holds the columns of GIVEN by name."""
    done = await conn.execute(INSERT_ACCOUNT, *(row[name] for name in GIVEN))
    return bool(done.endswith(" 1"))


async def rewrite(conn: Executor, row: dict[str, str]) -> None:
    """Other data for an account that has no customer yet; `row` as in `insert`."""
    await conn.execute(REWRITE_ACCOUNT, *(row[name] for name in GIVEN))


async def get(conn: Executor, account_id: str) -> AccountRow | None:
    row = await conn.fetchrow(SELECT_ACCOUNT, account_id)
    return AccountRow(**dict(row)) if row else None


async def get_many(conn: Executor, account_ids: Collection[str]) -> dict[str, AccountRow]:
    """Several accounts by id, in one read."""
    rows = await conn.fetch(SELECT_MANY, list(account_ids))
    return {row["id"]: AccountRow(**dict(row)) for row in rows}


async def id_of_customer(conn: Executor, stripe_customer_id: str) -> str | None:
    """The account that has this customer."""
    found: str | None = await conn.fetchval(SELECT_BY_CUSTOMER, stripe_customer_id)
    return found


async def lock(conn: Connection, account_id: str) -> AccountRow | None:
    """The account, locked until the transaction ends."""
    row = await conn.fetchrow(LOCK_ACCOUNT, account_id)
    return AccountRow(**dict(row)) if row else None


async def page(conn: Executor, limit: int, after: str | None) -> list[AccountRow]:
    """Accounts in the order of their ids."""
    return [AccountRow(**dict(row)) for row in await conn.fetch(SELECT_ACCOUNTS, limit, after)]


async def set_customer(conn: Executor, account_id: str, stripe_customer_id: str) -> bool:
    """False when the account has another customer.

    Raises asyncpg's UniqueViolationError when another account has this one.
    """
    return bool((await conn.execute(SET_CUSTOMER, account_id, stripe_customer_id)).endswith(" 1"))


async def set_subscription(conn: Executor, account_id: str, stripe_subscription_id: str) -> None:
    await conn.execute(SET_SUBSCRIPTION, account_id, stripe_subscription_id)


async def set_schedule(conn: Executor, account_id: str, stripe_schedule_id: str | None) -> None:
    """Note which schedule at Stripe is ours; None once it was released."""
    await conn.execute(SET_SCHEDULE, account_id, stripe_schedule_id)


async def set_admin(conn: Executor, account_id: str, user_id: str, email: str) -> None:
    await conn.execute(SET_ADMIN, account_id, user_id, email)


async def set_usage(conn: Executor, account_id: str, contacts: int | None, seats: int | None) -> None:
    """Record what is in use; None leaves a number as it is."""
    await conn.execute(SET_USAGE, account_id, contacts, seats)


async def have_payment_method(conn: Executor, account_ids: Collection[str]) -> dict[str, bool]:
    """Which customers have something to charge; accounts whose customer is not mirrored are absent."""
    rows = await conn.fetch(HAVE_PAYMENT_METHOD, list(account_ids))
    return {row["id"]: row["present"] for row in rows}


async def park(conn: Executor, account_id: str, reason: str) -> None:
    """Stop all billing changes of the account until staff look; the first reason stays."""
    await conn.execute(PARK, account_id, reason)


async def terms(conn: Executor, account_id: str) -> Terms | None:
    """What the account buys at present."""
    row = await conn.fetchrow(SELECT_TERMS, account_id)
    return Terms.from_json(dict(row)) if row else None


async def terms_of(conn: Executor, account_ids: Collection[str]) -> dict[str, Terms]:
    """Present terms of several accounts in one read."""
    rows: list[Any] = await conn.fetch(SELECT_TERMS_OF_MANY, list(account_ids))
    found = [dict(row) for row in rows]
    return {row.pop("account_id"): Terms.from_json(row) for row in found}


async def terms_history(
    conn: Executor, account_ids: Collection[str], limit: int
) -> dict[str, list[TermsRow]]:
    """The newest `limit` terms of each account, newest first; accounts that never bought are absent."""
    found: dict[str, list[TermsRow]] = {}
    for record in await conn.fetch(SELECT_HISTORY, list(account_ids), limit):
        row = dict(record)
        found.setdefault(row.pop("account_id"), []).append(
            TermsRow(
                effective_at=row.pop("effective_at"),
                ended_at=row.pop("ended_at"),
                change_id=row.pop("change_id"),
                leg=row.pop("leg"),
                terms=Terms.from_json(row),
            )
        )
    return found


async def begin_terms(
    conn: Connection, account_id: str, new: Terms, effective_at: datetime, change_id: str, leg: str
) -> None:
    """End the present terms and begin these; the same leg of a change again changes nothing."""
    await conn.execute(END_TERMS, account_id, change_id, leg, effective_at)
    await conn.execute(
        INSERT_TERMS,
        account_id,
        effective_at,
        new.product,
        new.tier,
        new.contact_limit,
        new.seats,
        dict(new.add_ons),
        new.interval.value,
        change_id,
        leg,
    )
