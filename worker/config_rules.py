"""Rules between the variables of the environment, checked on the raw text so that none hides another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

STRIPE_API_BASE: Final = "https://api.stripe.com"
STRIPE_KEY: Final = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]+")
LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
# Of the test suite, not of the product.
NOT_OURS: Final = re.compile(r"PRORATA_(TEST_.*|NO_SKIPS)")


class ConfigError(Exception):
    """The environment cannot be used; `problems` has one `NAME: sentence` each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(("the environment has problems:", *(f"  {line}" for line in self.problems)))
        )


def check(environ: Mapping[str, str]) -> list[str]:
    """Return every broken rule as `NAME: sentence`; values of secrets are never repeated."""
    return [*_database(environ), *_stripe(environ), *_jwt(environ), *_mail(environ), *_bootstrap(environ)]


def warnings(environ: Mapping[str, str], known: list[str]) -> Iterator[str]:
    """Yield what is odd but no reason to refuse, such as a misspelt variable."""
    for name in sorted(environ):
        if name.startswith("PRORATA_") and name not in known and not NOT_OURS.fullmatch(name):
            close = difflib.get_close_matches(name, known, n=1)
            yield f"{name}: is no variable of Prorata{f'; did you mean {close[0]}?' if close else ''}"
    if environ.get("PRORATA_BOOTSTRAP_KEY") and is_live(environ.get("STRIPE_API_KEY", "")):
        yield "PRORATA_BOOTSTRAP_KEY: has every role and the Stripe key is live; make API keys and remove it"


def is_live(stripe_key: str) -> bool:
    """Tell whether a Stripe key moves real money."""
    return stripe_key.startswith(("sk_live_", "rk_live_"))


def _database(environ: Mapping[str, str]) -> Iterator[str]:
    url = environ.get("DATABASE_URL", "")
    if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
        yield "DATABASE_URL: must begin with postgresql://"


def _stripe(environ: Mapping[str, str]) -> Iterator[str]:
    key = environ.get("STRIPE_API_KEY", "")
    base = (environ.get("STRIPE_API_BASE") or STRIPE_API_BASE).rstrip("/")
    if key and not STRIPE_KEY.fullmatch(key):
        yield "STRIPE_API_KEY: must be a secret or restricted key of Stripe (sk_... or rk_...)"
    if environ.get("STRIPE_LOG"):
        yield "STRIPE_LOG: makes Stripe's SDK print whole bodies past our logs, customers' data too; unset it"
    if base == STRIPE_API_BASE:
        if environ.get("PRORATA_FAILPOINTS"):
            yield "PRORATA_FAILPOINTS: kills the process on purpose, so it works on a local Stripe only"
        return
    if key and is_live(key):
        yield "STRIPE_API_BASE: is not Stripe's own address, so STRIPE_API_KEY must be a test key"
    parts = urlsplit(base)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield "STRIPE_API_BASE: plain http would show the key to the network; allowed on this machine only"


def _jwt(environ: Mapping[str, str]) -> Iterator[str]:
    secret, keys = environ.get("PRORATA_JWT_SECRET"), environ.get("PRORATA_JWT_JWKS_URL")
    named = [name for name in ("PRORATA_JWT_ISSUER", "PRORATA_JWT_AUDIENCE") if environ.get(name)]
    if secret and keys:
        yield "PRORATA_JWT_SECRET: cannot be set together with PRORATA_JWT_JWKS_URL"
    if (secret or keys) and len(named) < 2:
        yield "PRORATA_JWT_ISSUER: and PRORATA_JWT_AUDIENCE are both needed to check identity tokens"
    if named and not secret and not keys:
        yield f"{named[0]}: needs PRORATA_JWT_JWKS_URL or PRORATA_JWT_SECRET beside it"


def _mail(environ: Mapping[str, str]) -> Iterator[str]:
    url = environ.get("PRORATA_SMTP_URL", "")
    if url and urlsplit(url).scheme not in ("smtp", "smtps"):
        yield "PRORATA_SMTP_URL: must begin with smtp:// or smtps://"
    elif url and not _names_a_host(url):
        yield "PRORATA_SMTP_URL: names no host, or a port that is no number; write smtps://user:password@host"
    if url and not environ.get("PRORATA_MAIL_FROM"):
        yield "PRORATA_MAIL_FROM: is missing; PRORATA_SMTP_URL needs a sender"
    yield from _address("PRORATA_MAIL_FROM", environ, "Billing <billing@example.com>")
    yield from _address("PRORATA_SUPPORT_EMAIL", environ, "support@example.com")


def _names_a_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname and urlsplit(url).port != 0)
    except ValueError:
        return False


def _address(name: str, environ: Mapping[str, str], example: str) -> Iterator[str]:
    text = environ.get(name)
    if not text:
        return
    from worker.senders import addresses  # only where there is one: most commands send no mail

    try:
        bare = "<" not in example
        (addresses.bare_address if bare else addresses.address_of)(text)
    except addresses.BadAddress:
        yield f"{name}: must be an e-mail address, such as {example}"


def _bootstrap(environ: Mapping[str, str]) -> Iterator[str]:
    key = environ.get("PRORATA_BOOTSTRAP_KEY", "")
    if key and not key.startswith("prk_"):
        yield "PRORATA_BOOTSTRAP_KEY: must begin with prk_, like every API key"
