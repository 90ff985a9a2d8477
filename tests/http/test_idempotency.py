"""One effect per Idempotency-Key, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sync.billing import Billing
from sync.errors import Code, Conflict, StripeTrouble
from sync.store import idempotency as store
from sync.store.db import Pool
from tests.http.conftest import USUAL, Client, Connect, make_key, problem, toy_app
from tests.http.toys import QUICK, Toys, stale
from tests.support.patience import SURELY_SECONDS


@pytest.fixture
def once(boss: dict[str, str]) -> dict[str, str]:
    """The headers of a caller who repeats itself."""
    return {**boss, "Idempotency-Key": "key-1"}


async def act(client: Client, headers: dict[str, str], kind: str = "required", **body: Any) -> Any:
    """Send the toy's wish."""
    return await client.post(f"/toys/{kind}", headers=headers, json={"name": "a", **body})


async def until_effects(toys: Toys, count: int) -> None:
    """Wait until so many effects took place."""
    async with asyncio.timeout(SURELY_SECONDS):
        while len(toys.effects) < count:  # noqa: ASYNC110  an event would have to live in the toy's handler
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["required", "required_live"])
async def test_without_a_key_nothing_happens_where_money_can_move(
    toy_client: Client, toys: Toys, boss: dict[str, str], kind: str
) -> None:
    """The missing header is a 400 with a code of its own."""
    response = await act(toy_client, boss, kind)

    assert ((await problem(response))["code"], response.status) == ("idempotency_key_missing", 400)
    assert toys.effects == []


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_a_key_that_cannot_be_used_is_a_400(
    toy_client: Client, toys: Toys, boss: dict[str, str], key: str
) -> None:
    """Keys are 1 to 255 printable ASCII characters."""
    response = await act(toy_client, {**boss, "Idempotency-Key": key})

    assert ((await problem(response))["code"], response.status) == ("bad_request", 400)
    assert toys.effects == []


async def test_a_repetition_gets_the_stored_answer(
    toy_client: Client, toys: Toys, once: dict[str, str]
) -> None:
    """The second answer equals the first byte by byte, says that it is one, and nothing happened again."""
    first = await act(toy_client, once)
    second = await act(toy_client, once)

    assert await first.read() == await second.read()
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    assert toys.effects == ["a"]


async def test_without_a_key_an_optional_route_simply_acts(
    toy_client: Client, toys: Toys, boss: dict[str, str]
) -> None:
    """Where no money moves the header may be left out."""
    for _ in range(2):
        assert (await act(toy_client, boss, "optional")).status == 200

    assert toys.effects == ["a", "a"]


async def test_an_optional_key_counts_too(toy_client: Client, toys: Toys, once: dict[str, str]) -> None:
    """Where the header is optional it works the same."""
    for _ in range(2):
        await act(toy_client, once, "optional")

    assert toys.effects == ["a"]


async def test_the_order_of_names_is_no_other_body(
    toy_client: Client, toys: Toys, once: dict[str, str]
) -> None:
    """The same wish in another order of names is a repetition."""
    await toy_client.post("/toys/required", headers=once, json={"name": "a", "count": 2})
    response = await toy_client.post("/toys/required", headers=once, json={"count": 2, "name": "a"})

    assert response.headers["Idempotent-Replayed"] == "true"


async def test_another_body_is_a_conflict(toy_client: Client, toys: Toys, once: dict[str, str]) -> None:
    """The same key with another wish is refused and does nothing."""
    await act(toy_client, once)
    response = await act(toy_client, once, count=2)

    assert ((await problem(response))["code"], response.status) == ("idempotency_conflict", 422)
    assert toys.effects == ["a"]


async def test_another_route_is_a_conflict(toy_client: Client, toys: Toys, once: dict[str, str]) -> None:
    """The same key at another address is refused too."""
    await act(toy_client, once)
    response = await act(toy_client, once, "optional")

    assert response.status == 422


async def test_keys_of_two_callers_do_not_meet(toy_client: Client, toys: Toys, pool: Pool) -> None:
    """A key belongs to its caller."""
    for key_id in ("key_a", "key_b"):
        await act(toy_client, {**await make_key(pool, key_id, ["support"]), "Idempotency-Key": "key-1"})

    assert toys.effects == ["a", "a"]


