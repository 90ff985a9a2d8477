"""Stripe answers badly, late or not at all: one effect or none, and whatever waits has an end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from sync import advance as advancing
from sync.advance import advance
from sync.gateway import Verdict
from sync.gateway.failures import judge
from sync.gateway.transport import Call, Transport
from sync.store.jobs import Job
from sync.store.rate import RateRow
from sync.work import RETRY_SECONDS_MOST
from tests.faults.hands import Hands
from tests.flows.world import ADMIN, MARKETING
from tests.support.patience import ALLOWANCE_SECONDS
from worker import jobs
from worker.jobs import Jobs

WANTED = {"seats": 8}
AN_HOUR_LATER = """
UPDATE change_leg
   SET apply_deadline_at = now() - interval '1 s', clean_read_at = clean_read_at - interval '70 s'
 WHERE change_id = $1
"""


async def path(hands: Hands) -> str:
    return f"/v1/subscriptions/{(await hands.world.subscription())['id']}"


async def test_row_21_a_key_that_is_still_in_use_is_waited_for(mid: Hands) -> None:
    """409, the first request under this key is still running: later the same one, and one effect."""
    change = await mid.confirm(await mid.world.quote(WANTED))
    await mid.fault(method="POST", path=await path(mid), status=409, times=2)
    change = await mid.step(change)
    assert "applied" == change["state"], change["now"]
    sent = await mid.requests("POST", await path(mid))
    assert {f"change:{change['id']}:now:send:1"} == {each["idempotency_key"] for each in sent[-3:]}
    assert 1 == len(await mid.world.effects(change["id"], "charge"))


async def test_row_25_stripe_away_for_hours_charges_nothing_afterwards(mid: Hands) -> None:
    """It is pending while Stripe is away; its deadline passes; afterwards nothing is sent."""
    change = await mid.confirm(await mid.world.quote(WANTED))
    await mid.fault(method="*", path="/v1/*", status=503, times=-1)
    change = await mid.step(change)
    assert change["state"] in ("confirmed", "applying"), change["now"]
    await mid.world.control("DELETE", "faults")
    for _ in range(3):
        await mid.world.billing.pool.execute(AN_HOUR_LATER, change["id"])
        change = await mid.step(change)
    assert "expired" == change["state"]
    assert 0 == await mid.charged(change)


async def test_row_26_a_key_that_stripe_may_have_forgotten_is_not_used_again(mid: Hands) -> None:
    """Sent a day ago, no answer known: only looked at, also where the deadline would still allow it."""
    change = await mid.confirm(await mid.world.quote(WANTED))
    await mid.fault(method="POST", path=await path(mid), reset=True, when="before")
    await mid.step(change)
    sent = len(await mid.requests("POST", await path(mid)))
    await mid.world.billing.pool.execute(
        "UPDATE stripe_call SET first_sent_at = first_sent_at - interval '24 hours' WHERE subject_id = $1",
        change["id"],
    )
    for _ in range(3):
        change = await mid.step(change)
        await mid.world.billing.pool.execute(
            "UPDATE change_leg SET clean_read_at = clean_read_at - interval '70 s' WHERE change_id = $1",
            change["id"],
        )
    assert "expired" == change["state"], change["now"]
    assert (sent, 0) == (len(await mid.requests("POST", await path(mid))), await mid.charged(change))


async def test_row_27_a_key_that_was_used_for_something_else_charges_nothing(mid: Hands) -> None:
    """Somebody used our key with another body: Stripe refuses it, and the change ends without effect."""
    change = await mid.confirm(await mid.world.quote(WANTED))
    url = f"{mid.world.twin.base_url}{await path(mid)}"
    headers = {
        "Authorization": "Bearer sk_test_story",
        "Idempotency-Key": f"change:{change['id']}:now:send:1",
    }
    async with mid.world.client.post(url, data={"description": "other"}, headers=headers) as answer:
        assert 200 == answer.status
    with capture_logs() as lines:
        change = await mid.step(change)
    assert ("applying", "outcome_unknown") == (change["state"], change["now"]["reason"])
    assert ["stripe_key.reused"] == [line["event"] for line in alarms(lines)]
    sent = len(await mid.requests("POST", await path(mid)))
    for _ in range(3):
        await mid.world.billing.pool.execute(AN_HOUR_LATER, change["id"])
        change = await mid.step(change)
    assert ("expired", 0) == (change["state"], await mid.charged(change))
    assert sent == len(await mid.requests("POST", await path(mid)))


@pytest.mark.parametrize("status", [401, 403])
async def test_row_28_a_key_that_is_denied_is_told_once_and_drops_nothing(mid: Hands, status: int) -> None:
    """Nobody is charged while Stripe denies our key; somebody is woken once; then all goes on."""
    changes = [await mid.confirm(await mid.world.quote(WANTED))]
    await mid.fault(method="*", path="/v1/*", status=status, times=-1)
    with capture_logs() as lines:
        for _ in range(4):
            changes.append(await mid.step(changes[0]))
            said = await mid.world.call("POST", "/v1/accounts/acme/quotes", {"terms": WANTED, "actor": ADMIN})
            assert (503, "stripe_unavailable") == (said.status, said.body["code"])
    told = [line for line in alarms(lines) if line["event"] == "stripe.denied"]
    assert alarms(lines) == told
    assert len(told) == len({line["op"] if status == 403 else "" for line in told}) > 0
    assert {"confirmed", "applying"} >= {change["state"] for change in changes}
    assert 0 == await mid.charged(changes[0])

    await mid.world.control("DELETE", "faults")
    change = await mid.settle(await mid.step(changes[0]))
    assert ("settled", 1) == (change["state"], len(await mid.world.effects(change["id"], "charge")))


def alarms(lines: list[Any]) -> list[Any]:
    """The lines that wake somebody."""
    return [line for line in lines if line["log_level"] in ("error", "critical")]


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientConnectorDNSError.__new__(aiohttp.ClientConnectorDNSError),
        aiohttp.ClientConnectorSSLError.__new__(aiohttp.ClientConnectorSSLError),
        aiohttp.ClientConnectorCertificateError.__new__(aiohttp.ClientConnectorCertificateError),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_row_29_no_way_to_stripe_is_an_unknown_outcome(error: BaseException) -> None:
    """DNS, TLS, a connection that is cut: nobody knows, so it is read back before anything else."""
    assert Verdict.UNKNOWN is judge(error).verdict


async def test_row_76_a_step_that_hangs_is_let_go(mid: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never comes back, and would keep its lease for ever: it is given up, and done anew."""
    monkeypatch.setattr(advancing, "LONGEST_SECONDS", 0.5)
    change = await mid.confirm(await mid.world.quote(WANTED))
    held_up = mid.hold_up()
    with pytest.raises(TimeoutError):
        await advance(mid.world.billing, change["id"])
    mid.world.billing.gateway._transport._budget = held_up.plain
    monkeypatch.undo()
    assert "applied" == (await mid.step(change))["state"]
    assert 1 == len(await mid.world.effects(change["id"], "charge"))


