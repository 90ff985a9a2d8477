"""Something moves at Stripe between a preview and what relies on it: never charged unnoticed.

Before the last look a change is refused with the amounts of now, or fails with nothing charged. What moves
after the last look is either no part of the charge, or is charged and raises exactly one alarm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from sync.telemetry import REGISTRY
from tests.flows.states.place import HELPER, Place, matrix_world, new_place
from tests.flows.world import ADMIN, Said, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE, FEWER, LOWER = {"seats": 10}, {"seats": 6}, {"tier": "plus"}
# The previews that name the subscription: with something happening now, and without.
QUOTED_NOW, QUOTED_LATER = 3, 2

STALE = "refused with fresh amounts"
FAILED = "fails, nothing charged"
ALARM = "charged, one alarm"
KEPT = "charged as quoted"


@dataclass(frozen=True)
class Row:
    """What moves, and what becomes of an increase in each gap: before confirm, before the send, after it."""

    mover: dict[str, Any]
    before_confirm: str
    before_the_last_look: str
    after_the_last_look: str

    def __str__(self) -> str:
        return "-".join(map(str, self.mover.values()))


TABLE = [
    #    what moves                                            confirm  last look  after it
    Row({"mover": "tax"},                                      STALE,   FAILED,    ALARM),
    Row({"mover": "balance"},                                  STALE,   FAILED,    ALARM),
    Row({"mover": "coupon"},                                   STALE,   FAILED,    ALARM),
    Row({"mover": "pending_item"},                             STALE,   FAILED,    ALARM),
    # Items that the change does not name are no part of its charge.
    Row({"mover": "price"},                                    STALE,   FAILED,    KEPT),
    Row({"mover": "quantity"},                                 STALE,   FAILED,    KEPT),
    Row({"mover": "status"},                                   STALE,   FAILED,    KEPT),
    Row({"mover": "status", "status": "past_due"},             STALE,   FAILED,    KEPT),
    Row({"mover": "status", "status": "paused_collection"},    STALE,   FAILED,    FAILED),
    # Another card is no other amount: it pays, or it does not.
    Row({"mover": "payment_method"},                           FAILED,  FAILED,    FAILED),
    Row({"mover": "payment_method", "payment_method": "pm_card_mastercard"}, KEPT, KEPT, KEPT),
]  # fmt: skip
IDS = [str(row) for row in TABLE]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(template_database: str) -> AsyncIterator[World]:
    """One world; every test has an account of its own."""
    async with matrix_world(template_database) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def place(shared: World) -> AsyncIterator[Place]:
    """An account in the middle of its period; nothing that a test planned is left behind."""
    made = await new_place(shared)
    await made.buy()
    yield made
    for door in ("movers", "faults"):
        await shared.control("DELETE", door)


async def moves_after(place: Place, mover: dict[str, Any], previews: int) -> None:
    """From now on, the thing moves right after this many previews."""
    await place.world.control(
        "POST", "movers", {**mover, "subscription": place.subscription, "after": previews}
    )


async def previews_come_last(place: Place) -> None:
    """Every check reads the state before it previews, so that only the next look can see what moves."""
    slow = {"method": "POST", "path": "/v1/invoices/create_preview", "slow_seconds": 0.5, "times": 2}
    await place.world.control("POST", "faults", slow)


async def charged_minor(place: Place) -> int:
    ledger = (await place.world.control("GET", f"ledger?customer={place.customer}&kind=charge"))["data"]
    return sum(effect["amount_minor"] for effect in ledger)


async def outcome(place: Place, quote: dict[str, Any]) -> str:
    """Confirm, wait for the end, and say what became of it in the words of the table."""
    alarms, before, items = _mismatches(), await charged_minor(place), await _items(place)
    with capture_logs() as logs:
        said = await place.confirm(quote)
        change = await place.world.settled(said.body) if "quote_id" in said.body else {}
        parked = (await place.call("GET", f"/v1/accounts/{place.account_id}")).body["parked"]

        async def is_told() -> bool:
            return _mismatches() - alarms == (1 if parked else 0)

        await place.world.eventually(is_told)
    charged = await charged_minor(place) - before
    assert len([line for line in logs if line["event"] == "quote.mismatched"]) == (1 if parked else 0)
    if parked:
        assert change["state"] == "settled"
        return ALARM
    if change.get("state") == "settled":
        assert (charged, change["now"]["difference_minor"]) == (quote["due_today"]["amount_minor"], 0)
        return KEPT
    assert (charged, [i for i in await place.invoices() if i["status"] == "open"]) == (0, [])
    assert {item: n for item, n in (await _items(place)).items() if "seats" in item} == {
        item: n for item, n in items.items() if "seats" in item
    }
    return FAILED if change else _stale(said)


def _stale(said: Said) -> str:
    assert (said.status, said.body["code"]) == (409, "quote_stale"), said.body
    assert said.body["new_quote"]["fingerprint"]
    return STALE


def _mismatches() -> float:
    return REGISTRY.get_sample_value("quote_mismatch_total") or 0


async def _items(place: Place) -> dict[str, int]:
    found = (await place.read())["items"]["data"]
    return {item["price"]["lookup_key"] or item["price"]["id"]: item["quantity"] for item in found}


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_between_quote_and_confirm(place: Place, row: Row) -> None:
    """An increase: what moved since the admin saw the amounts is found when they are confirmed."""
    await moves_after(place, row.mover, QUOTED_NOW)
    quote = (await place.quote(MORE)).body
    assert (await place.world.control("GET", "movers"))["planned"] == []
    assert row.before_confirm == await outcome(place, quote)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_between_confirm_and_the_last_look(place: Place, row: Row) -> None:
    """An increase: right before the call leaves, the same question is asked once more."""
    quote = (await place.quote(MORE)).body
    await moves_after(place, row.mover, 1)
    await previews_come_last(place)
    assert row.before_the_last_look == await outcome(place, quote)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_between_the_last_look_and_the_update(place: Place, row: Row) -> None:
    """An increase: nothing can be asked any more. Another charge than the quote's never stays unnoticed."""
    quote = (await place.quote(MORE)).body
    await moves_after(place, row.mover, 2)
    await previews_come_last(place)
    assert row.after_the_last_look == await outcome(place, quote)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_between_quote_and_confirm_of_a_decrease(place: Place, row: Row) -> None:
    """A decrease at renewal charges nothing, and shows what renews: that moved, so it is shown again."""
    await moves_after(place, row.mover, QUOTED_LATER)
    quote = (await place.quote(FEWER)).body
    said = await place.confirm(quote)
    if row.mover["mover"] == "payment_method":
        assert (said.status, said.body["state"]) == (200, "scheduled")
    else:
        assert _stale(said) == STALE
        assert (await place.read())["schedule"] is None


@pytest.mark.parametrize("row", TABLE, ids=IDS)
async def test_between_price_and_confirm_of_an_approval(place: Place, row: Row) -> None:
    """Support approves a credit now: what moved since the price was made refuses it, and it stays open."""
    path = f"/v1/accounts/{place.account_id}/change-requests"
    body = {"terms": LOWER, "effective": "now", "reason": "We are fewer.", "actor": ADMIN}
    request = f"/v1/change-requests/{(await place.call('POST', path, body)).body['id']}"
    await moves_after(place, row.mover, QUOTED_NOW)
    said = await place.call("POST", f"{request}/approve", {"actor": HELPER})
    if row.mover["mover"] == "payment_method":
        assert (said.status, said.body["state"]) == (200, "approved")
    else:
        assert _stale(said) == STALE
        assert (await place.call("GET", request)).body["state"] == "submitted"
