"""`prorata adopt` and `prorata backfill` as a script meets them, and as a machine that dies leaves them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.adopt.builders import BASE, CONTACTS, SEATS
from tests.adopt.shop import Shop
from tests.cli.shell import NOWHERE, Shell
from tests.faults.processes import environment
from tests.flows.world import World

PLUS = {BASE: 1, CONTACTS: 1, SEATS: 2}
MANY = 24


@pytest.fixture
async def shell(tmp_path: Path, world: World) -> Shell:
    """The command, on the world's database and Stripe; no event disturbs what it prints."""
    await world.control("POST", "delivery", {"mode": "drop", "share": 1.0})
    return Shell(tmp_path, {**environment(world), "PATH": ""})


async def test_adopt_prints_an_object_for_each_and_a_summary(shell: Shell, shop: Shop) -> None:
    """With --json one document: every subscription with its terms or its reasons, and how many there were."""
    await shop.tagged(BASE, CONTACTS, SEATS)
    good = await shop.subscribe(await shop.customer(account_id="acme"), PLUS)
    strange = await shop.subscribe(await shop.customer(), {CONTACTS: 1})
    tried = await shell.good("adopt", "--all", "--admin", "ada", "--dry-run")
    done = await shell.good("adopt", "--all", "--admin", "ada")
    by_id = {each["subscription_id"]: each for each in done["subscriptions"]}
    report = await shell.good("adopt", "--report")

    assert {"subscriptions": 2, "adopted": 0, "would_adopt": 1, "already": 0, "refused": 1,
            "reasons": {"no_base_item": 1}} == tried["summary"]  # fmt: skip
    assert (1, 1) == (done["summary"]["adopted"], done["summary"]["refused"])
    assert ("acme", 5) == (by_id[good]["account_id"], by_id[good]["terms"]["seats"])
    assert {"metadata"} == {item["by"] for item in by_id[good]["items"]}
    assert ["no_base_item"] == [reason["code"] for reason in by_id[strange]["reasons"]]
    assert [strange] == [each["subscription_id"] for each in report["refused"]]


