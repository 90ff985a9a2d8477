"""A change request as its people live it: what each of them finds in the mail, and when."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sync.rules.money import format_minor
from sync.store import notices
from tests.faults.processes import environment
from tests.flows.world import ADMIN, MARKETING, World, whole_world
from tests.worker.mail import REQUEST, Mailbox, mail_server, only, store, text_of
from worker.app import started

BOUGHT = replace(MARKETING, tier="pro", seats=6)
SUPPORT = "help@prorata.example"
SENDER = "Prorata <billing@prorata.example>"
HELPER = "sam"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mail_server() as opened:
        yield opened


@pytest.fixture
async def world(database_url: str, box: Mailbox) -> AsyncIterator[World]:
    """Everything running, and a mail server; the account `acme` reads French."""
    async with whole_world(database_url, **mail_settings(box)) as made:
        await made.sell(BOUGHT, replace(BOUGHT, tier="plus"), replace(BOUGHT, interval="year"))
        await made.account(locale="fr")
        await made.change(BOUGHT.to_json())
        await made.pass_time(14 * 86_400)
        yield made


def mail_settings(box: Mailbox) -> dict[str, Any]:
    return {"smtp_url": SecretStr(box.url), "mail_from": SENDER, "support_email": SUPPORT}


async def ask(world: World, **wish: Any) -> dict[str, Any]:
    body = {"effective": "now", "reason": "Nous <b>sommes</b> moins nombreux.", "actor": ADMIN, **wish}
    said = await world.call("POST", "/v1/accounts/acme/change-requests", body)
    assert said.status == 201, said.body
    return said.body


async def decide(world: World, request: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    path = f"/v1/change-requests/{request['id']}/{verb}"
    said = await world.call("POST", path, {"actor": HELPER, **body})
    assert said.status == 200, said.body
    return said.body


def to(box: Mailbox, address: str) -> list[Any]:
    return [message for message in box.arrived if message["To"] == address]


async def test_request_tells_both_sides(world: World, box: Mailbox) -> None:
    """The admin hears in French that it has arrived, support in English that it waits."""
    request = await ask(world, terms={"tier": "plus"})
    await box.until(2)
    [admin], [support] = to(box, "ada@acme.example"), to(box, SUPPORT)

    assert admin["Subject"] == "Nous avons reçu votre demande pour le compte Acme"
    assert "- Formule\u00a0: Pro → Plus" in text_of(admin)
    assert request["id"] in text_of(admin)
    assert "&lt;b&gt;sommes&lt;/b&gt;" in text_of(admin, "html")
    assert support["Subject"] == "Change request from Acme"
    assert "> Nous <b>sommes</b> moins nombreux." in text_of(support)


async def test_what_costs_money_comes_with_its_amounts(world: World, box: Mailbox) -> None:
    """Paying by the year: the mail has the quote's two amounts as the French write them."""
    request = await ask(world, terms={"interval": "year"})
    quote = (await decide(world, request, "approve"))["quote"]
    await box.until(3)
    [mail] = [
        each for each in to(box, "ada@acme.example") if each["Subject"].startswith("Veuillez confirmer")
    ]
    said, later = text_of(mail), quote["from_now_on"]["amount"]["amount_minor"]

    [today] = re.findall(r"À payer aujourd’hui\u00a0: (.*)", said)
    assert re.fullmatch(r"[\d\u202f]+,\d\d\u00a0USD", today)
    stored = [
        row for row in await notices.newest(world.billing.pool, 9, failed=False) if "confirm" in row.kind
    ]
    assert today == format_minor(stored[0].data["due_today_minor"], "usd", "fr")
    assert f"Ensuite\u00a0: {format_minor(later, 'usd', 'fr')} par an" in said
    assert "Rien n’a été modifié ni débité" in said


