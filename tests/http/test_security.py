"""Attacks on the API of a whole Prorata, with an account that bought: nothing leaks, nothing moves."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from handlers.auth import Role
from handlers.registry import Nothing
from handlers.routes import ROUTES
from sync.store import api_keys
from sync.store.db import Pool
from tests.flows.world import KEY
from tests.http.conftest import make_key
from tests.http.live import ACCOUNT, TERMS, Live, living, new_account
from tests.http.test_hostile import GOOD

# What an answer never holds, however wrong a request is.
LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|asyncpg|aiohttp|pydantic|site-packages|SELECT |INSERT |UPDATE |stripe_object"
    r"|relation \"|column \"|syntax error|sk_test_|whsec_|postgresql://|Python/"
)
SQL = [
    "'", "''", "' OR '1'='1", "1; DROP TABLE account", "'; DELETE FROM change; --", "\" OR \"\"=\"",
    "admin'--", "' union select key_hash from api_key --", "$1", "%s", "{0}",
    "\\'; select pg_sleep(9); --", "1/**/OR/**/1=1", "') OR ('1'='1",
    "x'||pg_sleep(9)||'", "\\x27", "‘ OR 1=1", "*", "%", "_", "NULL",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, -1, -(2**31), 10**9, 2**31, 2**53 + 1, 2**63, -(2**63), 10**30, 1.0, 1.5, -0.0, 1e9, 1e300,
    "8", "", "0x8", "１", True, False, None, [], [8], {}, {"$gt": 0}, "1e3", "NaN",
]  # fmt: skip
RAW_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "08",
    "+8",
    "0x8",
    "1_000",
    "8.",
    ".8",
    "1" * 5_000,
]
# Columns and parameters of ours and of Stripe's that a caller could hope to set.
INTERNAL = [
    "id", "state", "account_id", "price_id", "stripe_price_id", "amount_minor", "due_today_minor",
    "unit_amount", "discount", "coupon", "currency", "livemode", "proration_date", "proration_behavior",
    "parked_at", "roles", "is_admin", "terms_after", "created_at", "stripe_customer_id",
    "stripe_subscription_id", "items", "__proto__", "actor_role", "skip_checks",
]  # fmt: skip
STATE = """
SELECT (SELECT jsonb_agg(to_jsonb(a) - '{seats_in_use,contacts_in_use}'::text[] ORDER BY a.id)
          FROM account AS a)::text,
       (SELECT jsonb_agg(c ORDER BY c.id) FROM change AS c)::text,
       (SELECT count(*) FROM change_request), (SELECT count(*) FROM stripe_call),
       (SELECT count(*) FROM account_terms)
"""


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[Live]:
    """A caller of a whole Prorata where `acme` bought something, and `other` did not."""
    async with living(database_url) as caller:
        await caller.buy()
        await caller.account("other", primary_admin={"user_id": "eve", "email": "eve@example.com"})
        yield caller


@pytest.fixture
def pool(live: Live) -> Pool:
    return live.world.billing.pool


async def state(pool: Pool) -> tuple[Any, ...]:
    """What no attack may change."""
    row = await pool.fetchrow(STATE)
    assert row is not None
    return tuple(row)


async def send(live: Live, method: str, path: str, body: bytes, number: int) -> tuple[int, str]:
    """Send raw bytes as JSON, with every right; the answer must not tell about us."""
    headers = {**live.headers, "Idempotency-Key": f"attack-{number}", "Content-Type": "application/json"}
    url = f"{live.world.running.http_url}{path}"
    async with live.world.client.request(method, url, data=io.BytesIO(body), headers=headers) as response:
        text = await response.text()
        assert response.headers["Server"] == "prorata"
        assert not LEAKS.search(text), text[:500]
        assert KEY not in text
        return response.status, text


def places(
    body: dict[str, Any], kinds: type | tuple[type, ...], pointer: tuple[str, ...] = ()
) -> Iterator[Any]:
    """Where a good body has a value of these kinds."""
    for name, value in body.items():
        if isinstance(value, dict):
            yield from places(value, kinds, (*pointer, name))
        elif isinstance(value, kinds) and not isinstance(value, bool):
            yield (*pointer, name)


def put(body: dict[str, Any], pointer: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The body with another value there."""
    first, *rest = pointer
    return {**body, first: put(body[first], tuple(rest), value) if rest else value}


