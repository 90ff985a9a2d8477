"""Builders for tests of subscription schedules."""

from __future__ import annotations

from typing import Any

from tests.twin.api import JSON, MONTH, NOVEMBER, Api

DECEMBER = NOVEMBER + MONTH
JANUARY = DECEMBER + 31 * 86400
DAY = 86400


async def adopt(api: Api, subscription: JSON) -> JSON:
    """A schedule made from a subscription."""
    return await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})


def items(*pairs: tuple[str, int]) -> list[JSON]:
    """Phase items of (price, quantity)."""
    return [{"price": price, "quantity": quantity} for price, quantity in pairs]


def present(schedule: JSON, **extra: Any) -> JSON:
    """The first phase as it is, to be sent again."""
    first = schedule["phases"][0]
    return {
        "items": items(*((i["price"], i["quantity"]) for i in first["items"])),
        "start_date": first["start_date"],
        "end_date": first["end_date"],
        **extra,
    }


async def plan(api: Api, schedule: JSON, *phases: JSON, status: int = 200, **extra: Any) -> JSON:
    """An update with these phases."""
    path = f"/v1/subscription_schedules/{schedule['id']}"
    return await api.post(path, {"phases": list(phases), **extra}, status=status)


async def advance(api: Api, clock: str, to: int) -> None:
    """Move a test clock."""
    await api.post(f"/v1/test_helpers/test_clocks/{clock}/advance", {"frozen_time": to})


async def at(api: Api, subscription: JSON, to: int) -> JSON:
    """The subscription at a later moment, with its latest invoice."""
    await advance(api, subscription["test_clock"], to)
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


def shape(subscription: JSON) -> list[tuple[str, int]]:
    """(price, quantity) of the items."""
    return [(i["price"]["id"], i["quantity"]) for i in subscription["items"]["data"]]
