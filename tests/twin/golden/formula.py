"""The arithmetic of a proration a second time, from Stripe's documentation and without the twin's code.

    credit = - old amount x (end - at) / (end - start)      debit = + new amount x (end - at) / (end - start)

in whole seconds, each line rounded by itself to the nearest minor unit, ties toward minus infinity.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from tests.twin.api import JSON, Api, amounts, first_item


def at(text: str) -> int:
    """Unix seconds of a moment in UTC: `2028-02-29` or `2028-02-29T12:00:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def nearest(exact: Fraction) -> int:
    """Nearest integer; a tie goes down."""
    below = math.floor(exact)
    return below if exact - below <= Fraction(1, 2) else below + 1


def credit(amount: int | str, start: int, moment: int, end: int) -> int:
    """The line for the unused time of what cost `amount` (minor units) from `start` to `end`."""
    return nearest(-Fraction(amount) * (end - moment) / (end - start))


def debit(amount: int | str, start: int, moment: int, end: int) -> int:
    """The line for the remaining time."""
    return nearest(Fraction(amount) * (end - moment) / (end - start))


async def changed(api: Api, subscription: JSON, moment: int, **edit: Any) -> list[int]:
    """Change the first item as of `moment`, invoiced now; returns the amounts of the lines."""
    item = {"id": first_item(subscription)["id"], **edit}
    return amounts((await api.change(subscription, item, proration_date=moment))["latest_invoice"])


def period(subscription: JSON) -> tuple[int, int]:
    """The period of the first item."""
    item = first_item(subscription)
    return item["current_period_start"], item["current_period_end"]


async def advance(api: Api, customer: JSON, moment: int) -> None:
    """Move a customer's test clock."""
    path = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(path, {"frozen_time": moment})