async def test_a_repetition_during_the_work_is_told_to_wait(
    toy_client: Client, toys: Toys, once: dict[str, str]
) -> None:
    """While the first request runs, the second gets a 409 with Retry-After."""
    toys.gate = asyncio.Event()
    first = asyncio.create_task(act(toy_client, once))
    await until_effects(toys, 1)

    response = await act(toy_client, once)
    toys.gate.set()

    assert ((await problem(response))["code"], response.status) == ("idempotency_in_progress", 409)
    assert response.headers["Retry-After"] == "1"
    assert (await first).status == 200


async def test_of_many_at_once_one_acts(
    lonely: Billing, toys: Toys, connect: Connect, once: dict[str, str]
) -> None:
    """Twenty equal requests at once have one effect."""
    client = await connect(toy_app(lonely, toys))
    responses = await asyncio.gather(*(act(client, once) for _ in range(20)))

    assert {response.status for response in responses} <= {200, 409}
    assert toys.effects == ["a"]


async def test_a_refusal_is_an_answer(toy_client: Client, toys: Toys, once: dict[str, str]) -> None:
    """A 4xx that would be the same again is stored, extension members and all."""
    toys.fails_with = stale()
    first = await act(toy_client, once)
    toys.fails_with = None
    second = await act(toy_client, once)

    assert await first.read() == await second.read()
    assert (await problem(second))["new_quote"] == {"id": "quo_2"}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a defect"),
        StripeTrouble(Code.STRIPE_UNAVAILABLE, "Stripe is away.", retryable=True),
        Conflict(Code.CHANGE_IN_PROGRESS, "Another one is open.", retryable=True),
    ],
)
async def test_what_may_end_differently_is_not_stored(
    toy_client: Client, toys: Toys, once: dict[str, str], error: Exception
) -> None:
    """After a 5xx or a retryable refusal the same request runs again."""
    toys.fails_with = error
    await act(toy_client, once)
    toys.fails_with = None
    response = await act(toy_client, once)

    assert (response.status, toys.effects) == (200, ["a", "a"])


async def test_a_timed_out_request_may_be_repeated(
    lonely: Billing, toys: Toys, connect: Connect, once: dict[str, str]
) -> None:
    """A handler that takes too long is a 504, and its key is free."""
    hurried = await connect(toy_app(lonely, toys, replace(USUAL, handler_seconds=0.5)))
    patient = await connect(toy_app(lonely, toys))
    toys.seconds = 60
    late = await act(hurried, once)
    toys.seconds = 0
    response = await act(patient, once)

    assert ((await problem(late))["code"], late.status) == ("timed_out", 504)
    assert response.status == 200


async def test_a_claim_of_a_killed_process_is_free_after_its_lease(
    lonely: Billing, toys: Toys, connect: Connect, once: dict[str, str]
) -> None:
    """The row that a killed process left behind does not lock its key for ever."""
    client = await connect(toy_app(lonely, toys, QUICK))
    toys.gate = asyncio.Event()
    dead = asyncio.create_task(act(client, once))
    await until_effects(toys, 1)
    await asyncio.sleep(QUICK.idempotency_lease_seconds)
    second = asyncio.create_task(act(client, once))
    await until_effects(toys, 2)
    toys.gate.set()

    assert [(await task).status for task in (second, dead)] == [200, 200]


async def test_who_lost_a_claim_cannot_write_over_its_successor(pool: Pool) -> None:
    """The fence of a claim makes a late answer of the first holder disappear."""
    old = await store.claim(pool, "p", "k", b"h", 0.0)
    new = await store.claim(pool, "p", "k", b"h", 0.0)
    assert old is not None
    assert new is not None
    await store.finish(pool, "p", "k", old, status=200, body=b"old", content_type="t")
    await store.finish(pool, "p", "k", new, status=200, body=b"new", content_type="t")

    assert await store.look(pool, "p", "k") == store.AnswerRow(b"h", 200, b"new", "t")


async def test_a_live_repetition_shows_the_state_as_it_is_now(
    toy_client: Client, toys: Toys, once: dict[str, str]
) -> None:
    """Where the flow itself is safe to repeat, a repetition runs it again and says that it is one."""
    await act(toy_client, once, "required_live")
    response = await act(toy_client, once, "required_live")

    assert (await response.json())["count"] == 2
    assert response.headers["Idempotent-Replayed"] == "true"


async def test_a_refused_shape_claims_nothing(toy_client: Client, toys: Toys, once: dict[str, str]) -> None:
    """After a 400 the corrected body may be sent under the same key."""
    await act(toy_client, once, nmae="a")

    assert (await act(toy_client, once)).status == 200
