"""The sweep at size: ten thousand subscriptions of our accounts, with the local Stripe in its own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sync import catalog_push
from sync.billing import Billing
from sync.reconcile.pages import Tally
from sync.reconcile.sweep import Sweep
from sync.store import catalog_prices
from sync.telemetry import REGISTRY
from tests.benchmarks.bench_twin import process
from tests.flows.world import MARKETING, settings_of
from tests.support.memory import resident_bytes
from worker.billing import billing_for
from worker.local import free_port

pytestmark = [pytest.mark.benchmark, pytest.mark.proof, pytest.mark.usefixtures("production_logs")]

SUBSCRIPTIONS = 10_000
# Those of the sweep's own pages. A look at an account that differs lists what else its customer has.
LIST_READS_AT_MOST = 110
LIST_READS_OF_A_LOOK = 2
DRIFTED = 40
SECONDS_AT_MOST = 60
GROWTH_MB_AT_MOST = 30
AT_ONCE = 8
CARD = "pm_card_visa"

ACCOUNTS = """
INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email,
                     stripe_customer_id, stripe_subscription_id)
SELECT 'acc_' || customer, 'a@a.example', 'A', 'en', 'usd', 'ada', 'a@a.example', customer, subscription
  FROM unnest($1::text[], $2::text[]) AS made (customer, subscription)
"""
TERMS = """
INSERT INTO account_terms (account_id, effective_at, product, tier, contact_limit, seats, add_ons, interval,
                           change_id, leg)
SELECT id, now(), 'marketing', 'plus', 1000, 3, '{}', 'month', 'chg_' || id, 'now' FROM account
"""


@pytest.fixture
async def billing(database_url: str) -> AsyncIterator[tuple[Billing, str]]:
    """The flows, the catalog's few prices, and where the twin is."""
    with process() as twin:
        settings = settings_of(database_url, twin.url, free_port(), "whsec_none")
        async with billing_for(settings, application_name="prorata-bench", connections=10) as opened:
            wanted = set(opened.catalog.items_for(MARKETING, "usd"))
            await catalog_push.push(opened, await catalog_push.diff(opened, ["usd"], only=wanted))
            yield opened, twin.url


async def sell(billing: Billing, base_url: str) -> None:
    """Customers with a subscription of three items each, some edited by hand, and our accounts of them."""
    book = await catalog_prices.book(billing.pool)
    slots = billing.catalog.items_for(MARKETING, "usd").items()
    items = {
        f"items[{place}][{name}]": str(value)
        for place, (slot, quantity) in enumerate(slots)
        for name, value in (("price", book.sold_now(slot)), ("quantity", quantity))
    }
    made: list[tuple[str, str]] = []
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": "Bearer sk_test_bench"}
    async with aiohttp.ClientSession(base_url, headers=headers) as session:

        async def post(path: str, **params: str) -> dict[str, Any]:
            async with session.post(f"/v1/{path}", data=params) as answer:
                assert answer.status == 200, await answer.text()
                return dict(await answer.json())

        async def one() -> None:
            async with gate:
                default = {"invoice_settings[default_payment_method]": CARD}
                customer = await post("customers", email="a@a.example", payment_method=CARD, **default)
                subscription = await post("subscriptions", customer=customer["id"], **items)
                made.append((customer["id"], subscription["id"]))
                if len(made) <= DRIFTED:
                    item = subscription["items"]["data"][0]["id"]
                    await post(f"subscription_items/{item}", quantity="2", proration_behavior="none")

        await asyncio.gather(*(one() for _ in range(SUBSCRIPTIONS)))
    await billing.pool.execute(ACCOUNTS, *map(list, zip(*made, strict=True)))
    await billing.pool.execute(TERMS)


def list_reads() -> int:
    """How many lists Stripe was asked for by now."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return int(
        sum(
            sample.value
            for sample in samples
            if sample.name == "stripe_request_seconds_count" and sample.labels["op"].endswith(".list")
        )
    )


async def test_ten_thousand_subscriptions_are_swept_within_the_budget(billing: tuple[Billing, str]) -> None:
    """Into an empty mirror, and again over a full one; memory does not grow with the number of pages.

    What differs is looked at once; known, it costs nothing more.
    """
    opened, base_url = billing
    await sell(opened, base_url)
    print(f"\n{SUBSCRIPTIONS:,} subscriptions")
    for name, looks in (("into an empty mirror", DRIFTED), ("over a full mirror", 0)):
        tally, reads, seconds, growth_mb = await timed(opened)
        print(
            f"{name}: {seconds:.1f} s, {reads} list reads, {tally.looks} looks, "
            f"memory {growth_mb:+.1f} MB after a quarter"
        )
        assert (SUBSCRIPTIONS, looks, 0) == (tally.subscriptions, tally.looks, tally.strangers)
        assert 0 == tally.unjudged
        assert reads - looks * LIST_READS_OF_A_LOOK <= LIST_READS_AT_MOST
        assert seconds < SECONDS_AT_MOST
        assert growth_mb < GROWTH_MB_AT_MOST
    assert DRIFTED == await opened.pool.fetchval("SELECT count(*) FROM finding")
    assert SUBSCRIPTIONS == await opened.pool.fetchval("SELECT count(*) FROM stripe_subscription")


async def timed(billing: Billing) -> tuple[Tally, int, float, float]:
    """One sweep: what it came to, its list reads, seconds, and what memory grew by since a quarter of it."""
    quarter_bytes: list[int] = []

    def told(_: str, compared: int) -> None:
        if compared >= SUBSCRIPTIONS / 4 and not quarter_bytes:
            quarter_bytes.append(resident_bytes())

    before, began = list_reads(), time.perf_counter()
    tally = await Sweep(billing, told=told).run_anew()
    assert tally is not None
    seconds = time.perf_counter() - began
    return tally, list_reads() - before, seconds, (resident_bytes() - quarter_bytes[0]) / 1e6
