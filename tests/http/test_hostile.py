"""Nothing that a caller can send makes the server fail, write or answer with something undescribed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from handlers.routes import ROUTES
from sync.store.db import Pool
from tests.http.conftest import Client
from tests.http.description import Description
from tests.http.live import new_account

WRITES = [route for route in ROUTES if route.has_body]
VALUES: list[Any] = [
    None,
    True,
    -1,
    10**18,
    10**400,
    1.5,
    "",
    "x" * 10_000,
    "a\x00b",
    "\u202e\ufeff",
    "'; DROP TABLE account; --",
    [],
    [[[[[]]]]],
    {},
    {"a": {"b": {"c": [1, 2, {"d": None}]}}},
]


# A good body for each route; nothing is sold in XXX, so that an account never gets as far as Stripe.
GOOD: dict[str, dict[str, Any]] = {
    "accounts_create": new_account(currency="xxx"),
    "accounts_set_primary_admin": {"user_id": "u", "email": "a@b.c"},
    "accounts_set_usage": {"contacts": 1, "seats": 1},
    "accounts_link_payment_method": {"actor": "u", "return_url": "https://a.example/"},
    "estimates_create": {"terms": {"seats": 5}},
    "quotes_create": {"terms": {"seats": 5}, "actor": "u"},
    "quotes_confirm": {"actor": "u"},
    "changes_withdraw": {"actor": "u"},
    "change_requests_submit": {
        "terms": {"seats": 5},
        "effective": "now",
        "reason": "r",
        "contact_email": "a@b.c",
        "actor": "u",
    },
    "change_requests_approve": {"actor": "u", "effective": "now", "note": "n"},
    "change_requests_decline": {"actor": "u", "note": "n"},
    "change_requests_withdraw": {"actor": "u"},
    "findings_repair": {"actor": "u", "reason": "r", "side": "ours", "dry_run": True},
    "findings_accept": {"actor": "u", "reason": "r"},
}


def bodies(good: dict[str, Any]) -> list[bytes]:
    """Return a good body with each member odd or left out, and some that are no JSON."""
    odd = [{**good, name: value} for name in [*good, "stranger"] for value in VALUES]
    odd += [{name: value for name, value in good.items() if name != left_out} for left_out in good]
    if "terms" in good:
        names = ("product", "tier", "contact_limit", "seats", "add_ons", "interval", "stranger")
        odd += [{**good, "terms": {name: value}} for name in names for value in VALUES]
    broken = [b'{"actor": "\\ud800"}', b"[" * 9000, b"", b"\x00", b'{"actor": 1e999}']
    return [json.dumps(each).encode() for each in [good, *odd]] + broken


@pytest.mark.parametrize("route", WRITES, ids=lambda route: route.name)
async def test_odd_bodies_are_refused_and_write_nothing(
    client: Client, pool: Pool, boss: dict[str, str], route: Any
) -> None:
    """Each odd body gets a described 4xx, and no account, quote or change comes of it."""
    description = await Description.of(client)
    path = re.sub(r"{\w+}", "nobody", route.path)
    headers = {**boss, "Idempotency-Key": "k", "Content-Type": "application/json"}
    for number, body in enumerate(bodies(GOOD[route.name])):
        response = await client.request(
            route.method, path, data=body, headers={**headers, "Idempotency-Key": f"k{number}"}
        )
        assert 400 <= response.status < 500, body[:200]
        await description.check(route.path, response)

    assert await pool.fetchval("SELECT count(*) FROM account") == 0


IDS = (
    "a%00b", "%2e%2e", "x" * 5000, "%ff", "%ed%a0%80", "'%20OR%201=1--", "%F0%9F%92%B3", "a%2Fb",
    "%0d%0aX: y",
)  # fmt: skip


@pytest.mark.parametrize("route", [each for each in ROUTES if each.path_names], ids=lambda route: route.name)
async def test_odd_ids_are_unknown(client: Client, boss: dict[str, str], route: Any) -> None:
    """No id that a caller can write leads anywhere but to a 4xx."""
    headers = {**boss, "Idempotency-Key": "k"}
    for part in IDS:
        path = re.sub(r"{\w+}", part.replace("\\", ""), route.path)
        response = await client.request(route.method, path, json=GOOD.get(route.name), headers=headers)

        assert 400 <= response.status < 500, part


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=9999999999999999999", "starting_after=%00", "x=1", "starting_after=" + "y" * 300],
)
@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/changes"])
async def test_odd_parameters_are_refused(
    client: Client, boss: dict[str, str], path: str, query: str
) -> None:
    """Every parameter is checked before the database sees it."""
    response = await client.get(f"{path}?{query}", headers=boss)

    assert response.status == 400
    await (await Description.of(client)).check(path, response)


@pytest.mark.parametrize("wait", ["-1", "31", "nan", "inf", "1e9", "ten"])
async def test_an_odd_wait_is_refused(client: Client, boss: dict[str, str], wait: str) -> None:
    """Nobody waits for ever."""
    response = await client.get(f"/v1/changes/chg_0?wait={wait}", headers=boss)

    assert response.status == 400


async def test_an_unknown_cursor_is_an_empty_page(client: Client, boss: dict[str, str]) -> None:
    """A cursor that does not exist is no reason to fail."""
    response = await client.get("/v1/changes?starting_after=chg_0", headers=boss)

    assert await response.json() == {"data": [], "has_more": False}