async def test_refusal_comes_with_its_reason(world: World, box: Mailbox) -> None:
    """Declined: support's own words, marked as theirs."""
    request = await ask(world, terms={"tier": "plus"})
    await decide(world, request, "decline", note="Vos rapports ont besoin de Pro.\nDésolé !")
    await box.until(3)
    [mail] = [each for each in box.arrived if each["Subject"].endswith("est refusée")]

    assert "> Vos rapports ont besoin de Pro.\n> Désolé !" in text_of(mail)


async def test_other_address_of_the_request_is_told_too(world: World, box: Mailbox) -> None:
    """The one that the form named, at its longest; each mail has an identity of its own."""
    other = f"{'x' * 64}@{'y' * 240}.example"
    request = await ask(world, terms={"tier": "plus"}, contact_email=other)
    await decide(world, request, "approve", effective="renewal")
    await box.until(5)

    assert [len(to(box, address)) for address in ("ada@acme.example", other, SUPPORT)] == [2, 2, 1]
    assert len({message["Message-ID"] for message in box.arrived}) == 5


async def test_stored_data_is_what_the_templates_are_tested_with(world: World, box: Mailbox) -> None:
    """The sample that every template is rendered with has the very members that are stored."""
    request = await ask(world, terms={"tier": "plus"})
    await decide(world, request, "withdraw", actor=ADMIN)
    rows = await notices.newest(world.billing.pool, 9, failed=False)

    assert {frozenset(row.data) for row in rows} == {frozenset(REQUEST)}


async def test_without_a_mail_server_notices_wait(database_url: str, box: Mailbox) -> None:
    """Nothing is tried, nothing is lost and changes go on; a day later there is one, and all is sent once."""
    async with whole_world(database_url) as world:
        await world.buy()
        pool = world.billing.pool
        for number in range(20):
            await store(pool, f"k{number}")
        assert "settled" == (await world.change({"seats": 8}))["state"]
        rows = await notices.newest(pool, 100, failed=False)
        assert {(0, None)} == {(row.attempts, row.sent_at) for row in rows}

        await pool.execute("UPDATE notice SET created_at = created_at - interval '1 day'")
        settings = world.settings.model_copy(update=mail_settings(box))
        async with started(settings, doors=False, work=True):
            await box.until(len(rows))

    assert len(rows) == len(box.arrived) == len({mail["Message-ID"] for mail in box.arrived}) >= 20


@pytest.mark.parametrize(("point", "arrived"), [("notice.before_call", 0), ("notice.after_call", 1)])
async def test_worker_killed_before_it_wrote_down_that_it_sent(
    database_url: str, box: Mailbox, tmp_path: Path, point: str, arrived: int
) -> None:
    """What had arrived comes a second time, under the same Message-ID, and then never again."""
    async with whole_world(database_url, work=False) as world:
        await world.account()
        pool = world.billing.pool
        await store(pool, "k1")
        dead = await _work(world, box, tmp_path, point)
        assert await asyncio.wait_for(dead.wait(), 60) == -signal.SIGKILL
        assert ((await only(pool, "k1")).sent_at, len(box.taken)) == (None, arrived)

        # As if the dead one's lease were over.
        await pool.execute("UPDATE notice SET next_attempt_at = now()")
        alive = await _work(world, box, tmp_path)
        try:
            await box.until(arrived + 1, seconds=60)
            alive.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(alive.wait(), 60) == 0
        finally:
            if alive.returncode is None:
                alive.kill()
                await alive.wait()
        assert (await only(pool, "k1")).sent_at is not None

    assert arrived + 1 == len(box.arrived)
    assert 1 == len({mail["Message-ID"] for mail in box.arrived})


async def _work(world: World, box: Mailbox, folder: Path, *failpoints: str) -> asyncio.subprocess.Process:
    """A real `prorata work` with our mail server."""
    mail = {"PRORATA_SMTP_URL": box.url, "PRORATA_MAIL_FROM": SENDER, "PRORATA_SUPPORT_EMAIL": SUPPORT}
    with (folder / "work.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", "work", env=environment(world, *failpoints) | mail,
            cwd=Path(__file__).parents[2], stdout=log, stderr=log,
        )  # fmt: skip
