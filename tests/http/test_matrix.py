"""Every route with every role and with none: who may do what, in one table."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.auth import Role
from handlers.registry import Nothing
from handlers.routes import ROUTES
from tests.http.conftest import Client, problem

READS = {"automation", "support", "finance", "oncall"}
# What is written here on purpose, and not taken from the routes: the promise that the routes must keep.
ALLOWED = {
    "GET /v1/catalog": READS,
    "GET /v1/accounts": READS,
    "POST /v1/accounts": {"automation"},
    "GET /v1/accounts/{account_id}": READS,
    "PUT /v1/accounts/{account_id}/primary-admin": {"automation"},
    "PUT /v1/accounts/{account_id}/usage": {"automation"},
    "GET /v1/accounts/{account_id}/invoices": READS,
    "GET /v1/accounts/{account_id}/timeline": READS,
    "POST /v1/accounts/{account_id}/payment-method-link": {"automation"},
    "POST /v1/accounts/{account_id}/estimates": {"automation", "support"},
    "POST /v1/accounts/{account_id}/quotes": {"automation", "support"},
    "GET /v1/quotes/{quote_id}": READS,
    "POST /v1/quotes/{quote_id}/confirm": {"automation"},
    "GET /v1/changes": READS,
    "GET /v1/changes/{change_id}": READS,
    "POST /v1/changes/{change_id}/withdraw": {"automation"},
    "POST /v1/accounts/{account_id}/change-requests": {"automation", "support"},
    "GET /v1/change-requests": READS,
    "GET /v1/change-requests/{request_id}": READS,
    "POST /v1/change-requests/{request_id}/approve": {"support"},
    "POST /v1/change-requests/{request_id}/decline": {"support"},
    "POST /v1/change-requests/{request_id}/withdraw": {"automation"},
    "GET /v1/findings": READS,
    "GET /v1/findings/{finding_id}": READS,
    "POST /v1/findings/{finding_id}/repair": {"support", "oncall"},
    "POST /v1/findings/{finding_id}/accept": {"support", "oncall"},
    "GET /v1/reports/{name}": {"support", "finance", "oncall"},
}


def routes() -> dict[str, Any]:
    """Return the served routes by their method and path."""
    return {f"{route.method} {route.path}": route for route in ROUTES}


def test_the_table_knows_every_route() -> None:
    """A new route needs a line here."""
    assert set(ALLOWED) == set(routes())


async def call(client: Client, name: str, headers: dict[str, str]) -> Any:
    """Call a route about things that do not exist, with an empty body."""
    method, path = name.split()
    path = path.format(
        account_id="nobody",
        quote_id="quo_0",
        change_id="chg_0",
        request_id="req_0",
        finding_id="fnd_0",
        name="nothing",
    )
    body: dict[str, Any] | None = None if routes()[name].body is Nothing else {}
    return await client.request(method, path, json=body, headers={"Idempotency-Key": "k", **headers})


@pytest.mark.parametrize("role", Role)
async def test_a_role_gets_as_far_as_it_may(
    client: Client, keys: dict[str, dict[str, str]], role: Role
) -> None:
    """An allowed caller is stopped by the empty body or the unknown id, another one by its role."""
    found = {name: (await call(client, name, keys[role])).status for name in ALLOWED}

    assert {name for name, status in found.items() if status != 403} == {
        name for name, roles in ALLOWED.items() if role in roles
    }
    assert set(found.values()) <= {200, 400, 403, 404}


async def test_without_a_key_nobody_gets_in(client: Client) -> None:
    """A caller without a key is refused before anything is read."""
    for name in ALLOWED:
        response = await call(client, name, {})

        assert (response.status, (await problem(response))["code"]) == (401, "unauthenticated"), name
