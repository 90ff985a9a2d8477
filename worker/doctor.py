"""What could be wrong with an installation, looked at one thing after another; reads only.

Every check ends in a finding, whatever happens in it, so that one trouble does not hide the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from handlers import inbox
from sync import clock, switch
from sync.errors import ProrataError
from sync.gateway import STRIPE_API_VERSION, Gateway, StripeCallFailed
from sync.rules.catalog import Catalog, PriceBook, Slot
from sync.store import catalog_prices, mode
from sync.store.db import TROUBLE, Pool, create_pool, unavailable
from worker import doctor_key, doctor_mail, doctor_truth
from worker.billing import load_catalog, load_policy
from worker.config_rules import STRIPE_API_BASE
from worker.findings import Area, Finding, Status
from worker.migrate import pending
from worker.preflight import check_rules, wrong_mode

if TYPE_CHECKING:
    from worker.config import Settings

CLOCK_SECONDS: Final = 30
CONNECT_SECONDS: Final = 3.0


class _NoBudget:
    """The doctor's few reads must work without the database that counts them."""

    async def take(self, *, urgent: bool) -> None:
        """Let every call through."""


async def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a person would look."""
    found = [_key(settings), _webhook(settings), _rules(settings)]
    found.append(await doctor_mail.server(settings))
    found += [finding async for finding in _stripe(settings)]
    found += [finding async for finding in _database(settings)]
    return found


# ---- what the settings alone tell


def _key(settings: Settings) -> Finding:
    kind = "restricted" if _is_restricted(settings) else "secret"
    money = "LIVE: real money moves" if settings.livemode else "test: no real money"
    base = "" if settings.stripe_api_base == STRIPE_API_BASE else f", at {settings.stripe_api_base}"
    return Finding("stripe key", Area.SETTINGS, Status.OK, f"{kind} key, {money}{base}")


def _is_restricted(settings: Settings) -> bool:
    key = settings.stripe_api_key
    return key is not None and key.get_secret_value().startswith("rk_")


def _webhook(settings: Settings) -> Finding:
    count = len(settings.stripe_webhook_secrets)
    if count:
        return Finding("webhook secret", Area.SETTINGS, Status.OK, f"{count} set")
    return Finding(
        "webhook secret",
        Area.SETTINGS,
        Status.WARN,
        "not set: POST /webhooks/stripe answers 404",
        "set STRIPE_WEBHOOK_SECRET to the signing secret of the endpoint; until then events are only listed "
        "once a minute",
    )


def _rules(settings: Settings) -> Finding:
    try:
        catalog = load_catalog(settings)
        check_rules(catalog, load_policy(settings))
    except (ProrataError, OSError, ValueError) as error:
        return Finding(
            "catalog and policy",
            Area.SETTINGS,
            Status.FAIL,
            str(error),
            "correct the file; `prorata catalog check`",
        )
    return Finding("catalog and policy", Area.SETTINGS, Status.OK, f"sound, {len(catalog.amounts)} prices")


# ---- Stripe


async def _stripe(settings: Settings) -> AsyncIterator[Finding]:
    """One cheap read, that of the events list: it needs the key, and catch-up needs it."""
    base = settings.stripe_api_base
    key = settings.stripe_api_key
    gateway = Gateway(
        api_key=key.get_secret_value() if key else "",
        api_base=None if base == STRIPE_API_BASE else base,
        budget=_NoBudget(),
    )
    try:
        before = clock.wall_seconds()
        page = await gateway.list_events(created_gte=before, limit=1)
        after = clock.wall_seconds()
        if _is_restricted(settings):
            yield await doctor_key.permissions(gateway)
    except StripeCallFailed as error:
        yield _unanswered(error)
        return
    finally:
        await gateway.close()
    yield Finding("stripe", Area.STRIPE, Status.OK, "answers, and accepts the key")
    yield Finding("stripe version", Area.STRIPE, Status.OK, f"{STRIPE_API_VERSION}, pinned with every call")
    yield clock_finding(page.date_unix, before, after)


def _unanswered(error: StripeCallFailed) -> Finding:
    advice = {
        401: "Stripe does not know this key: copy it again from the Dashboard, and look at test or live",
        403: "the key lacks a permission: a restricted key needs to read Events",
    }.get(error.failure.http_status or 0, "look at status.stripe.com, at the network, and at STRIPE_API_BASE")
    return Finding("stripe", Area.STRIPE, Status.FAIL, error.detail, advice)


def clock_finding(stripe_unix: int, before: int, after: int) -> Finding:
    """How far our clock is from Stripe's, as far as whole seconds and the time of the answer tell."""
    offset = min((stripe_unix - before, stripe_unix - after), key=abs)
    said = (
        "the same as Stripe's"
        if offset == 0
        else f"{abs(offset)} s {'behind' if offset > 0 else 'ahead of'} Stripe's"
    )
    if abs(offset) < CLOCK_SECONDS:
        return Finding("clock", Area.STRIPE, Status.OK, said)
    return Finding(
        "clock",
        Area.STRIPE,
        Status.WARN,
        said,
        "set the clock (NTP): deliveries more than 300 s off are refused",
    )


