"""Paying for a resumption: tried by hand, and by a bank debit that takes days.

Source: changelog "Adds the subscription pause endpoint" (2026-05-27): what the two values of
`payment_behavior` mean. How long a debit may take is not documented: here it is waited for.
"""

from __future__ import annotations

import pytest

from tests.twin.api import MID_NOVEMBER, Api, amounts, types
from tests.twin.test_pause import DAY, act, advance, now_of, paused

BANK = "pm_usBankAccount_success"
BROKE = "pm_usBankAccount_insufficientFunds"


async def test_an_attempt_that_fails_ends_the_pause_past_due(api: Api) -> None:
    """`resume_on_payment_attempt`: a failed `pay` resumes, unpaid; no retry comes, a good card settles it."""
    subscription = await paused(api)
    held = await act(api, subscription, "resume", expand=["latest_invoice"])
    path = f"/v1/invoices/{held['latest_invoice']['id']}/pay"
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    await api.post(path, status=402)
    now = await now_of(api, subscription)
    assert (now["status"], now["latest_invoice"]["next_payment_attempt"]) == ("past_due", None)
    assert "customer.subscription.resumed" in types(await api.events())
    now = await advance(api, subscription, MID_NOVEMBER + 2 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("past_due", "open")
    await api.post(path, {"payment_method": "pm_card_visa"})
    assert (await now_of(api, subscription))["status"] == "active"


async def test_a_pause_lasts_until_the_debit_has_succeeded(api: Api) -> None:
    """`resume_on_payment_success`: 23 hours pass while the debit is on its way; success ends the pause."""
    subscription = await paused(api)
    await api.new_card(subscription["customer"], BANK)
    await act(api, subscription, "resume", payment_behavior="resume_on_payment_success")
    now = await advance(api, subscription, MID_NOVEMBER + 2 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("paused", "open")
    now = await advance(api, subscription, MID_NOVEMBER + 4 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("active", "paid")
    assert types(await api.events()).count("customer.subscription.resumed") == 1


async def test_a_debit_that_comes_back_leaves_the_pause(api: Api) -> None:
    """Its invoice is void, the subscription still paused, and the next attempt bills anew."""
    subscription = await paused(api)
    await api.new_card(subscription["customer"], BROKE)
    await act(api, subscription, "resume", payment_behavior="resume_on_payment_success")
    now = await advance(api, subscription, MID_NOVEMBER + 4 * DAY)
    assert (now["status"], now["latest_invoice"]["status"]) == ("paused", "void")
    again = await act(api, subscription, "resume", expand=["latest_invoice"])
    assert amounts(again["latest_invoice"])[0] == 10000


@pytest.mark.parametrize(("bank", "after"), [(BANK, "active"), (BROKE, "past_due")])
async def test_a_debit_by_hand_is_an_attempt(api: Api, bank: str, after: str) -> None:
    """`resume_on_payment_attempt`: active while the debit is on its way, past due if it comes back."""
    subscription = await paused(api)
    held = await act(api, subscription, "resume")
    await api.post(f"/v1/invoices/{held['latest_invoice']}/pay", {"payment_method": bank})
    assert (await now_of(api, subscription))["status"] == "active"
    assert (await advance(api, subscription, MID_NOVEMBER + 4 * DAY))["status"] == after
