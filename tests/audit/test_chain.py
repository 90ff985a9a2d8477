"""The chain: what the database stores can be computed again, and whatever is done to it later is found."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import audit
from sync.audit import Act, Origin
from sync.rules.audit_chain import BEGINNING, Break, Entry, Head, Link, check_end, follow, link_hash, plain
from sync.store import audit as store
from sync.store import timeline
from sync.store.db import Pool, transaction
from tests.support.patience import SURELY_SECONDS

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = {
    "nul": "a\x00b",
    "half a pair": "\ud800",
    "controls": '\x01\x1f\x7f\b\t\n"\\/',
    "words": "Größe 7 \u2028 \U0001f4a9",
    "large": 2**70,
    "negative": -5,
    "none": None,
    "truth": [True, False, 0, 1],
    "nested": {"b": [], "a": {}, "ä": [{"z": 1, "aa": 2}]},
    "when": AT,
}


async def told(pool: Pool, account_id: str | None = "acme", **detail: Any) -> None:
    """One entry in a transaction of its own."""
    async with transaction(pool) as conn:
        await audit.write(conn, account_id, Act.ACCOUNT_PARKED, "olga", detail)


async def broken(pool: Pool, account_id: str | None = "acme") -> Break | None:
    return (await audit.verify(pool, account_id)).broken


async def forged(pool: Pool, sql: str) -> None:
    """What somebody does who may do everything: the triggers are off."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(sql)


# ---- writing


async def test_stored_rows_give_the_same_hashes(pool: Pool) -> None:
    """Whatever the detail holds, it comes back from the database with the text that was hashed."""
    for detail in ({}, ODD, {"reason": "x" * 5000}):
        await told(pool, **detail)
    verdict = await audit.verify(pool, "acme")
    assert (3, None) == (verdict.rows, verdict.broken)
    [_, odd, _] = await store.after(pool, "acme", 0, 10)
    assert ("a\ufffdb", 2**70) == (odd.entry.detail["nul"], odd.entry.detail["large"])


async def test_entry_says_by_which_door(pool: Pool) -> None:
    """Person, role and key come from the door, unless the flow knows the actor."""
    async with transaction(pool) as conn:
        with audit.through(Origin("http", "api_key:key_1", "support", "key_1")):
            await audit.write(conn, "acme", Act.ADMIN_NAMED, None, {})
        await audit.write(conn, "acme", Act.QUOTE_CONFIRMED, "ada", {}, role="primary_admin")
    found = [link.entry for link in await store.after(pool, "acme", 0, 10)]
    assert [
        ("api_key:key_1", "support", "http", "key_1"),
        ("ada", "primary_admin", "worker", None),
    ] == [(each.actor, each.role, each.door, each.key_id) for each in found]


@pytest.mark.parametrize("value", [1.5, {"a": [float("nan")]}, b"bytes", {1, 2}])
def test_value_without_an_exact_text_is_refused(value: Any) -> None:
    """A float may read otherwise after a round trip; it would look like a forgery for ever."""
    with pytest.raises(TypeError):
        plain(value)


async def test_act_that_is_rolled_back_leaves_nothing(pool: Pool) -> None:
    """The entry is in the transaction of the act."""

    async def fail() -> None:
        async with transaction(pool) as conn:
            await audit.write(conn, "acme", Act.ACCOUNT_PARKED, "olga", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await told(pool)
    assert [1] == [link.seq for link in await store.after(pool, "acme", 0, 10)]


async def test_two_hundred_writers_of_one_account_follow_each_other(pool: Pool) -> None:
    """No number is lost or used twice, and every row follows from the one before."""
    await asyncio.gather(*(told(pool, number=number) for number in range(200)))
    links = await store.after(pool, "acme", 0, 1000)
    assert list(range(1, 201)) == [link.seq for link in links]
    assert set(range(200)) == {link.entry.detail["number"] for link in links}
    assert await broken(pool) is None


async def test_head_is_locked_last(pool: Pool) -> None:
    """However early an act is told, nobody waits for the rest of its transaction; nor other accounts ever."""
    async with transaction(pool) as conn:
        await audit.write(conn, "acme", Act.ACCOUNT_PARKED, "olga", {"which": "first"})
        await asyncio.wait_for(told(pool, which="second"), SURELY_SECONDS)
    assert ["second", "first"] == [
        link.entry.detail["which"] for link in await store.after(pool, "acme", 0, 10)
    ]
    async with pool.acquire() as conn, conn.transaction():
        await audit.write(conn, "acme", Act.ACCOUNT_PARKED, "olga", {})  # no `transaction`: at once
        await asyncio.wait_for(told(pool, "other"), SURELY_SECONDS)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told(pool), 0.2)


# ---- what cannot be done, and what is found


REFUSED = (
    "UPDATE audit_log SET actor = 'nobody'",
    "DELETE FROM audit_log WHERE seq = 2",
    "TRUNCATE audit_log",
    "UPDATE audit_head SET hash = previous",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
)
FORGERIES = {
    "UPDATE audit_log SET actor = 'eve' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET role = 'support' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET door = 'cli' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET key_id = 'key_1' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET act = 'account.unparked' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET detail = '{}' WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET hash = sha256('x') WHERE seq = 2": (2, "not what was written"),
    "UPDATE audit_log SET previous = sha256('x') WHERE seq = 2": (2, "does not follow"),
    "DELETE FROM audit_log WHERE seq = 2": (2, "row 2 is missing"),
    "DELETE FROM audit_log WHERE seq = 1": (1, "row 1 is missing"),
    "DELETE FROM audit_log WHERE seq > 2": (3, "rows 3 to 4 are missing"),
    "DELETE FROM audit_log": (1, "rows 1 to 4 are missing"),
    "UPDATE audit_log SET seq = 9 WHERE seq = 3": (3, "row 3 is missing"),
    "UPDATE audit_log SET seq = seq + 7 WHERE seq = 3; UPDATE audit_log SET seq = 3 WHERE seq = 4": (
        3,
        "does not follow",
    ),
    "DELETE FROM audit_head": (4, "head is missing"),
    "UPDATE audit_head SET hash = sha256('x')": (4, "not the one that the chain's head names"),
}


