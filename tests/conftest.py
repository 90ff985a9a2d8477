"""Fixtures of every test: a fresh migrated database, a pool on it, the twin, a fence around the network."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from sync.store.db import Pool, create_pool
from tests.support import network, postgres

if TYPE_CHECKING:
    from worker.twin.server import RunningTwin

# The CI sets it: a test that is marked `required` must not hide behind a skip.
NO_SKIPS = "PRORATA_NO_SKIPS"
STORES = Path(__file__).parent / "store"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take a published OpenAPI file of Stripe's, for `tests/twin/test_spec.py`."""
    parser.addoption(
        "--spec", help="an OpenAPI file of Stripe's (spec3.json): answers of the twin must fit it"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run, once, and hide the caller's own settings from the tests."""
    given = os.environ.get("DATABASE_URL")
    if given:
        os.environ[postgres.SERVER_URL] = given
    for name in list(os.environ):
        ours = name.startswith("PRORATA_TEST_") or name == NO_SKIPS
        if name == "DATABASE_URL" or (name.startswith(("STRIPE_", "PRORATA_", "PGQUEUER_")) and not ours):
            del os.environ[name]
    if not hasattr(config, "workerinput"):
        postgres.begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run: by now every process of pytest-xdist is gone."""
    if hasattr(config, "workerinput"):
        postgres.leave_run()
    elif postgres.RUN_DIR in os.environ:
        postgres.end_run()


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Lines for the report of a failure: structlog's own default colours and aligns each of them."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"], repr_native_str=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Not the present `sys.stdout`: that may be where a command's output is caught at this moment.
        logger_factory=structlog.WriteLoggerFactory(sys.__stdout__),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the stores: they run a second time on the oldest supported PostgreSQL.

    What may take long begins first, or all the other processes would wait for it in the end.
    """
    for item in items:
        if STORES in item.path.parents:
            item.add_marker(pytest.mark.pg15)
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish() -> None:
    """Modules and tests live as long as the run: the garbage collector need not look at them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a required test into a failure where the environment asks for it."""
    report = yield
    if report.skipped and item.get_closest_marker("required") and os.environ.get(NO_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} is required and was skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every address but this machine's own."""
    network.fence(monkeypatch)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Undo what a command that ran in this process did to the logs: the next test has its own idea."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.fixture(scope="session")
def template_database() -> str:
    """The name of a migrated database, to be cloned, never to be written to."""
    postgres.template_url()
    return postgres.template_name()


@pytest.fixture
async def database_url(template_database: str) -> AsyncIterator[str]:
    """The address of a fresh database with the present schema."""
    async with postgres.fresh_database(template_database) as url:
        yield url


@pytest.fixture
async def empty_database_url() -> AsyncIterator[str]:
    """The address of a fresh database without any schema."""
    async with postgres.fresh_database(None) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database with the present schema."""
    opened = await create_pool(database_url, min_size=1, max_size=10, application_name="prorata-test")
    yield opened
    await opened.close()


@pytest.fixture
async def twin() -> AsyncIterator[RunningTwin]:
    """A local Stripe in this process, listening on 127.0.0.1."""
    from worker.twin.server import TwinSettings, start

    running = await start(TwinSettings())
    yield running
    await running.close()