async def test_adopt_one_that_is_refused_is_code_4(shell: Shell, shop: Shop) -> None:
    """A script that asks for one subscription hears of its refusal; for a person it is a sentence."""
    await shop.tagged(CONTACTS)
    strange = await shop.subscribe(await shop.customer(), {CONTACTS: 1})
    said = await shell.quick("adopt", "--subscription", strange)
    missing = await shell.quick("adopt", "--subscription", "sub_nobody")

    assert 4 == said.code
    assert "no_base_item: No item stands for the product and its tier." in said.out
    assert "primary_admin_missing" in said.out
    assert (3, True) == (missing.code, "Nothing was changed" in missing.err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Give one of --all"),
        (("--all", "--report"), "Give one of --all"),
        (("--subscription", "../customers/cus_1"), "no subscription's id"),
        (("--subscription", "sub_1?limit=1"), "no subscription's id"),
        (("--all", "--map", "nowhere.toml"), "cannot be read"),
        (("--all", "--map", "bad.toml"), "slot is no slot"),
        (("--all", "--account-id-from", "name"), "write metadata.KEY"),
        (("--all", "--admin", "ada", "--primary-admin-from", "metadata.x"), "either"),
    ],
)
async def test_adopt_says_what_is_wrong_with_its_options(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    """Code 2, with the name of the option, and nothing was done: not even a connection is made."""
    shell = Shell(tmp_path, {"DATABASE_URL": NOWHERE, "STRIPE_API_KEY": "sk_test_x"})
    (shell.folder / "bad.toml").write_text('[prices.price_1]\nslot = "base"\n')
    said = await shell.quick("adopt", *words)
    assert (2, "") == (said.code, said.out)
    assert message in said.err
    assert "Nothing was done." in said.err


async def test_adopt_with_a_mapping_file(shell: Shell, shop: Shop) -> None:
    """The operator names foreign prices and accepts an amount; the file's words are the documented ones."""
    await shop.tagged(BASE, CONTACTS)
    seat = await shop.price(SEATS, 999)
    subscription = await shop.subscribe(await shop.customer(), PLUS)
    (shell.folder / "map.toml").write_text(f'[prices.{seat}]\nslot = "{SEATS}"\naccept_amount_minor = 999\n')
    done = await shell.good("adopt", "--subscription", subscription, "--map", "map.toml", "--admin", "ada")
    [found] = done["subscriptions"]
    assert ("adopted", 5) == (found["outcome"], found["terms"]["seats"])
    assert ["other_amount"] == [each["code"] for each in found["remarks"]]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_adopt_ended_in_the_middle_goes_on(
    shell: Shell, shop: Shop, world: World, end: signal.Signals
) -> None:
    """The machine dies, or Ctrl-C is typed, with some adopted and some under way: the next run adopts the
    rest, each once."""
    await shop.tagged(BASE, CONTACTS, SEATS)
    accounts = {}
    for number in range(MANY):
        account_id = f"account-{number}"
        accounts[await shop.subscribe(await shop.customer(account_id=account_id), PLUS)] = account_id
    in_order = [accounts[subscription] for subscription in sorted(accounts)]
    pool = world.billing.pool

    async def half_done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM account") == MANY // 2)

    async with _held(world, in_order[MANY // 2 : MANY // 2 + 3]):
        await _ended(shell, ("adopt", "--all", "--admin", "ada"), world, half_done, end)
    assert MANY // 2 == await pool.fetchval("SELECT count(*) FROM account_terms")
    done = await shell.good("adopt", "--all", "--admin", "ada")

    assert (MANY // 2, MANY // 2) == (done["summary"]["already"], done["summary"]["adopted"])
    assert MANY == await pool.fetchval("SELECT count(*) FROM account_terms WHERE ended_at IS NULL")


@asynccontextmanager
async def _held(world: World, account_ids: list[str]) -> AsyncIterator[None]:
    """Nobody gets past the insertion of these accounts, and at the end they never were."""
    held = world.billing.pool
    async with held.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        for account_id in account_ids:
            await connection.execute(
                "INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, "
                "primary_admin_email) VALUES ($1, 'e', 'n', 'en', 'usd', 'u', 'e')",
                account_id,
            )
        try:
            yield
        finally:
            await transaction.rollback()


async def _ended(
    shell: Shell,
    words: tuple[str, ...],
    world: World,
    when: Callable[[], Awaitable[bool]],
    end: signal.Signals = signal.SIGKILL,
) -> None:
    """Run the command until `when`, then end it, and its transactions with it."""
    process = await shell.start(*words)
    try:
        await world.eventually(when)
    finally:
        process.send_signal(end)
        await process.communicate()
    assert (130 if end is signal.SIGINT else -end) == process.returncode
    # The server would notice once the locks that they wait for are free.
    sql = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'prorata-cli'"
    )
    await world.billing.pool.execute(sql)


async def test_backfill_killed_in_the_middle_goes_on(shell: Shell, shop: Shop, world: World) -> None:
    """Streams that came to their end are not read again, and the interrupted one goes on at its cursor."""
    customers = [await shop.customer(card=None) for _ in range(103)]
    pool = world.billing.pool

    async def first_page_is_in() -> bool:
        sql = "SELECT position ->> 'after' FROM progress WHERE name = 'backfill:customer'"
        done = "SELECT count(*) FROM progress WHERE name LIKE 'backfill:%' AND (position ->> 'done')::bool"
        return await pool.fetchval(sql) is not None and await pool.fetchval(done) == 8

    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("INSERT INTO stripe_object (id, kind) VALUES ($1, 'customer')", customers[0])
        await _ended(shell, ("backfill",), world, first_page_is_in)
        await transaction.rollback()
    assert 100 == await pool.fetchval("SELECT count(*) FROM stripe_customer")
    before = len((await world.control("GET", "state"))["requests"])
    done = await shell.good("backfill")
    asked = [each["path"] for each in (await world.control("GET", "state"))["requests"][before:]]

    assert 103 == await pool.fetchval("SELECT count(*) FROM stripe_customer")
    assert (True, 103) == (done["resumed"], done["streams"]["customer"]["objects"])
    assert 1 == len([path for path in asked if "/v1/customers" in path])
    assert [] == [path for path in asked if "/v1/products" in path]
    again = await shell.good("backfill")
    assert (False, 103) == (again["resumed"], again["streams"]["customer"]["objects"])
