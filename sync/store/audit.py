"""The audit log: appended to, read, and never changed. The database refuses everything else."""

from __future__ import annotations

from typing import Any

from sync.rules.audit_chain import Entry, Head, Link, content
from sync.store.db import Connection, Executor, Record

# The chain of what concerns all accounts; no account has an empty id.
EVERYBODY = ""

# The head's row lock makes two writers of one account follow each other. The hash is computed under it, so
# one statement does everything.
APPEND = r"""
WITH head AS (
    INSERT INTO audit_head (chain, seq, previous, hash)
    VALUES ($1, 1, decode(repeat('00', 32), 'hex'),
            sha256(decode(repeat('00', 32), 'hex') || int8send(1::bigint) || $2::bytea))
        ON CONFLICT (chain) DO UPDATE
       SET seq = audit_head.seq + 1, previous = audit_head.hash,
           hash = sha256(audit_head.hash || int8send(audit_head.seq + 1) || $2::bytea)
    RETURNING seq, previous, hash
)
INSERT INTO audit_log (chain, seq, at, act, actor, role, door, key_id, detail, previous, hash)
SELECT $1, seq, $3, $4, $5, $6, $7, $8, $9, previous, hash FROM head
"""

_LINK = "chain, seq, at, act, actor, role, door, key_id, detail, previous, hash"
SELECT_AFTER = f"""
SELECT {_LINK} FROM audit_log
 WHERE chain = $1 AND seq > $2 AND ($4::bigint IS NULL OR seq <= $4) ORDER BY seq LIMIT $3
"""
SELECT_NEWEST = f"""
SELECT {_LINK} FROM audit_log
 WHERE chain = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3
"""
SELECT_HEAD = "SELECT seq, hash FROM audit_head WHERE chain = $1"
# A chain without its head is a broken one, so both tables are asked; the second part is a loose index scan.
SELECT_CHAINS = """
WITH RECURSIVE logged (chain) AS (
    SELECT min(chain) FROM audit_log
     UNION ALL
    SELECT (SELECT min(log.chain) FROM audit_log AS log WHERE log.chain > logged.chain)
      FROM logged WHERE logged.chain IS NOT NULL
)
SELECT chain FROM audit_head UNION SELECT chain FROM logged WHERE chain IS NOT NULL ORDER BY chain
"""

COUNT = "SELECT coalesce(sum(seq), 0)::bigint FROM audit_head"


async def append(conn: Connection, entry: Entry) -> None:
    """Append an entry to its chain, inside the caller's transaction and as its last lock."""
    await conn.execute(
        APPEND,
        _chain(entry.account_id),
        content(entry),
        entry.at,
        entry.act,
        entry.actor,
        entry.role,
        entry.door,
        entry.key_id,
        entry.detail,
    )


async def after(
    conn: Executor, account_id: str | None, seq: int, limit: int, up_to: int | None = None
) -> list[Link]:
    """The rows of a chain that follow row `seq`, in their order, at most to row `up_to`."""
    found = await conn.fetch(SELECT_AFTER, _chain(account_id), seq, limit, up_to)
    return [_link(row) for row in found]


async def newest(conn: Executor, account_id: str | None, before: int | None, limit: int) -> list[Link]:
    """The newest rows of a chain, newest first; only those before row `before` where one is named."""
    return [_link(row) for row in await conn.fetch(SELECT_NEWEST, _chain(account_id), before, limit)]


async def head(conn: Executor, account_id: str | None) -> Head | None:
    """What the newest row of a chain has to be."""
    row = await conn.fetchrow(SELECT_HEAD, _chain(account_id))
    return Head(row["seq"], row["hash"]) if row else None


async def chains(conn: Executor) -> list[str | None]:
    """Every chain that has a head or a row; None is the one of all accounts."""
    return [row["chain"] or None for row in await conn.fetch(SELECT_CHAINS)]


async def count(conn: Executor) -> int:
    """How many rows the heads of all chains know of."""
    rows: int = await conn.fetchval(COUNT)
    return rows


def _chain(account_id: str | None) -> str:
    return EVERYBODY if account_id is None else account_id


def _link(row: Record) -> Link:
    values: dict[str, Any] = dict(row)
    seq, previous, digest = values.pop("seq"), values.pop("previous"), values.pop("hash")
    return Link(seq, Entry(account_id=values.pop("chain") or None, **values), previous, digest)