# ---- the database


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        pool = await create_pool(
            settings.dsn, application_name="prorata-doctor", connect_seconds=CONNECT_SECONDS
        )
    except ProrataError as error:
        yield Finding(
            "database", Area.DATABASE, Status.FAIL, error.detail, "look at DATABASE_URL and at the server"
        )
        return
    try:
        async with pool.acquire() as connection:
            version = connection.get_server_version()
        yield Finding("database", Area.DATABASE, Status.OK, f"PostgreSQL {version.major}.{version.minor}")
        schema = await _schema(settings)
        yield schema
        if schema.status is Status.OK:
            for check in (_mode(settings, pool), _prices(settings, pool), _inbox(pool), _switches(pool)):
                yield await check
            yield await doctor_mail.backlog(pool)
            for look in (doctor_truth.catch_up, doctor_truth.sweep, doctor_truth.drift):
                yield await look(pool)
    except TROUBLE as error:
        detail = unavailable(error).detail
        yield Finding("database", Area.DATABASE, Status.FAIL, detail, "look at the server's log")
    finally:
        await pool.close()


async def _schema(settings: Settings) -> Finding:
    try:
        missing = await pending(settings.dsn)
    except ProrataError as error:
        return Finding(
            "schema", Area.DATABASE, Status.FAIL, error.detail, "run the release that fits the database"
        )
    if missing:
        names = ", ".join(str(migration) for migration in missing)
        return Finding("schema", Area.DATABASE, Status.FAIL, f"missing: {names}", "run `prorata migrate`")
    return Finding("schema", Area.DATABASE, Status.OK, "that of this release")


async def _mode(settings: Settings, pool: Pool) -> Finding:
    held = await mode.livemode(pool)
    if held is None:
        return Finding("mode", Area.DATABASE, Status.OK, "none yet; the first process to start decides")
    if held is not settings.livemode:
        return Finding("mode", Area.SETTINGS, Status.FAIL, wrong_mode(settings.livemode), "use the other key")
    return Finding("mode", Area.DATABASE, Status.OK, f"{'live' if held else 'test'} data, as the key")


async def _prices(settings: Settings, pool: Pool) -> Finding:
    """Whether everything in the catalog can be bought at the catalog's price."""
    try:
        catalog = load_catalog(settings)
    except (ProrataError, OSError, ValueError):
        return Finding("prices", Area.SETTINGS, Status.WARN, "not compared", "correct the catalog first")
    book = await catalog_prices.book(pool)
    counts = {currency: _sold(catalog, book, currency) for currency in catalog.currencies}
    said = ", ".join(f"{currency} {sold} of {all_} sold" for currency, (sold, all_) in counts.items())
    partly = any(0 < sold < all_ for sold, all_ in counts.values())
    if partly or not any(sold for sold, _ in counts.values()):
        return Finding(
            "prices", Area.STRIPE, Status.WARN, said, "`prorata catalog diff`, then `prorata catalog push`"
        )
    return Finding("prices", Area.STRIPE, Status.OK, said)


def _sold(catalog: Catalog, book: PriceBook, currency: str) -> tuple[int, int]:
    """How many slots of a currency are sold at the catalog's amount, and how many there are."""
    slots = [slot for slot in catalog.slots() if slot.currency == currency]
    return sum(_is_sold(catalog, book, slot) for slot in slots), len(slots)


def _is_sold(catalog: Catalog, book: PriceBook, slot: Slot) -> bool:
    try:
        return book.amount_of(book.sold_now(slot)) == catalog.amount_minor(slot)
    except ProrataError:
        return False


async def _inbox(pool: Pool) -> Finding:
    buried, waiting = await inbox.buried(pool), await inbox.waiting(pool)
    said = f"{waiting} events wait, {buried} are buried"
    if buried:
        return Finding("inbox", Area.DATABASE, Status.WARN, said, "`prorata dead list`")
    return Finding("inbox", Area.DATABASE, Status.OK, said)


async def _switches(pool: Pool) -> Finding:
    """What is kept from Stripe on purpose: somebody has to remember to let it go on."""
    found = await switch.status(pool)
    everything, accounts, parked = found["all_accounts"], found["accounts"], found["parked_accounts"]
    said = f"{len(accounts)} accounts stopped, {parked} parked, {found['waiting']} changes wait"
    if everything is not None:
        said = f"ALL writes are stopped since {everything['since']} by {everything['actor']}; {said}"
        return Finding("outgoing writes", Area.DATABASE, Status.WARN, said, "`prorata go`, once that is safe")
    if accounts:
        advice = "`prorata go --account ID`, once that is safe"
        return Finding("outgoing writes", Area.DATABASE, Status.WARN, said, advice)
    if parked:
        advice = "`prorata show ID` says why; then `prorata accounts unpark ID --reason TEXT`"
        return Finding("outgoing writes", Area.DATABASE, Status.WARN, said, advice)
    return Finding("outgoing writes", Area.DATABASE, Status.OK, "allowed; no account is parked")
