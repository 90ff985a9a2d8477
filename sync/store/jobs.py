"""The queue's names, and how a flow enqueues a job inside its own transaction.

A job is only a nudge: the truth about what is due stands in our own tables (`change_leg`, `refresh`,
`inbox`), so a job that is lost, doubled or late changes nothing but the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import cast

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver

from sync.store.db import Connection


class Job(StrEnum):
    """Everything that calls outside; worker/jobs.py has one entrypoint for each."""

    ADVANCE_CHANGE = "advance_change"
    """Carry one change a step further: send, read back, void, conclude. Payload: {"change_id": text}."""
    CATCH_UP = "catch_up"
    """List the Events API since the last time. No payload."""
    SWEEP = "sweep"
    """Go on comparing everything at Stripe with what we meant, or begin when that is due. No payload."""
    KEEP_HOUSE = "keep_house"
    """Make room for the events to come, and delete what is too old to be kept. No payload."""


# Every field stands here, because PgQueuer would otherwise read bare names such as QUEUE_TABLE from the
# environment.
QUEUE_SETTINGS = DBSettings(
    prefix="",
    db_schema="queue",
    channel=Channel("prorata_queue"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)


class MigratedQueries(Queries):
    """PgQueuer's queries where our migrations made its tables, and the start of a worker compared them.

    Its own look at each of them, through the information schema, was a third of the database's work at a
    start.
    """

    async def has_table(self, table: str) -> bool:
        return True

    async def table_has_column(self, table: str, column: str) -> bool:
        return True

    async def table_has_index(self, table: str, index: str) -> bool:
        return True

    async def has_user_defined_enum(self, key: str, enum: str) -> bool:
        return True


def queries(driver: Driver) -> Queries:
    """PgQueuer's queries with our settings and no look at the environment."""
    return MigratedQueries(
        driver,
        qbe=QueryBuilderEnvironment(QUEUE_SETTINGS),
        qbq=QueryQueueBuilder(QUEUE_SETTINGS),
        qbs=QuerySchedulerBuilder(QUEUE_SETTINGS),
    )


async def know_types(connection: Connection) -> None:
    """Name the queue's own type to a new connection, which would ask the catalog about it at length."""
    await connection.set_type_codec(
        QUEUE_SETTINGS.queue_status_type, schema=str(QUEUE_SETTINGS.db_schema), encoder=str, decoder=str
    )


async def enqueue(
    conn: Connection, job: Job, payloads: Sequence[dict[str, str]], *, delay_seconds: float = 0
) -> None:
    """Enqueue one job a payload on the caller's connection: the jobs exist if the transaction commits."""
    if not payloads:
        return
    # A pooled connection is a proxy of the same interface, which the driver's annotation leaves out.
    await queries(AsyncpgDriver(cast("asyncpg.Connection", conn))).enqueue(
        [str(job)] * len(payloads),
        [msgspec.json.encode(payload) for payload in payloads],
        [0] * len(payloads),
        [timedelta(seconds=delay_seconds)] * len(payloads),
    )
