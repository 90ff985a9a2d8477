"""`prorata portal-link`: a page of Stripe's, for the primary admin only."""

from __future__ import annotations

import json

from tests.cli.shell import Shell


async def test_it_prints_the_link(acme: Shell) -> None:
    """Plain for a person, JSON for a script."""
    plain = await acme.quick("portal-link", "acme", "--user", "ada")
    script = await acme.quick("portal-link", "acme", "--user", "ada", "--json")
    assert plain.out.startswith("http")
    assert json.loads(script.out)["url"].startswith("http")


async def test_somebody_else_is_refused(acme: Shell) -> None:
    """Whoever may not buy may not give the card either."""
    said = await acme.quick("portal-link", "acme", "--user", "mallory")
    assert (said.code, said.out) == (4, "")
    assert said.err.startswith("prorata: not_billing_admin")
