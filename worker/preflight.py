"""What is checked before a process takes any work: a refusal here is cheaper than one in a purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.billing import Billing
from sync.errors import BadInput, Code, DatabaseTrouble, Problem
from sync.rules.catalog import Catalog
from sync.rules.policy import Policy
from sync.store import mode
from worker.config_rules import ConfigError
from worker.migrate import pending

if TYPE_CHECKING:
    from worker.config import Settings


async def check_start(settings: Settings, billing: Billing) -> None:
    """Refuse to start on a database or with files that would fail later.

    Raises DatabaseTrouble (migrations_pending), Conflict (the database is of a newer release), BadInput
    (catalog or policy) and ConfigError (the key is of the other mode).
    """
    check_rules(billing.catalog, billing.policy)
    await check_schema(settings.dsn)
    await check_mode(settings, billing)


def check_rules(catalog: Catalog, policy: Policy) -> None:
    """Catalog and policy must pass their own checks. Raises BadInput with every problem of both."""
    faults = {Code.CATALOG_INVALID: catalog.check(), Code.POLICY_INVALID: policy.check(catalog)}
    broken = [code for code, found in faults.items() if found]
    if broken:
        names = " and the ".join(code.removesuffix("_invalid") for code in broken)
        raise BadInput(
            broken[0],
            f"The {names} {'has' if len(broken) == 1 else 'have'} problems; nothing was started:",
            [Problem("", code, text) for code, found in faults.items() for text in found],
        )


async def check_schema(dsn: str) -> None:
    """The database must have this release's schema. Raises DatabaseTrouble, Conflict."""
    missing = await pending(dsn)
    if missing:
        names = ", ".join(str(migration) for migration in missing)
        raise DatabaseTrouble(
            "migrations_pending",
            f"The database is not on this release's schema ({names} missing). Nothing was started; "
            "run `prorata migrate`.",
        )


async def check_mode(settings: Settings, billing: Billing) -> None:
    """Test data and real money never share a database. Raises ConfigError."""
    ours = settings.livemode
    if await mode.claim(billing.pool, livemode=ours) is not ours:
        raise ConfigError([wrong_mode(ours)])


async def refuse_other_mode(settings: Settings, billing: Billing) -> None:
    """What a command does before it acts: like `check_mode`, but it decides nothing. Raises ConfigError."""
    held = await mode.livemode(billing.pool)
    if settings.stripe_api_key is not None and held not in (None, settings.livemode):
        raise ConfigError([wrong_mode(settings.livemode)])


def wrong_mode(livemode: bool) -> str:
    """The sentence for a key that does not fit the database."""
    key, data = ("live", "test") if livemode else ("test", "live")
    return f"STRIPE_API_KEY: is a {key} key, but the database holds {data} data; use a database of its own"
