"""The log of a whole run, at its most talkative: strict JSON, known names, and not one secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import pytest
import structlog

from sync.telemetry import LogEvent
from tests.flows.world import KEY, MARKETING, World, whole_world
from tests.intake.front import request, signed
from tests.mirror.builders import customer, event_json, subscription
from worker import config_rules, logs

CANARY = "canary9f3b1c"
FOREIGN = {"aiohttp.logged", "asyncio.logged", "asyncpg.logged", "pgqueuer.logged", "stripe.logged"}


@pytest.fixture
def stream() -> io.StringIO:
    """Where the lines go."""
    found = io.StringIO()
    logs.configure("json", "DEBUG", found)
    return found


async def misuse(world: World) -> None:
    """Say secrets and personal data in every place where a caller can say something."""
    card = f"4242424242424242 {CANARY}"
    body = {"account_id": "x", "email": f"{CANARY}@acme.example", "card": card, "name": card}
    await world.call("POST", "/v1/accounts", body)
    await world.call("GET", f"/v1/accounts/{CANARY}?secret={CANARY}&api_key=sk_live_{CANARY}")
    for header in (f"Bearer prk_{CANARY}", f"Basic {CANARY}", f"sk_live_{CANARY}"):
        headers = {"Authorization": header, "X-Api-Key": CANARY, "Cookie": f"session={CANARY}"}
        async with world.client.get(f"{world.running.http_url}/v1/accounts", headers=headers) as response:
            assert response.status == 401
    host, port = str(world.running.http_url).removeprefix("http://").split(":")
    secret = world.settings.stripe_webhook_secrets[0].get_secret_value()
    poison = {"id": "sub_x", "object": "subscription", "metadata": {"note": card}}
    for shown, event_type in (
        (customer(name=card, email=f"{CANARY}@acme.example"), "customer.updated"),
        (subscription(description=card), "customer.subscription.updated"),
        (poison, "customer.subscription.created"),
    ):
        delivery = json.dumps(event_json(shown, event_type, event_id=f"evt_{event_type}")).encode()
        for header in (signed(delivery, secret=secret), f"t=1,v1={CANARY}"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request(delivery, header))
            await reader.readuntil(b"\r\n\r\n")
            writer.close()


async def test_a_whole_run_logs_no_secret(database_url: str, stream: io.StringIO) -> None:
    """A purchase, a decline and every kind of misuse: keys, secrets, cards and bodies stay out."""
    async with whole_world(database_url) as world:
        await world.buy(MARKETING)
        await world.card("pm_card_chargeDeclined")
        said = await world.confirm(await world.quote({"seats": 4}))
        assert said.status == 402
        await misuse(world)
        settings = world.settings

        async def buried() -> bool:
            return bool(await world.billing.pool.fetchval("SELECT count(*) FROM inbox WHERE attempts > 0"))

        await world.eventually(buried)

    lines = stream.getvalue().splitlines()
    parsed: list[dict[str, Any]] = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert len(parsed) > 50
    assert {line["event"] for line in parsed} - set(LogEvent) <= FOREIGN
    assert all(line["ts"].endswith("Z") and line["level"] for line in parsed)
    secrets = [
        KEY,
        "sk_test_story",
        settings.stripe_webhook_secrets[0].get_secret_value(),
        "4242424242424242",
        "billing@acme.example",
        "ada@acme.example",
        f"prk_{CANARY}",
        f"sk_live_{CANARY}",
        f"session={CANARY}",
        f"{CANARY}@acme.example",
        '"metadata"',
    ]
    told = {secret: [line for line in lines if secret in line][:1] for secret in secrets}
    assert {secret: found for secret, found in told.items() if found} == {}


@pytest.mark.parametrize("name", sorted(logs.PINNED))
def test_libraries_never_debug(stream: io.StringIO, name: str) -> None:
    """Stripe's SDK would print whole bodies, asyncio every slow callback with its arguments."""
    logging.getLogger(name).debug(CANARY)
    logging.getLogger(f"{name}.inner").debug(CANARY)
    structlog.get_logger().debug("process.started")

    assert CANARY not in stream.getvalue()
    assert "process.started" in stream.getvalue()


def test_the_sdk_cannot_be_told_to_print() -> None:
    """`STRIPE_LOG` makes the SDK write to stderr by itself, past every rule of ours."""
    assert config_rules.check({"STRIPE_LOG": "debug"}) == [
        "STRIPE_LOG: makes Stripe's SDK print whole bodies past our logs, customers' data too; unset it"
    ]
