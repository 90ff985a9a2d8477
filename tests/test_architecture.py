"""The house's rules that an import graph cannot see: who may read the clock, the environment, write SQL."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("worker", "handlers", "sync")
LONGEST_FILE_LINES = 300
LONGEST_FUNCTION_LINES = 70

# A package's name allows what is inside of it too.
SQL_ALLOWED = (
    "sync.store",
    "handlers.intake",
    "handlers.inbox",
    "worker.migrate",
    "worker.embedded.cluster",  # makes the very database that the others connect to
)
QUEUE_ALLOWED = ("sync.store.jobs", "worker.jobs", "worker.migrate")
STRIPE_ALLOWED = ("sync.gateway", "worker.twin.contract")
CLOCK_ALLOWED = ("sync.clock", "worker.twin")
ENVIRONMENT_ALLOWED = ("worker.config",)

SQL = re.compile(
    r"\s*(--[^\n]*\n\s*)*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|DATABASE|SCHEMA|TYPE)\s|LOCK\s+TABLE|TRUNCATE\s|COPY\s+\w+|NOTIFY\s)"
)
CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
    "time.perf_counter_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
}  # fmt: skip
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}


class Source(NamedTuple):
    """One file of ours."""

    module: str
    path: Path
    tree: ast.Module


@cache
def sources() -> tuple[Source, ...]:
    """Return every module of the three packages, parsed."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.append(Source(name, path, ast.parse(path.read_text(), str(path))))
    return tuple(found)


def inside(module: str, allowed: tuple[str, ...]) -> bool:
    """Tell whether a module is one of `allowed`, or lies inside of one."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that a module imports, wherever in the file."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.module.split(".")
    if source.path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def dotted_names(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every dotted name and every bare name that is used."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)


def sql_texts(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string that begins like an SQL statement."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield node.lineno, node.value


def offences(
    find: Callable[[Source], Iterator[tuple[int, str]]],
    wrong: Callable[[Source, str], bool],
    among: tuple[Source, ...] | None = None,
) -> list[str]:
    """Return `file:line what` for everything that `find` finds and `wrong` calls wrong."""
    return [
        f"{source.path.relative_to(ROOT) if source.path.is_relative_to(ROOT) else source.path}:{line} {what}"
        for source in (sources() if among is None else among)
        for line, what in find(source)
        if wrong(source, what)
    ]


def breaks_storeys(source: Source, name: str) -> bool:
    """worker -> handlers -> sync, never up."""
    above = {"sync": ("handlers", "worker"), "handlers": ("worker",), "worker": ()}
    return inside(name, above[source.module.split(".")[0]])


def breaks_rules(source: Source, name: str) -> bool:
    """`sync.rules` knows the standard library, itself, errors and names; nothing that waits or reads."""
    if not inside(source.module, ("sync.rules",)):
        return False
    impure = ("asyncio", "os", "socket", "subprocess", "threading", "time", "random", "secrets")
    standard = name.split(".")[0] in sys.stdlib_module_names and not inside(name, impure)
    return not standard and not inside(name, ("sync.rules", "sync.errors", "sync.told"))


def breaks_stripe(source: Source, name: str) -> bool:
    """One door to Stripe's SDK."""
    return inside(name, ("stripe",)) and not inside(source.module, STRIPE_ALLOWED)


def breaks_queue(source: Source, name: str) -> bool:
    """Jobs are enqueued in one module and run in one other."""
    return inside(name, ("pgqueuer",)) and not inside(source.module, QUEUE_ALLOWED)


def breaks_http(source: Source, name: str) -> bool:
    """`sync` has no HTTP but the client inside the gateway."""
    gateway = inside(source.module, ("sync.gateway",))
    return inside(name, ("aiohttp",)) and inside(source.module, ("sync",)) and not gateway


def breaks_islands(source: Source, name: str) -> bool:
    """The families of Stripe's events do not know each other."""
    package = "handlers.events"
    if not source.module.startswith(f"{package}."):
        return False
    return inside(name, (package,)) and not inside(name, (source.module,))


