"""The whole main job from a shell: push, link, quote, confirm, look."""

from __future__ import annotations

from tests.cli.shell import Shell

TERMS = ("product=marketing", "tier=plus", "contact_limit=1000", "seats=3", "interval=month")
SETS = tuple(word for text in TERMS for word in ("--set", text))
WHO = ("--email", "billing@acme.example", "--name", "Acme", "--admin", "ada")
LINK = (*WHO, "--payment-method", "pm_card_visa")


async def test_quoted_is_charged(shop: Shell) -> None:
    """What the quote says today is what the settled change charged, and what the account then buys."""
    async with shop.running("work"):
        await shop.good("accounts", "link", "acme", *LINK)
        quote = await shop.good("quote", "acme", "--as", "ada", *SETS)
        change = await shop.good("confirm", quote["id"], "--as", "ada", "--yes")
        account = await shop.good("accounts", "show", "acme")

    assert (quote["due_today"], change["now"]["charged"]) == (change["now"]["quoted"], quote["due_today"])
    assert quote["due_today"] == {"amount_minor": 6900, "currency": "usd"}
    assert account["terms"] == quote["now"]


async def test_quote_reads_like_a_bill(acme: Shell) -> None:
    """A person sees each line, what is charged today, what comes later, and the next command."""
    said = await acme.run("quote", "acme", "--as", "ada", *SETS)

    assert said.code == 0
    assert "1 × Marketing Plus (at $49.00 / month)" in said.out
    assert "charged today" in said.out
    assert "69.00 USD per month" in said.out
    assert "prorata confirm quo_" in said.err


async def test_push_creates_what_stripe_lacks(shell: Shell) -> None:
    """A dry run creates nothing, the push creates all of it, and a second one finds everything there."""
    path = shell.folder / "catalog.toml"
    path.write_text(SMALL_CATALOG)
    shell.environment["PRORATA_CATALOG"] = str(path)

    dry = await shell.good("catalog", "push", "--dry-run")
    pushed = await shell.good("catalog", "push", "--yes")
    again = await shell.good("catalog", "push", "--yes")

    assert dry["new_prices"] == pushed["new_prices"] != []
    assert (again["new_prices"], again["existing_prices"]) == ([], len(pushed["new_prices"]))


SMALL_CATALOG = """
bands = [1000]
currencies = ["usd"]
seats_max = 10
[tiers]
plus = { en = "Plus", fr = "Plus" }
[products.marketing]
name = { en = "Marketing", fr = "Marketing" }
[products.marketing.tiers.plus]
seats_included = 3
base = { month = { usd = 4900 }, year = { usd = 49000 } }
seat = { month = { usd = 1500 }, year = { usd = 15000 } }
contacts.month.usd = [2000]
contacts.year.usd = [20000]
[add_ons.sms]
name = { en = "SMS", fr = "SMS" }
products = ["marketing"]
tiers = ["plus"]
max_quantity = 5
price = { month = { usd = 900 }, year = { usd = 9000 } }
"""
