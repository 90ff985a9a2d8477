"""Findings over HTTP: listed by pages, looked at with a dry run, repaired and accepted by people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync.reconcile.anew import reconcile_account
from tests.drift.edits import money, set_item
from tests.http.live import Live, living

FINDING = "/v1/findings/{finding_id}"
BODY = {"actor": "sam", "reason": "an edit that nobody meant"}


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[Live]:
    """A whole Prorata, and an account whose seats and contacts were edited by hand."""
    async with living(database_url) as caller:
        await caller.buy()
        await set_item(caller.world, "seats", quantity=7)
        await set_item(caller.world, "base", quantity=2)
        await reconcile_account(caller.world.billing, "acme")
        yield caller


async def listed(live: Live, query: str = "") -> dict[str, Any]:
    status, found = await live.call("GET", "/v1/findings", query=query)
    assert status == 200
    return dict(found)


async def shown(live: Live, finding_id: str, **body: Any) -> dict[str, Any]:
    """The words of a repair as somebody sends them after a look at the dry run."""
    _, tried = await live.call(
        "POST", f"{FINDING}/repair", {**BODY, **body, "dry_run": True}, finding_id=finding_id
    )
    return {**BODY, **body, "expect": tried["dry_run"]["digest"]}


async def seats(live: Live) -> dict[str, Any]:
    found = (await listed(live))["data"]
    return dict(next(each for each in found if each["about"] == "seats"))


async def test_findings_are_listed_by_pages_and_filters(live: Live) -> None:
    """Without asking Stripe; an account's own page names them, too."""
    first = await listed(live, "?limit=1")
    rest = await listed(live, f"?limit=1&starting_after={first['data'][0]['id']}")
    assert (True, False) == (first["has_more"], rest["has_more"])
    assert {"seats", "base"} == {page["data"][0]["about"] for page in (first, rest)}
    queries = ("state=open&kind=wrong_quantity&account_id=acme", "state=gone", "kind=extra_item")
    assert [2, 0, 0] == [len((await listed(live, f"?{query}"))["data"]) for query in queries]
    entry = await seats(live)
    assert ("wrong_quantity", "critical", "ours") == (
        entry["kind"], entry["severity"], entry["suggestion"]["side"],
    )  # fmt: skip


async def test_a_finding_is_shown_with_the_call_of_its_repair(live: Live) -> None:
    """And the dry run of the door says the same, without a trace."""
    entry, before = await seats(live), await money(live.world)
    _, shown = await live.call("GET", FINDING, finding_id=entry["id"])
    body = {**BODY, "dry_run": True}
    status, tried = await live.call("POST", f"{FINDING}/repair", body, finding_id=entry["id"])
    assert (200, "open", []) == (status, tried["state"], tried["repairs"])
    assert shown["dry_run"] == tried["dry_run"]
    [call] = tried["dry_run"]["calls"]
    assert ("POST", "none") == (call["method"], call["body"]["proration_behavior"])
    body |= {"side": "stripe"}
    _, other = await live.call("POST", f"{FINDING}/repair", body, finding_id=entry["id"])
    assert "repair_needs_staff" == other["dry_run"]["refusal"]["code"]
    assert before == await money(live.world)


async def test_a_repair_is_carried_out_once(live: Live) -> None:
    """The same key gets the same answer; both edits are set back in one call, and no money moved."""
    entry, before = await seats(live), await money(live.world)
    body = await shown(live, entry["id"])
    answers = [
        await live.call("POST", f"{FINDING}/repair", body, finding_id=entry["id"], key="k1") for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert (200, "repaired", "sam") == (
        answers[0][0], answers[0][1]["state"], answers[0][1]["repairs"][0]["actor"],
    )  # fmt: skip
    assert before == await money(live.world)
    assert [] == (await listed(live, "?state=open"))["data"]
    status, again = await live.call("POST", f"{FINDING}/repair", body, finding_id=entry["id"])
    assert (409, "finding_closed") == (status, again["code"])


async def test_an_accepted_finding_says_who_and_why(live: Live) -> None:
    """It stays in the list, apart from what is open."""
    entry = await seats(live)
    body = {**BODY, "expect": entry["digest"]}
    status, done = await live.call("POST", f"{FINDING}/accept", body, finding_id=entry["id"])
    assert (200, "accepted", "sam", BODY["reason"]) == (
        status, done["state"], done["decided_by"], done["reason"],
    )  # fmt: skip
    assert [entry["id"]] == [each["id"] for each in (await listed(live, "?state=accepted"))["data"]]


async def test_what_cannot_be_decided_is_refused(live: Live) -> None:
    """With a code, and nothing is done."""
    known, other = (await seats(live))["id"], {**BODY, "expect": "0" * 16}
    bad: list[tuple[str, dict[str, Any], str, int, str]] = [
        ("repair", BODY, "fnd_nothing", 404, "not_found"),
        ("accept", other, "fnd_nothing", 404, "not_found"),
        ("repair", {"actor": "sam"}, known, 400, "bad_request"),
        ("repair", BODY, known, 400, "bad_request"),
        ("repair", other, known, 409, "finding_changed"),
        ("accept", BODY, known, 400, "bad_request"),
        ("accept", other, known, 409, "finding_changed"),
        ("accept", {**other, "reason": ""}, known, 400, "bad_request"),
        ("repair", {**BODY, "side": "staff"}, known, 400, "bad_request"),
        ("repair", {**BODY, "reason": " "}, known, 400, "bad_request"),
        ("repair", {**BODY, "side": "stripe"}, known, 409, "repair_needs_staff"),
    ]
    for verb, body, finding_id, status, code in bad:
        found, answer = await live.call("POST", f"{FINDING}/{verb}", body, finding_id=finding_id)
        assert (status, code) == (found, answer["code"]), (verb, body)
    assert 2 == len((await listed(live, "?state=open"))["data"])
