"""What `prorata up` says once everything runs: addresses, and lines to copy into another shell."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from worker.demo.screen import Screen
from worker.local import Local

if TYPE_CHECKING:
    from worker.config import Settings

BODY = (
    '{"account_id": "acme", "email": "billing@acme.example", "name": "Acme Ltd", "locale": "en", '
    '"currency": "usd", "payment_method": "pm_card_visa", '
    '"primary_admin": {"user_id": "ada", "email": "ada@acme.example"}}'
)
WISH = "--set product=marketing --set tier=plus --set contact_limit=1000 --set seats=3"


def welcome(screen: Screen, settings: Settings, here: Local) -> None:
    """Print it all, ready to be copied."""
    given = settings.database_url is not None
    folder = settings.data_dir.absolute()
    screen.row("API", f"{here.http_url}  (all of it: /openapi.json)")
    screen.row("local Stripe", f"{here.stripe_url}  (its state: {folder}/stripe.json)")
    screen.row("PostgreSQL", "the one of DATABASE_URL" if given else f"embedded, in {folder}/postgres")
    screen.row("logs", str(here.logs))
    screen.line()
    screen.say("For another shell:")
    for line in shell_lines(settings, here):
        screen.line(f"  {line}", "bold")
    screen.line()
    screen.say("Then, for example: make an account, ask what it would pay, and confirm the quote's id.")
    for line in first_calls(here):
        screen.line(f"  {line}", "bold")
    screen.line()
    screen.say("Ctrl-C stops everything; what you made is there the next time.")


def shell_lines(settings: Settings, here: Local) -> list[str]:
    """What a shell needs to use this set-up."""
    names = ("STRIPE_API_KEY", "STRIPE_API_BASE")
    lines = [f"export {name}={quote(here.settings[name])}" for name in names]
    lines.append(f"export PRORATA_DATA_DIR={quote(str(settings.data_dir.absolute()))}")
    if settings.database_url is not None:
        lines.append("export DATABASE_URL=...  # the same as here")
    programs = Path(sys.executable).parent
    if shutil.which("prorata") is None and (programs / "prorata").exists():
        lines.append(f"export PATH={quote(str(programs))}:$PATH")
    lines.append(f"KEY={here.secrets.bootstrap_key}  # an API key with every role")
    return lines


def first_calls(here: Local) -> list[str]:
    """The first request, and the main job from a shell."""
    return [
        f'curl -X POST {here.http_url}/v1/accounts -H "Authorization: Bearer $KEY" \\',
        "  -H 'Idempotency-Key: first' -H 'Content-Type: application/json' \\",
        f"  -d '{BODY}'",
        f"prorata quote acme --as ada {WISH}",
        "prorata confirm QUOTE --as ada",
    ]