async def test_log_is_append_only(pool: Pool) -> None:
    """The database refuses everything else, whoever asks by ordinary means."""
    for number in range(3):
        await told(pool, number=number)
    for sql in REFUSED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await pool.execute(sql)
    assert await broken(pool) is None


async def test_whatever_is_done_to_a_chain_is_found(pool: Pool) -> None:
    """Also by somebody who turns the triggers off; the first row that is wrong is named."""
    for number in range(4):
        await told(pool, number=number)
    missed = {}
    async with pool.acquire() as conn:
        for sql, (seq, why) in FORGERIES.items():
            forging = conn.transaction()
            await forging.start()
            await conn.execute(f"SET LOCAL session_replication_role = replica; {sql}")
            found = (await audit.verify(conn, "acme")).broken
            await forging.rollback()
            if found is None or found.seq != seq or why not in found.why:
                missed[sql] = found
    assert {} == missed
    assert await broken(pool) is None


async def test_row_of_another_account_does_not_fit(pool: Pool) -> None:
    """The account is part of what is hashed: two first rows cannot change places."""
    await told(pool)
    await told(pool, "other")
    await forged(
        pool,
        "UPDATE audit_log SET chain = CASE chain WHEN 'acme' THEN 'x' ELSE chain END;"
        "UPDATE audit_log SET chain = 'acme' WHERE chain = 'other';"
        "UPDATE audit_log SET chain = 'other' WHERE chain = 'x';"
        "UPDATE audit_head SET hash = log.hash FROM audit_log AS log WHERE log.chain = audit_head.chain",
    )
    for account_id in ("acme", "other"):
        assert "not what was written" in str(await broken(pool, account_id))


async def test_chain_that_was_written_anew_is_told_by_what_was_kept(pool: Pool) -> None:
    """Who rewrites rows and heads alike leaves a chain that fits; its old hash, kept elsewhere, does not."""
    await told(pool)
    before = await audit.verify(pool, "acme")
    kept = {"acme": (before.rows, before.last.hash)}
    await told(pool)
    assert [None] == [each.broken for each in await audit.verify_all(pool, ["acme"], kept, lambda _: None)]
    await forged(pool, "DELETE FROM audit_log; DELETE FROM audit_head")
    await told(pool, reason="another story")
    assert await broken(pool) is None
    [found] = await audit.verify_all(pool, await audit.chains(pool, kept), kept, lambda _: None)
    assert found.broken is not None
    assert "seen before" in found.broken.why


async def test_every_chain_is_found_also_without_its_head(pool: Pool) -> None:
    """The one of all accounts, those of accounts, and rows whose head was taken away."""
    for account_id in (None, "acme", "zeta"):
        await told(pool, account_id)
    await forged(pool, "DELETE FROM audit_head WHERE chain = 'acme'")
    assert [None, "acme", "zeta"] == await audit.chains(pool, {})


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (store.SELECT_AFTER, ["acme", 0, 10, None]),
        (store.SELECT_NEWEST, ["acme", None, 10]),
        (store.SELECT_HEAD, ["acme"]),
        (timeline.SELECT_TIMELINE, ["acme", None, None, 20]),
        (timeline.SELECT_TIMELINE, ["acme", "act", 7, 20]),
    ],
    ids=["after", "newest", "head", "timeline", "timeline page"],
)
async def test_history_of_one_account_is_found_by_an_index(
    pool: Pool, sql: str, arguments: list[Any]
) -> None:
    """However many accounts there are."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        plan = await conn.fetch(f"EXPLAIN {sql}", *arguments)
    assert "Seq Scan" not in "\n".join(row[0] for row in plan)


# ---- the rule by itself


def chain_of(details: list[dict[str, Any]]) -> list[Link]:
    """Rows as the database makes them."""
    links, last = [], BEGINNING
    for detail in details:
        entry = Entry("acme", AT, "a.b", "ada", None, "http", None, detail)
        last, previous = Head(last.seq + 1, link_hash(last.hash, last.seq + 1, entry)), last.hash
        links.append(Link(last.seq, entry, previous, last.hash))
    return links


details = st.lists(st.fixed_dictionaries({"x": st.integers() | st.text()}), min_size=2, max_size=6)


@settings(max_examples=50, deadline=None)
@given(details, st.data())
def test_a_chain_fits_as_it_is_and_in_no_other_order(given_details: list[dict[str, Any]], data: Any) -> None:
    """Any part that is left out, or any two rows that change places, break it where it happened."""
    links = chain_of([plain(each) for each in given_details])
    head = Head(links[-1].seq, links[-1].hash)
    followed = follow(links, BEGINNING)
    assert (head, None, None) == (followed.last, followed.broken, check_end(followed.last, head))
    gone = data.draw(st.integers(0, len(links) - 1))
    rest = links[:gone] + links[gone + 1 :]
    followed = follow(rest, BEGINNING)
    found = followed.broken or check_end(followed.last, head)
    assert found is not None
    assert gone + 1 == found.seq