def breaks_witness(source: Source, name: str) -> bool:
    """The twin shares no code with us, or it could not testify against us."""
    foreign = inside(name, ("worker", "handlers", "sync", "asyncpg", "pgqueuer"))
    return inside(source.module, ("worker.twin",)) and foreign and not inside(name, ("worker.twin",))


def breaks_sql(source: Source, text: str) -> bool:
    """SQL lives where its tests are: in the stores, the intake and the migrations."""
    return not inside(source.module, SQL_ALLOWED)


def breaks_clock(source: Source, name: str) -> bool:
    """Time is read in one place, so that a test can say what time it is."""
    return name in CLOCKS and not inside(source.module, CLOCK_ALLOWED)


def breaks_environment(source: Source, name: str) -> bool:
    """The environment is read in one place, so that all its problems are found together."""
    return name in ENVIRONMENT and not inside(source.module, ENVIRONMENT_ALLOWED)


IMPORT_RULES = (
    breaks_storeys,
    breaks_rules,
    breaks_stripe,
    breaks_queue,
    breaks_http,
    breaks_islands,
    breaks_witness,
)
OTHER_RULES = (
    (sql_texts, breaks_sql),
    (dotted_names, breaks_clock),
    (dotted_names, breaks_environment),
    (imports, breaks_environment),
)


@pytest.mark.parametrize("rule", IMPORT_RULES)
def test_imports_keep_the_rule(rule: Callable[[Source, str], bool]) -> None:
    """No import of the three packages breaks one of the house's rules."""
    assert offences(imports, rule) == [], rule.__doc__


@pytest.mark.parametrize(("find", "rule"), OTHER_RULES)
def test_code_keeps_the_rule(
    find: Callable[[Source], Iterator[tuple[int, str]]], rule: Callable[[Source, str], bool]
) -> None:
    """No SQL, clock or environment outside of the modules that own them."""
    assert offences(find, rule) == [], rule.__doc__


@pytest.mark.parametrize(
    ("module", "code", "find", "rule"),
    [
        ("sync.store.x", "from handlers import auth", imports, breaks_storeys),
        ("handlers.x", "import worker.config", imports, breaks_storeys),
        ("sync.rules.x", "from sync.store import db", imports, breaks_rules),
        ("sync.rules.x", "import asyncio", imports, breaks_rules),
        ("sync.rules.x", "import msgspec", imports, breaks_rules),
        ("sync.apply", "import stripe", imports, breaks_stripe),
        ("handlers.x", "def f():\n    from pgqueuer import PgQueuer", imports, breaks_queue),
        ("sync.mirror", "from aiohttp import web", imports, breaks_http),
        ("handlers.events.invoice", "from handlers.events import customer", imports, breaks_islands),
        ("handlers.events.invoice", "from . import customer", imports, breaks_islands),
        ("worker.twin.state", "from sync.rules import money", imports, breaks_witness),
        ("worker.twin.state", "import asyncpg", imports, breaks_witness),
        ("sync.quotes", 'Q = "SELECT 1 FROM account"', sql_texts, breaks_sql),
        ("sync.quotes", 'Q = f"""\nUPDATE account SET x = {1}"""', sql_texts, breaks_sql),
        ("sync.quotes", "import time\ntime.time()", dotted_names, breaks_clock),
        ("sync.quotes", "from datetime import datetime\ndatetime.now(None)", dotted_names, breaks_clock),
        ("sync.quotes", "import os\nos.environ['A']", dotted_names, breaks_environment),
        ("sync.quotes", "from os import environ", imports, breaks_environment),
    ],
)
def test_rules_bite(
    module: str,
    code: str,
    find: Callable[[Source], Iterator[tuple[int, str]]],
    rule: Callable[[Source, str], bool],
) -> None:
    """Each rule finds the offence that it is there for."""
    source = Source(module, Path(f"{module.rsplit('.', 1)[-1]}.py"), ast.parse(code))
    assert offences(find, rule, (source,)) != []


def test_no_file_is_too_long() -> None:
    """A file over 300 lines hides a second one."""
    long = [str(source.path) for source in sources() if _lines(source.path) > LONGEST_FILE_LINES]
    assert long == []


def test_no_function_is_too_long() -> None:
    """A function over 70 lines cannot be read in one look."""
    long = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION_LINES
    ]
    assert long == []


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