def path_of(route: Any, account_id: str = "acme") -> str:
    return str(
        re.sub(r"{(\w+)}", lambda found: account_id if found[1] == "account_id" else "unknown_0", route.path)
    )


TERMS_OF_ALL = {**TERMS, "seats": 5, "contact_limit": 2500, "add_ons": {"sms": 1}}
BODIES = {
    route.name: {
        **GOOD.get(route.name, {}),
        **({"terms": TERMS_OF_ALL} if "terms" in GOOD.get(route.name, {}) else {}),
    }
    for route in ROUTES
    if route.has_body
}
WRITES = [route for route in ROUTES if route.has_body]


async def test_odd_numbers_are_refused_wherever_a_number_is_taken(live: Live, pool: Pool) -> None:
    """Zero, negative, huge, a fraction, text, a flag, NaN: a 4xx, and nothing is written."""
    before, served, number = await state(pool), {}, 0
    good = json.dumps(BODIES["estimates_create"]).encode()
    assert (await send(live, "POST", "/v1/accounts/acme/estimates", good, -1))[0] == 200
    for route in WRITES:
        good = BODIES[route.name]
        for pointer in places(good, int):
            plain = [json.dumps(put(good, pointer, value)) for value in NUMBERS]
            marked = json.dumps(put(good, pointer, "@here@"))
            for body in plain + [marked.replace('"@here@"', raw) for raw in RAW_NUMBERS]:
                number += 1
                status, _ = await send(live, route.method, path_of(route), body.encode(), number)
                if not 400 <= status < 500:
                    served[route.name, pointer, body[:200]] = status

    # What the use is told to be may be nothing, and unknown; a removed add-on is one that costs nothing.
    harmless = [key for key in served if key[0] == "accounts_set_usage" or key[1][-1] == "sms"]
    assert {key: status for key, status in served.items() if key not in harmless} == {}
    assert all(served[key] == 200 for key in harmless)
    assert await state(pool) == before
    assert number > 300


async def test_fields_of_ours_cannot_be_set(live: Live, pool: Pool) -> None:
    """Whatever else a body names is refused by name, at the top and inside of its parts."""
    before = await state(pool)
    number = 0
    for route in WRITES:
        good = BODIES[route.name]
        parents: list[tuple[str, ...]] = [
            (),
            *((name,) for name, value in good.items() if isinstance(value, dict)),
        ]
        for parent in parents:
            inside = good[parent[0]] if parent else good
            for name in [
                each for each in INTERNAL if each not in route.body.model_fields and each not in inside
            ]:
                number += 1
                body = json.dumps(put(good, (*parent, name), 1) if parent else {**good, name: 1})
                status, text = await send(live, route.method, path_of(route), body.encode(), number)
                pointers = {error["pointer"] for error in json.loads(text)["errors"]}
                wanted = "/" + "/".join((*parent, name))
                assert (status, wanted in pointers) == (400, True), (route.name, text)

    assert await state(pool) == before
    assert number > 300


async def test_sql_in_every_text_is_text(live: Live, pool: Pool) -> None:
    """In paths, queries and bodies: what is no wish is refused, what is prose stays prose."""
    before, number, turns = await state(pool), 0, itertools.cycle(range(6))

    def some() -> list[str]:
        """A sixth of the corpus: each place gets another one, all places together get all of it."""
        return SQL[next(turns) :: 6]

    for route in WRITES:
        good = BODIES[route.name]
        for pointer in places(good, str):
            for text in some():
                number += 1
                body = json.dumps(put(good, pointer, text)).encode()
                status, _ = await send(live, route.method, path_of(route, "nobody"), body, number)
                assert 400 <= status < 500, (route.name, pointer, text)
    for route in ROUTES:
        for text in some() if route.path_names else ():
            number += 1
            quoted = "".join(f"%{byte:02X}" for byte in text.encode())
            path = re.sub(r"{\w+}", quoted, route.path)
            status, _ = await send(
                live, route.method, path, json.dumps(BODIES.get(route.name)).encode(), number
            )
            assert 400 <= status < 500, (route.name, text)
        for name in route.query.model_fields:
            for text in some():
                number += 1
                query = "".join(f"%{byte:02X}" for byte in text.encode())
                status, _ = await send(live, route.method, f"{path_of(route)}?{name}={query}", b"{}", number)
                assert status < 500, (route.name, name, text)

    assert await state(pool) == before
    assert await pool.fetchval("SELECT count(*) FROM api_key") >= 0


