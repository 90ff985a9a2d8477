"""`prorata stop | go` and `prorata accounts park | unpark`: what is typed when something is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sync import quotes
from sync.billing import Billing
from sync.rules.terms import PartialTerms
from tests.cli.conftest import confirmed
from tests.cli.shell import Said, Shell

SEATS = ("quote", "acme", "--as", "ada", "--set", "seats=5")
MORE = PartialTerms(seats=5)


async def test_stop_shuts_every_door_and_go_opens_them(acme: Shell, first: dict[str, Any]) -> None:
    """A quote and a push are refused with 4 meanwhile; the answer says who, why and since when."""
    stopped = await acme.good("stop", "--reason", "wrong prices", "--as", "olga")
    assert stopped["moved"]
    assert ("olga", "wrong prices") == tuple(stopped["all_accounts"][name] for name in ("actor", "reason"))
    for words in (SEATS, ("catalog", "push", "--yes")):
        said = await acme.quick(*words)
        assert (said.code, said.out) == (4, ""), said
        assert said.err.startswith("prorata: writes_stopped: All changes at Stripe are stopped"), said
    assert (await acme.good("go"))["all_accounts"] is None
    assert [] == (await acme.good(*SEATS))["refusals"]


async def test_confirm_is_refused_while_stopped(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """4, and nothing was charged; scripts see that it may be repeated."""
    quote = await quotes.create(billing, "acme", "ada", MORE)
    await acme.good("stop", "--account", "acme")
    said = await acme.quick("confirm", quote["id"], "--as", "ada", "--yes", "--json")

    document = json.loads(said.err)
    assert (4, "writes_stopped", True) == (said.code, document["code"], document["retryable"])
    assert "nothing was charged" in document["detail"]


async def test_second_stop_keeps_the_first_reason(acme: Shell) -> None:
    """Both switches are safe to repeat: 0, and a word about it."""
    await acme.good("stop", "--reason", "first")
    again = await acme.quick("stop", "--reason", "second", "--json")
    assert (0, False, "first") == (again.code, again.data["moved"], again.data["all_accounts"]["reason"])
    assert "were stopped already" in again.err
    await acme.good("go")
    assert "were not stopped" in (await acme.quick("go")).err


async def test_account_s_own_switch_stays_until_it_is_named(acme: Shell) -> None:
    """`go` for all does not forget that one account was stopped for a reason of its own."""
    await acme.good("stop", "--account", "acme", "--reason", "disputes everything")
    await acme.good("stop")
    left = await acme.good("go")
    assert (None, ["acme"]) == (left["all_accounts"], [each["account_id"] for each in left["accounts"]])
    text = (await acme.quick("go", "--dry-run")).out
    assert "STOPPED since" in text
    assert "disputes everything" in text
    assert [] == (await acme.good("go", "--account", "acme"))["accounts"]


async def test_switches_can_be_tried(acme: Shell) -> None:
    """A dry run moves nothing, for each of the four."""
    assert "would stop" in (await acme.quick("stop", "--dry-run")).err
    assert "would hold" in (await acme.quick("accounts", "park", "acme", "--reason", "r", "--dry-run")).err
    await acme.good("stop")
    await acme.good("accounts", "park", "acme", "--reason", "r")
    assert "would let" in (await acme.quick("go", "--dry-run")).err
    await acme.quick("accounts", "unpark", "acme", "--reason", "r", "--dry-run")
    status = await acme.good("stop", "--dry-run")
    assert (True, 1) == (status["all_accounts"] is not None, status["parked_accounts"])


async def test_stop_needs_no_key_of_stripe_s(acme: Shell) -> None:
    """Whoever reaches the database can stop it, also on a machine that has no key."""
    assert 0 == (await acme.quick("stop", STRIPE_API_KEY="")).code


@pytest.mark.parametrize(
    "words",
    [
        ("stop", "--account", "nobody"),
        ("go", "--account", "nobody"),
        ("stop", "--account", "nobody", "--dry-run"),
        ("accounts", "park", "nobody", "--reason", "r"),
        ("accounts", "unpark", "nobody", "--reason", "r"),
    ],
    ids=" ".join,
)
async def test_3_for_an_account_that_does_not_exist(acme: Shell, words: tuple[str, ...]) -> None:
    """A wrong id stops nobody, and is told apart."""
    said = await acme.quick(*words)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("prorata: account_unknown")


@pytest.mark.parametrize(
    "words",
    [
        ("accounts", "park", "acme"),
        ("accounts", "unpark", "acme"),
        ("accounts", "park", "acme", "--reason", " "),
        ("stop", "--reason", ""),
        ("stop", "--as", "x" * 201),
    ],
    ids=lambda words: " ".join(words)[:40],
)
async def test_2_without_a_reason(acme: Shell, words: tuple[str, ...]) -> None:
    """Who and why are kept for those who look later."""
    said = await acme.quick(*words)
    assert (said.code, said.out) == (2, "")
    assert (await acme.good("go", "--dry-run"))["all_accounts"] is None


async def test_parked_account_is_shown_everywhere(acme: Shell, first: dict[str, Any]) -> None:
    """In the account, in its story, and by the doctor; until it is unparked nothing is quoted."""
    parked = await acme.good("accounts", "park", "acme", "--reason", "odd invoice", "--as", "olga")
    assert "odd invoice" == parked["parked"]["reason"]
    assert "odd invoice" in (await acme.quick("accounts", "show", "acme")).out
    assert "hold   park acme, by olga: odd invoice" in (await acme.quick("show", "acme")).out
    assert 5 == (await acme.quick(*SEATS)).code
    assert "1 parked" in _doctor(await acme.quick("doctor", "--json"))["found"]
    assert (await acme.good("accounts", "unpark", "acme", "--reason", "fine"))["parked"] is None
    assert "ok" == _doctor(await acme.quick("doctor", "--json"))["status"]
    assert [] == (await acme.good(*SEATS))["refusals"]


async def test_doctor_reminds_of_a_stop(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """A warning with who and since when, and what to do; a change that waits has the stop in its story."""
    change = await confirmed(billing, MORE)
    await acme.good("stop", "--reason", "wrong prices", "--as", "olga")
    found = _doctor(await acme.quick("doctor", "--json"))
    assert "warn" == found["status"]
    assert "ALL writes are stopped since" in found["found"]
    assert "by olga" in found["found"]
    assert "`prorata go`" in found["advice"]
    assert "hold   stop all accounts, by olga: wrong prices" in (await acme.quick("show", change["id"])).out
    await acme.good("go")


async def test_quote_shows_its_warning(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """Eight changes within a day are printed below the amounts."""
    await billing.pool.execute(
        """
        INSERT INTO stripe_call (key, subject_id, step, method, path, params, first_sent_at, last_sent_at,
                                 sends, answered_at, http_status)
        SELECT 'earlier:' || number, 'chg_earlier', 'send', 'POST',
               '/v1/subscriptions/' || stripe_subscription_id, '{"items": [{"quantity": 1}]}',
               at, at, 1, at, 200
          FROM account, generate_series(1, 8) AS number, (SELECT now() - interval '1 hour') AS lately (at)
        """
    )
    said = await acme.quick(*SEATS)
    assert 0 == said.code
    assert "WARNING               8 changes of this subscription were invoiced within a day" in said.out


def _doctor(said: Said) -> dict[str, Any]:
    [found] = [each for each in said.data if each["name"] == "outgoing writes"]
    return dict(found)
