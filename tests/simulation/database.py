"""A database in which time stands still, and which goes back to its beginning in milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg

from handlers import inbox
from sync.store.db import Pool

# Whoever says now() or clock_timestamp() gets these: the schema comes before PostgreSQL's own in the search
# path. Each call is a microsecond later than the last one, so that rows keep their order.
TIME = """
CREATE SCHEMA sim;
CREATE TABLE sim.moment (base timestamptz NOT NULL);
INSERT INTO sim.moment VALUES ('epoch');
CREATE SEQUENCE sim.tick;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT base + pg_catalog.nextval('sim.tick') * interval '1 microsecond' FROM sim.moment $$;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT base + pg_catalog.nextval('sim.tick') * interval '1 microsecond' FROM sim.moment $$;
"""
# Defaults were bound to PostgreSQL's own functions when the tables were made.
DEFAULTS = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT attrelid::regclass AS home, attname, pg_get_expr(adbin, adrelid) AS said
          FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
          JOIN pg_class AS home ON home.oid = adrelid
         WHERE home.relnamespace IN ('public'::regnamespace, 'queue'::regnamespace)
           AND pg_get_expr(adbin, adrelid) IN ('now()', 'clock_timestamp()')
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ALTER COLUMN %I SET DEFAULT sim.%s', found.home, found.attname, found.said);
    END LOOP;
END
$$;
"""
TABLES = """
SELECT format('%I.%I', schemaname, tablename) AS home, tablename
  FROM pg_tables JOIN pg_class ON relname = tablename AND relnamespace = schemaname::regnamespace
 WHERE schemaname IN ('public', 'queue') AND NOT relispartition
   AND tablename NOT LIKE 'schema%' AND tablename NOT LIKE 'migration%'
 ORDER BY 1
"""
MONTHS = 30


async def still(url: str) -> None:
    """Give a migrated database the clock of the simulation."""
    connection = await asyncpg.connect(url)
    try:
        await inbox.ensure_partitions(connection, datetime(2026, 1, 1, tzinfo=UTC), MONTHS)
        await connection.execute(TIME)
        await connection.execute(DEFAULTS)
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET search_path = sim, pg_catalog, public")
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    finally:
        await connection.close()


async def move(pool: Pool, unix: float) -> None:
    """The database's clock shows this moment from now on."""
    await pool.execute("UPDATE sim.moment SET base = to_timestamp($1)", unix)


async def keep(pool: Pool) -> None:
    """Remember what is stored now as the beginning, and how to come back to it."""
    rows = await pool.fetch(TABLES)
    await pool.execute("CREATE SCHEMA beginning")
    undo = ["SET LOCAL session_replication_role = replica"]
    for row in rows:
        home, kept = row["home"], f'beginning."{row["tablename"]}"'
        await pool.execute(f"CREATE TABLE {kept} AS SELECT * FROM {home}")
        undo.append(f"DELETE FROM {home}")
        if await pool.fetchval(f"SELECT count(*) FROM {kept}"):
            undo.append(f"INSERT INTO {home} OVERRIDING SYSTEM VALUE SELECT * FROM {kept}")
    body = ";\n".join(undo)
    await pool.execute(f"CREATE PROCEDURE sim.begin_again() LANGUAGE plpgsql AS $b$ BEGIN {body}; END $b$")


async def begin_again(pool: Pool) -> None:
    """Everything is as it was when it was kept."""
    await pool.execute("CALL sim.begin_again()")