async def test_another_accounts_admin_may_nothing(live: Live, pool: Pool) -> None:
    """The id of an account, quote, change or request in the address decides who may, never the body."""
    _, quote = await live.quote(**{**TERMS, "seats": 6})
    wish = {"terms": {"tier": "starter"}, "effective": "renewal", "reason": "r", "contact_email": "a@b.c"}
    _, request = await live.call(
        "POST", f"{ACCOUNT}/change-requests", {**wish, "actor": "ada"}, account_id="acme"
    )
    change = await pool.fetchval("SELECT id FROM change LIMIT 1")
    before, wishes = (
        await state(pool),
        {
            "/v1/quotes/{id}/confirm": (quote["id"], {}),
            "/v1/changes/{id}/withdraw": (change, {}),
            "/v1/change-requests/{id}/withdraw": (request["id"], {}),
            "/v1/accounts/{id}/quotes": ("acme", {"terms": {"seats": 6}}),
            "/v1/accounts/{id}/change-requests": ("acme", wish),
            "/v1/accounts/{id}/payment-method-link": ("acme", {"return_url": "https://a.example/"}),
        },
    )
    for number, (path, (object_id, body)) in enumerate(wishes.items()):
        for actor in ("eve", "ADA", "ada ", "*", "%"):
            raw = json.dumps({**body, "actor": actor}).encode()
            status, text = await send(live, "POST", path.format(id=object_id), raw, hash((number, actor)))
            assert (status, json.loads(text)["code"]) == (403, "not_billing_admin"), (path, actor)

    assert await state(pool) == before


async def test_a_role_learns_nothing_by_being_refused(live: Live, pool: Pool) -> None:
    """Forbidden is said before anything is looked up: what exists and what does not look the same."""
    roles = {role: await make_key(pool, f"key_{role}", [role]) for role in Role}
    for route in ROUTES:
        for role, headers in roles.items():
            if role in route.roles:
                continue
            seen = set()
            for account_id in ("acme", "nobody"):
                url = f"{live.world.running.http_url}{path_of(route, account_id)}"
                sent = {**headers, "Idempotency-Key": "k", "X-Request-Id": "same"}
                body = BODIES.get(route.name)
                async with live.world.client.request(route.method, url, json=body, headers=sent) as response:
                    seen.add((response.status, await response.text()))
            assert [status for status, _ in seen] == [403], (route.name, role)


async def test_a_revoked_key_opens_nothing(live: Live, pool: Pool) -> None:
    """On no route, from the next request on."""
    headers = await make_key(pool, "key_gone", [*Role])
    await api_keys.revoke(pool, "key_gone")
    for route in ROUTES:
        url = f"{live.world.running.http_url}{path_of(route)}"
        body = None if route.body is Nothing else BODIES[route.name]
        async with live.world.client.request(route.method, url, json=body, headers=headers) as response:
            assert response.status == 401, route.name


async def test_large_requests_are_refused(live: Live, pool: Pool) -> None:
    """A body over the limit on every route that takes one, and heads that no client of ours sends."""
    before = await state(pool)
    for number, route in enumerate(WRITES):
        body = json.dumps({**new_account("big"), "name": "x" * 1024 * 1024}).encode()
        assert (await send(live, route.method, path_of(route), body, number))[0] == 413
    for name, text in (
        ("X-Long", "x" * 9_000),
        ("Idempotency-Key", "k" * 256),
        ("Authorization", "Bearer " + "x" * 5_000),
    ):
        sent = {**live.headers, "Idempotency-Key": "k", name: text}
        url = f"{live.world.running.http_url}/v1/accounts/acme/quotes"
        async with live.world.client.post(url, json=BODIES["quotes_create"], headers=sent) as response:
            assert response.status in (400, 401, 431)
            assert response.headers["Server"] == "prorata"
            assert not LEAKS.search(await response.text())

    assert await state(pool) == before
