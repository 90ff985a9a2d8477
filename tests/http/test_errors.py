"""Every failure becomes a problem document that says what it is, and nothing that it should not."""

from __future__ import annotations

import asyncpg
import pytest

from handlers.errors import STATUS, DoorCode, code_of, document_of
from sync.errors import BadInput, Code, DatabaseTrouble, Problem, ProrataError
from tests.http.conftest import Client, problem
from tests.http.toys import Toys, stale

WISH = {"name": "a"}


def test_every_code_has_a_status() -> None:
    """The table knows every code of the rules and of the doors, and nothing else."""
    assert set(STATUS) == {*Code, *DoorCode}


def test_a_code_that_nobody_declared_is_our_mistake() -> None:
    """An unknown code is answered as an internal error."""
    assert code_of("no_such_code") is Code.INTERNAL_ERROR


@pytest.mark.parametrize("code", list(Code))
def test_our_refusals_keep_their_code(code: Code) -> None:
    """Each code of the rules arrives as it was raised."""
    assert document_of(ProrataError(code, "A sentence.")).code == code


@pytest.mark.parametrize(
    "error",
    [
        OSError("refused"),
        TimeoutError(),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.InterfaceError("closed"),
        DatabaseTrouble(Code.DATABASE_UNAVAILABLE, "postgresql://user@host cannot be reached"),
    ],
)
def test_trouble_with_the_database_is_a_503(error: Exception) -> None:
    """A database that is away is retryable, and its address stays with us."""
    found = document_of(error)

    assert (found.status, found.retryable, found.all_headers["Retry-After"]) == (503, True, "2")
    assert "host" not in found.detail


def test_a_bad_query_is_a_500() -> None:
    """A defect of ours is not blamed on the database."""
    assert document_of(asyncpg.UndefinedTableError("no table")).status == 500


async def test_a_problem_has_the_members_of_the_standard(
    toy_client: Client, toys: Toys, boss: dict[str, str]
) -> None:
    """RFC 9457's members, ours, and the extension members of this one problem."""
    toys.fails_with = stale()
    response = await toy_client.post("/toys/optional", json=WISH, headers={**boss, "X-Request-Id": "r-1"})

    assert await problem(response) == {
        "type": "urn:prorata:problem:quote_stale",
        "title": Code.QUOTE_STALE.sentence,
        "status": 409,
        "detail": "It moved. Nothing was charged.",
        "instance": "urn:prorata:request:r-1",
        "request_id": "r-1",
        "code": "quote_stale",
        "errors": [],
        "retryable": False,
        "new_quote": {"id": "quo_2"},
    }


async def test_pointers_and_codes_of_a_refusal_are_listed(
    toy_client: Client, toys: Toys, boss: dict[str, str]
) -> None:
    """The problems that a rule found arrive as `errors`."""
    seats = Problem("/terms/seats", Code.SEATS_IN_USE, "5 are in use")
    toys.fails_with = BadInput(Code.SEATS_IN_USE, "No.", [seats])
    response = await toy_client.post("/toys/optional", json=WISH, headers=boss)

    assert ((await problem(response))["errors"], response.status) == ([seats.to_json()], 422)


async def test_a_defect_tells_nothing_about_us(toy_client: Client, toys: Toys, boss: dict[str, str]) -> None:
    """No class, no file and no text of an exception leaves the house."""
    toys.fails_with = ValueError("secret of /srv/app")
    response = await toy_client.post("/toys/optional", json=WISH, headers=boss)

    text = await response.text()
    assert (response.status, (await problem(response))["code"]) == (500, "internal_error")
    assert not any(word in text for word in ("secret", "ValueError", "Traceback", ".py"))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("DELETE", "/toys/1", 405, "method_not_allowed"),
        ("PATCH", "/toys/optional", 405, "method_not_allowed"),
    ],
)
async def test_the_servers_own_refusals_are_problems_too(
    toy_client: Client, boss: dict[str, str], method: str, path: str, status: int, code: str
) -> None:
    """Unknown addresses and methods are answered in the same form."""
    response = await toy_client.request(method, path, headers=boss)

    assert (response.status, (await problem(response))["code"]) == (status, code)
    assert ("Allow" in response.headers) == (status == 405)
