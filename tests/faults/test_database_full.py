"""Row 17: a full disk, and a server that only reads: nothing is acknowledged, nothing leaves for Stripe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from sync.store.db import Failure, Pool, classify, transaction
from tests.faults.doors import Knocks, deliver, knock_once, require_stored
from tests.faults.hands import Hands
from tests.faults.test_database_restart import END_SESSIONS

TABLES = """
SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class
 WHERE relnamespace IN ('public'::regnamespace, 'queue'::regnamespace)
   AND relkind IN ('r', 'p') AND NOT relispartition
"""
LIVES = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1"


async def fill(pool: Pool) -> None:
    """From now on every write finds the disk full, whatever the table."""
    await pool.execute(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    for (table,) in await pool.fetch(TABLES):
        await pool.execute(
            f"CREATE TRIGGER a_fill BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fill()"
        )


async def make_room(pool: Pool) -> None:
    await pool.execute("DROP FUNCTION fill CASCADE")


async def only_read(pool: Pool) -> None:
    """Every transaction of this database only reads from now on, as on a standby."""
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await _begin_anew(pool)


async def write_again(pool: Pool) -> None:
    async with pool.acquire() as conn:
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await _begin_anew(pool)


async def _begin_anew(pool: Pool) -> None:
    """Also the intake's, which is of no pool."""
    await pool.execute(END_SESSIONS)
    await pool.expire_connections()


Act = Callable[[Pool], Awaitable[None]]


@pytest.mark.parametrize(
    ("begin", "end"), [(fill, make_room), (only_read, write_again)], ids=["full", "standby"]
)
async def test_nothing_is_acknowledged_and_nothing_leaves(mid: Hands, begin: Act, end: Act) -> None:
    """Reads go on where they can; a confirmed change waits unsent, and is charged once when there is room."""
    world, pool = mid.world, mid.world.billing.pool
    quote = await world.quote({"seats": 8})
    waiting = await mid.confirm(quote)
    asked = len(await mid.requests("POST", "/v1/subscriptions/"))
    await begin(pool)
    knocks = Knocks()
    for _ in range(3):
        await knock_once(world, knocks)
    knocks.check()
    said = await world.call("POST", "/v1/accounts/acme/quotes", {"terms": {"seats": 9}, "actor": "ada"})
    assert 503 == said.status, said.body
    with pytest.raises(asyncpg.PostgresError):
        await mid.step(waiting)
    assert asked == len(await mid.requests("POST", "/v1/subscriptions/"))
    await end(pool)
    assert {503} == knocks.statuses("webhook")
    await require_stored(world, knocks)
    await pool.execute("UPDATE change_leg SET leased_until = '-infinity' WHERE ended_at IS NULL")
    change = await mid.settle(await mid.step(waiting))
    assert ("settled", 1) == (change["state"], len(await world.effects(change["id"], "subscription_updated")))
    assert 200 == (await deliver(world, "evt_after"))[0]


async def test_transaction_that_idles_for_too_long_is_ended_and_forgotten(pool: Pool) -> None:
    """Its session is gone with what it had not committed; the pool goes on with another one."""
    await pool.execute("CREATE TABLE kept (id integer)")

    async def idle() -> None:
        async with transaction(pool) as conn:
            session = conn.get_server_pid()
            await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
            await conn.execute("INSERT INTO kept VALUES (1)")
            while await pool.fetchval(LIVES, session):  # noqa: ASYNC110  the server ends it without a bell
                await asyncio.sleep(0.02)
            await conn.execute("INSERT INTO kept VALUES (2)")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as ended:
        await idle()
    assert Failure.UNAVAILABLE is classify(ended.value)
    assert 0 == await pool.fetchval("SELECT count(*) FROM kept")
