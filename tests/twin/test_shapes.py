"""The shape of every answer of every operation, against the SDK's classes and through the SDK's parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from tests.twin.api import JSON, Api
from tests.twin.sdk_types import problems
from tests.twin.tour import Answers, tour
from worker.twin.operations import OPERATIONS
from worker.twin.server import RunningTwin

# Always refused, so that no answer has a shape: refunds to cards, and payments that belong to an invoice.
REFUSED = {"refund_cancel", "payment_intent_cancel"}


@pytest.fixture
async def answers(
    twin: RunningTwin, api: Api, sdk: stripe.StripeClient, monkeypatch: pytest.MonkeyPatch
) -> Answers:
    """One answer at least of every operation."""
    return await tour(twin, api, sdk, monkeypatch)


def read(value: Any) -> int:
    """Read every attribute of a parsed object, at any depth; returns how many there were."""
    if isinstance(value, list):
        return sum(read(row) for row in value)
    if not isinstance(value, stripe.StripeObject):
        return 0
    names = list(value.to_dict(recursive=False))
    return len(names) + sum(read(value[name]) for name in names)


def parsed(answer: JSON) -> stripe.StripeObject:
    """An answer as the SDK's user gets it."""
    client = stripe.StripeClient("sk_test_x")
    mode: Any = "V2" if str(answer.get("object", "")).startswith("v2.") else "V1"
    return client.deserialize(json.loads(json.dumps(answer)), api_mode=mode)


async def test_every_answer_has_the_sdk_s_shape(answers: Answers) -> None:
    """Names, types, nulls and enums are those of the SDK's classes, at any depth; the SDK reads them all."""
    assert sorted(set(OPERATIONS) - set(answers) - REFUSED) == [], (
        "operations without an example in tests/twin/tour.py"
    )
    wrong: dict[str, set[str]] = {}
    for operation, examples in answers.items():
        for answer in examples:
            for problem in problems(answer):
                wrong.setdefault(problem, set()).add(operation)
            assert read(parsed(answer)) > 0
    assert wrong == {}


SAMPLE = {"id": "di_1", "object": "discount", "checkout_session": None, "customer": "cus_1"}
SAMPLE |= {"customer_account": None, "end": None, "invoice": None, "invoice_item": None, "start": 1}
SAMPLE |= {"promotion_code": None, "source": {"coupon": "x", "type": "coupon"}}
SAMPLE |= {"subscription": None, "subscription_item": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"colour": "red"}, "discount: has colour, which the SDK does not know"),
        ({"start": None}, "discount.start: is NoneType, not int"),
        ({"start": "1"}, "discount.start: is str, not int"),
        ({"start": True}, "discount.start: is bool, not int"),
        ({"source": {"coupon": "x"}}, "discount.source: lacks type"),
        ({"source": {"coupon": 7, "type": "coupon"}}, "discount.source.coupon: is no object but 7"),
        ({"source": {"coupon": "x", "type": "gift"}}, "discount.source.type: 'gift' is none of the enum"),
    ],
)
def test_the_check_sees_each_kind_of_mistake(change: JSON, problem: str | None) -> None:
    """A check that finds nothing proves nothing: each kind of mistake is found, by name and place."""
    assert problems({**SAMPLE, **change}) == ({problem} if problem else set())


def test_a_missing_field_is_a_mistake() -> None:
    """Also one that may be null: a template is full, or it is none."""
    del (short := dict(SAMPLE))["end"]
    assert problems(short) == {"discount: lacks end"}
