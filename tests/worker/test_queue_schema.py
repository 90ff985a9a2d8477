"""The job queue's frozen schema is what the installed PgQueuer would make."""

from __future__ import annotations

import asyncpg
import pytest
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

from sync.store.jobs import QUEUE_SETTINGS
from worker.migrate import load_migrations

pytestmark = pytest.mark.pg15

OBJECTS = """
SELECT 'column' AS kind, table_name || '.' || column_name AS name,
       concat_ws(' ', data_type, udt_name, is_nullable, column_default) AS shape
FROM information_schema.columns WHERE table_schema = 'queue'
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'queue'
UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'queue'::regnamespace
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger
          WHERE NOT tgisinternal AND tgrelid = 'queue.pgqueuer'::regclass
UNION ALL SELECT 'enum', enumlabel, enumsortorder::text FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
          WHERE typnamespace = 'queue'::regnamespace
UNION ALL SELECT 'persistence', relname, relpersistence::text FROM pg_class
          WHERE relnamespace = 'queue'::regnamespace
ORDER BY 1, 2
"""


async def schema(url: str, *statements: str) -> list[tuple[str, str, str]]:
    """Run statements, then return everything in schema `queue` as (kind, name, shape)."""
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    rows = await connection.fetch(OBJECTS)
    await connection.close()
    return [tuple(row) for row in rows]


async def test_frozen_schema_is_what_pgqueuer_would_install(
    empty_database_url: str, database_url: str
) -> None:
    """An upgrade of PgQueuer with another schema fails here, and needs a migration of ours."""
    installed = QueryBuilderEnvironment(QUEUE_SETTINGS).build_install_query()

    assert await schema(database_url) == await schema(empty_database_url, installed)


def test_frozen_text_is_pgqueuers() -> None:
    """The file holds PgQueuer's own statements, without a change by hand."""
    frozen = next(migration.sql for migration in load_migrations() if migration.name == "queue")
    installed = QueryBuilderEnvironment(QUEUE_SETTINGS).build_install_query()

    # The first line names the release, which may move without a change of the schema.
    assert frozen.endswith(installed.split("\n", 2)[2].strip() + "\n")


def test_every_setting_is_explicit() -> None:
    """PgQueuer fills a missing setting from bare environment names such as QUEUE_TABLE."""
    assert QUEUE_SETTINGS.model_fields_set == set(type(QUEUE_SETTINGS).model_fields)
