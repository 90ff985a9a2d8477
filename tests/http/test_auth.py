"""Who gets in."""

from __future__ import annotations

import pytest

from handlers.auth import new_api_key
from sync.store import api_keys
from sync.store.db import Pool
from tests.http.conftest import Client, bearer, make_key, problem


def test_a_new_key_has_its_mark_and_32_random_bytes() -> None:
    """A key is `prk_` and 43 characters, and no two are equal."""
    first, second = new_api_key(), new_api_key()

    assert (len(first), first[:4]) == (47, "prk_")
    assert first != second


async def test_the_key_itself_is_nowhere_in_the_database(pool: Pool) -> None:
    """What is stored is a hash of 32 bytes."""
    await make_key(pool, "key_1", ["finance"])

    assert await pool.fetchval("SELECT length(key_hash) FROM api_key") == 32


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Basic prk_abc", "Bearer two words", "Bearer prk_unknown", f"Bearer {'x' * 5000}"],
)
async def test_without_a_known_key_nobody_gets_in(toy_client: Client, header: str | None) -> None:
    """A missing, malformed or unknown key is a 401 that names the scheme."""
    response = await toy_client.get(
        "/toys/1", headers={"Authorization": header} if header is not None else {}
    )

    assert (await problem(response))["code"] == "unauthenticated"
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_stored_key_gets_in(toy_client: Client, pool: Pool) -> None:
    """A key of the table is a principal with its id."""
    headers = await make_key(pool, "key_1", ["finance"])

    response = await toy_client.get("/toys/1", headers=headers)

    assert (await response.json())["by"] == "api_key:key_1"


async def test_the_scheme_is_case_insensitive(toy_client: Client, boss: dict[str, str]) -> None:
    """`bearer` is as good as `Bearer`."""
    response = await toy_client.get("/toys/1", headers={"Authorization": boss["Authorization"].lower()})

    assert response.status == 200


async def test_a_revoked_key_is_refused_at_once(toy_client: Client, pool: Pool) -> None:
    """Revoking takes effect on the next request."""
    headers = await make_key(pool, "key_1", ["finance"])
    await api_keys.revoke(pool, "key_1")

    response = await toy_client.get("/toys/1", headers=headers)

    assert response.status == 401


async def test_the_wrong_role_is_forbidden(toy_client: Client, keys: dict[str, dict[str, str]]) -> None:
    """A known caller without the role gets a 403 that names the role."""
    response = await toy_client.get("/support/1", headers=keys["finance"])

    found = await problem(response)
    assert (response.status, found["code"]) == (403, "forbidden")
    assert "support" in found["detail"]


async def test_the_bootstrap_key_has_every_role(toy_client: Client, boss: dict[str, str]) -> None:
    """The key of the environment opens every route."""
    response = await toy_client.get("/support/1", headers=boss)

    assert (await response.json())["by"] == "bootstrap:bootstrap"


async def test_without_a_bootstrap_key_an_empty_token_is_refused(toy_client: Client) -> None:
    """An unset bootstrap key is not an empty password."""
    response = await toy_client.get("/toys/1", headers=bearer(""))

    assert response.status == 401


async def test_a_use_is_remembered(toy_client: Client, pool: Pool) -> None:
    """The last use of a key can be seen in the list of keys."""
    headers = await make_key(pool, "key_1", ["finance"])

    await toy_client.get("/toys/1", headers=headers)

    assert [row.last_used_at is not None for row in await api_keys.list_keys(pool)] == [True]


async def test_revoking_twice_says_so(pool: Pool) -> None:
    """Only the first revocation changes anything."""
    await make_key(pool, "key_1", ["finance"])

    assert [await api_keys.revoke(pool, "key_1") for _ in range(2)] == [True, False]
