"""`prorata policy`: the file checked, its table shown, a change explained; and an account's history."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from sync import usage
from sync.billing import Billing
from tests.cli.shell import Shell

PACKAGED = resources.files("sync.rules").joinpath("policy.toml").read_text("utf-8")
PRO = "product=marketing,tier=pro,contact_limit=2500,seats=8,sms=1"


async def test_explain_needs_nothing(bare: Shell) -> None:
    """No database and no key: each difference with its decision, then what becomes of the whole."""
    said = await bare.quick("policy", "explain", "--from", PRO, "--to", "contact_limit=5000,seats=6")

    assert said.code == 0, said.err
    assert "contact_limit: 2500 -> 5000  (up)" in said.out
    assert "More contacts take effect now, and only if the prorated amount is paid." in said.out
    assert "after renewal         marketing pro, 5,000 contacts, 6 seats + 1 sms, per month" in said.out
    assert said.out.rstrip().endswith("one part takes effect now, the other at the next renewal")


async def test_explain_as_data(bare: Shell) -> None:
    """Scripts read what is decided, when, and how it is billed."""
    found = await bare.good("policy", "explain", "--from", PRO, "--to", "tier=plus,sms=0")

    decided = [(part["pointer"], part["decision"], part["when"]) for part in found["differences"]]
    assert decided == [
        ("/terms/tier", "by_request", ["now", "renewal"]),
        ("/terms/add_ons/sms", "by_request", ["now", "renewal"]),
    ]
    assert (found["summary"]["outcome"], found["now"]) == ("by_request", None)


async def test_explain_a_first_purchase(bare: Shell) -> None:
    """Without present terms it is a purchase."""
    found = await bare.good("policy", "explain", "--to", "product=sales,tier=plus,contact_limit=500")
    assert [part["dimension"] for part in found["differences"]] == ["purchase"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", PRO, "--to", "seats"), "--to seats: write NAME=VALUE"),
        (("--from", PRO, "--to", " , "), "--to: say at least one NAME=VALUE"),
        (("--from", PRO, "--to", "seats=many"), "seats=many: must be a whole number"),
        (("--from", PRO, "--to", "fax=1"), "there is no add-on 'fax'"),
        (("--from", "tier=pro", "--to", "seats=9"), "product"),
        (("--from", PRO, "--account", "acme", "--to", "seats=9"), "--from and --account: give one of them"),
        (("--from", PRO, "--to", "contact_limit=777"), "contact_limit 777 is not sold"),
    ],
)
async def test_a_wrong_question_is_refused_in_words(bare: Shell, words: tuple[str, ...], said: str) -> None:
    """Code 2, and what to write instead."""
    answer = await bare.quick("policy", "explain", *words)
    assert (answer.code, said in answer.err) == (2, True), answer.err


async def test_explain_for_an_account(shop: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """With its terms and with what it uses: three seats are in use, so two are refused."""
    del first
    await usage.record(billing, "acme", 10, 3)
    more = await shop.good("policy", "explain", "--account", "acme", "--to", "seats=5")
    assert (more["from"]["seats"], more["summary"]["outcome"]) == (3, "now")
    await usage.record(billing, "acme", 1200, 3)
    less = await shop.good("policy", "explain", "--account", "acme", "--to", "contact_limit=500")
    assert ["contacts_in_use"] == [refusal["code"] for refusal in less["refusals"]]
    assert less["summary"]["outcome"] == "refused"

    said = await shop.quick("policy", "explain", "--account", "nobody", "--to", "seats=5")
    assert (said.code, "account_unknown" in said.err) == (3, True)


async def test_check_names_every_fault_of_the_file(bare: Shell) -> None:
    """Code 4 and all faults; the packaged file has none."""
    assert (await bare.good("policy", "check"))["problems"] == []
    path = bare.folder / "policy.toml"
    path.write_text(PACKAGED.replace('on_approval = ["now"]', 'on_approval = ["now", "renewal"]').replace(
        '"support"', '"boss"'
    ))  # fmt: skip
    bare.environment["PRORATA_POLICY"] = str(path)
    said = await bare.quick("policy", "check")

    assert said.code == 4
    assert "who.decide_requests names the unknown role 'boss'" in said.err
    assert "cancellation undo *: takes effect now only" in said.err


async def test_show_is_the_whole_table(bare: Shell) -> None:
    """Who, every rule, and what each state of a subscription leaves."""
    shown = await bare.good("policy", "show")
    said = await bare.quick("policy", "show")

    assert shown["who"]["change_billing"] == ["primary_admin"]
    assert len(shown["rules"]) == PACKAGED.count("[[rules]]")
    assert {"past_due": "full", "unpaid": "read_only"}.items() <= {
        row["status"]: row["level"] for row in shown["entitlements"]
    }.items()
    assert "self_serve_at_renewal" in said.out


async def test_an_accounts_history(shop: Shell, first: dict[str, Any]) -> None:
    """What was in force, since when, and by which change; only where it is asked for."""
    plain = await shop.quick("accounts", "show", "acme")
    said = await shop.quick("accounts", "show", "acme", "--history")

    assert first["id"] not in plain.out
    assert f"marketing plus, 1,000 contacts, 3 seats, per month  ({first['id']}, now)" in said.out
    [period] = (await shop.good("accounts", "show", "acme", "--history"))["history"]
    assert (period["change_id"], period["ended_at"]) == (first["id"], None)


async def test_a_state_that_takes_something_away_is_shown(
    shop: Shell, billing: Billing, first: dict[str, Any]
) -> None:
    """Support sees at a glance that an account can only read, and why."""
    del first
    subscription_id = await billing.pool.fetchval("SELECT stripe_subscription_id FROM account")
    await billing.pool.execute(
        "INSERT INTO stripe_subscription SELECT (jsonb_populate_record(NULL::stripe_subscription, $1)).*",
        _unpaid(subscription_id),
    )
    said = await shop.quick("accounts", "show", "acme")
    assert "READ ONLY             Invoices stayed unpaid; pay them to use everything again." in said.out


def _unpaid(subscription_id: str) -> dict[str, Any]:
    """Our copy of a subscription that Stripe gave up collecting for."""
    return {
        "id": subscription_id, "customer_id": "cus_x", "status": "unpaid", "currency": "usd",
        "billing_mode": "flexible", "collection_method": "charge_automatically",
        "pending_update_metadata": {}, "cancel_at_period_end": False, "collection_paused": False,
        "automatic_tax": False, "metadata": {}, "created_unix": 1,
    }  # fmt: skip