async def test_row_75_a_poisoned_change_backs_off_and_stops_nobody(mid: Hands) -> None:
    """Its stored terms cannot be read: every try fails, later and later, and wakes somebody; it is charged
    once, and what is due for others is done."""
    change = await mid.confirm(await mid.world.quote(WANTED))
    pool = mid.world.billing.pool
    await pool.execute("UPDATE change_leg SET terms = '{}' WHERE change_id = $1", change["id"])
    waits = []
    payload = {"change_id": change["id"]}
    for _ in range(4):
        with capture_logs() as lines:
            await run_job(mid, Job.ADVANCE_CHANGE, payload)
        assert [("job.failed", change["id"])] == [
            (line["event"], line["change_id"]) for line in alarms(lines)
        ]
        waits.append(
            await pool.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM change_leg "
                "WHERE change_id = $1", change["id"],
            )
        )  # fmt: skip
    assert sorted(waits) == waits
    assert 2 * waits[0] < waits[-1] <= RETRY_SECONDS_MOST
    assert 1 == len(await mid.world.effects(change["id"], "charge"))

    await mid.world.account("beta")
    others = await mid.confirm(await mid.world.quote(MARKETING.to_json(), "beta"))
    await run_job(mid, Job.ADVANCE_CHANGE, {"change_id": others["id"]})
    assert "applied" == (await mid.look(others))["state"]


async def run_job(hands: Hands, job: Job, payload: dict[str, str]) -> None:
    """As the queue runs it."""
    work = Jobs("", hands.world.billing, scheduled={}).handlers()[job]
    await jobs._timed(job, work(payload), **payload)


async def test_row_78_a_herd_is_let_in_at_the_rate_of_the_budget(mid: Hands) -> None:
    """Everybody calls at once when Stripe is back: one bucket spreads them over all processes, so that Stripe
    refuses none of them and all are through as soon as the rate allows."""
    world, rate, herd = mid.world, 50, 120
    await world.control("POST", "account", {"global_rate_per_second": 2 * rate - 10})
    asked = len(await mid.requests("GET", "/v1/customers"))
    budgets = [RateRow(world.billing.pool, rate) for _ in range(2)]
    callers = [
        Transport(api_key="sk_test_herd", api_base=world.twin.base_url, budget=each) for each in budgets
    ]
    call = Call("customer.list", "GET", "/v1/customers", {})
    # From this moment on tokens come.
    began = time.monotonic()
    await world.billing.pool.execute("UPDATE stripe_rate SET tokens = 0, refilled_at = clock_timestamp()")
    await asyncio.gather(*(callers[number % 2].send(call) for number in range(herd)))
    seconds = time.monotonic() - began
    assert herd == len(await mid.requests("GET", "/v1/customers")) - asked
    assert 0.9 * herd / rate <= seconds < herd / rate + ALLOWANCE_SECONDS
    for each in callers:
        await each.close()
