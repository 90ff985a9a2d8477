"""What is wrong with a request is said exactly, and never an accident."""

from __future__ import annotations

import asyncio
import gzip
import io
from typing import Any

import pytest

from sync.billing import Billing
from tests.http.conftest import Client, Connect, problem, toy_app
from tests.http.toys import QUICK, Toys

JSON = {"Content-Type": "application/json"}
LIMIT = 1024 * 1024


async def send(client: Client, boss: dict[str, str], raw: Any, **headers: str) -> Any:
    """Send these bytes as JSON to the toy that takes an optional key."""
    return await client.post("/toys/optional", data=raw, headers={**boss, **JSON, **headers})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b'{"name": "a", "count": NaN}',
        b'{"name": "a", "count": 1' + b"0" * 5000 + b"}",
        b'{"free": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        b"'name'",
    ],
)
async def test_what_is_not_json_is_a_400(
    toy_client: Client, toys: Toys, boss: dict[str, str], raw: bytes
) -> None:
    """Broken, too deep and impossible JSON is refused as such."""
    response = await send(toy_client, boss, raw)

    assert ((await problem(response))["code"], response.status) == ("bad_request", 400)
    assert toys.effects == []


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"[]", ""),
        (b"null", ""),
        (b'"text"', ""),
        (b"{}", "/name"),
        (b'{"name": 1}', "/name"),
        (b'{"name": null}', "/name"),
        (b'{"name": ""}', "/name"),
        (b'{"name": "a", "count": "1"}', "/count"),
        (b'{"name": "a", "count": 1.5}', "/count"),
        (b'{"name": "a", "count": true}', "/count"),
        (b'{"name": "a", "nmae": "a"}', "/nmae"),
        (b'{"name": "a", "a/b~c": 1}', "/a~1b~0c"),
        (b'{"name": "a\\u0000b"}', "/name"),
        (b'{"name": "a", "free": {"deep": ["\\u0000"]}}', "/free/deep/0"),
        (b'{"name": "a", "free": {"\\u0000": 1}}', "/free"),
    ],
)
async def test_a_wrong_part_is_pointed_at(
    toy_client: Client, toys: Toys, boss: dict[str, str], raw: bytes, pointer: str
) -> None:
    """Each wrong part is named by a JSON pointer; nothing is done."""
    response = await send(toy_client, boss, raw)

    found = await problem(response)
    assert ([entry["pointer"] for entry in found["errors"]], response.status) == ([pointer], 400)
    assert toys.effects == []


async def test_every_wrong_part_is_named_at_once(toy_client: Client, boss: dict[str, str]) -> None:
    """A caller sees all of its mistakes in one answer."""
    response = await send(toy_client, boss, b'{"count": "1", "x": 1}')

    pointers = {entry["pointer"] for entry in (await problem(response))["errors"]}
    assert pointers == {"/name", "/count", "/x"}


@pytest.mark.parametrize("count", [0, 10, 10**30])
async def test_a_number_out_of_bounds_is_a_422(toy_client: Client, boss: dict[str, str], count: int) -> None:
    """A number that is well formed and too large or too small breaks a rule, not the shape."""
    response = await send(toy_client, boss, b'{"name": "a", "count": %d}' % count)

    assert ((await problem(response))["code"], response.status) == ("quantity_out_of_range", 422)


async def test_an_encoded_backslash_is_no_nul(toy_client: Client, boss: dict[str, str]) -> None:
    """Text that only looks like an encoded NUL is text."""
    response = await send(toy_client, boss, b'{"name": "\\\\u0000"}')

    assert response.status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_another_content_type_is_a_415(
    toy_client: Client, boss: dict[str, str], content_type: str
) -> None:
    """Only JSON in UTF-8 is read."""
    response = await send(toy_client, boss, b'{"name": "a"}', **{"Content-Type": content_type})

    assert ((await problem(response))["code"], response.status) == ("media_type_unsupported", 415)


async def test_a_body_of_one_mebibyte_is_read(toy_client: Client, boss: dict[str, str]) -> None:
    """The limit itself is allowed."""
    body = b'{"name": "' + b"a" * (LIMIT - 12) + b'"}'

    assert (len(body), (await send(toy_client, boss, body)).status) == (LIMIT, 200)


async def test_one_byte_more_is_a_413(toy_client: Client, toys: Toys, boss: dict[str, str]) -> None:
    """One byte above the limit is refused without reading on."""
    response = await send(toy_client, boss, io.BytesIO(b" " * (LIMIT + 1)))

    assert ((await problem(response))["code"], response.status) == ("body_too_large", 413)
    assert toys.effects == []


async def test_a_body_without_a_declared_length_is_counted(toy_client: Client, boss: dict[str, str]) -> None:
    """A chunked body meets the same limit."""

    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 65536

    response = await send(toy_client, boss, chunks())

    assert response.status == 413


async def test_a_compressed_body_is_counted_unpacked(toy_client: Client, boss: dict[str, str]) -> None:
    """A small body that unpacks to a huge one is refused."""
    packed = gzip.compress(b" " * (LIMIT + 1))

    response = await send(toy_client, boss, packed, **{"Content-Encoding": "gzip"})

    assert response.status == 413


async def test_a_broken_compressed_body_is_a_400(toy_client: Client, boss: dict[str, str]) -> None:
    """Bytes that do not unpack are the caller's mistake."""
    response = await send(toy_client, boss, b"no gzip at all", **{"Content-Encoding": "gzip"})

    assert response.status == 400


async def test_a_body_that_does_not_arrive_is_a_408(
    lonely: Billing, toys: Toys, connect: Connect, boss: dict[str, str]
) -> None:
    """A caller that stops in the middle of its body is told so and holds nothing."""
    client = await connect(toy_app(lonely, toys, QUICK))

    async def stalling() -> Any:
        yield b'{"name": '
        await asyncio.sleep(2)
        yield b'"a"}'

    response = await send(client, boss, stalling())

    assert ((await problem(response))["code"], response.status) == ("body_too_slow", 408)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=", "limt=1", "limit=1%00"])
async def test_a_wrong_parameter_is_a_400(toy_client: Client, boss: dict[str, str], query: str) -> None:
    """A parameter of the query string is pointed at by its name."""
    response = await toy_client.get(f"/toys/1?{query}", headers=boss)

    found = await problem(response)
    assert (response.status, found["code"]) == (400, "bad_request")
    assert found["errors"][0]["pointer"] == f"?{query.split('=')[0]}"


@pytest.mark.parametrize("part", ["a%00b", "%0a", "x" * 201, "%ff%fe", "%ed%a0%80"])
async def test_an_impossible_id_is_a_404(toy_client: Client, boss: dict[str, str], part: str) -> None:
    """An id that no account can have is unknown; it never reaches the database."""
    response = await toy_client.get(f"/toys/{part}", headers=boss)

    if response.status != 200:  # bytes that are no UTF-8 reach us as harmless replacement characters
        assert ((await problem(response))["code"], response.status) == ("account_unknown", 404)


async def test_a_long_text_is_not_sent_back(toy_client: Client, boss: dict[str, str]) -> None:
    """An answer does not grow with the question."""
    response = await send(toy_client, boss, b'{"name": "a", "' + b"x" * 500_000 + b'": 1}')

    assert len(await response.read()) < 5000
