"""The environment, read once: the only module that looks at it.

Every problem is found before anything starts and reported in one message; secrets are never printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker import config_rules
from worker.config_rules import STRIPE_API_BASE, ConfigError
from worker.embedded import find_running

__all__ = ["ConfigError", "Need", "Settings"]


class Need(StrEnum):
    """What a command cannot do without."""

    DATABASE = "database"  # DATABASE_URL, or an embedded server that runs for PRORATA_DATA_DIR
    STRIPE = "stripe"  # STRIPE_API_KEY: there is no silent fallback to the twin


# A command that is not listed needs the database alone.
NEEDS: Final[Mapping[str, frozenset[Need]]] = {
    "demo": frozenset(),
    "up": frozenset(),
    "twin": frozenset(),
    "version": frozenset(),
    "catalog check": frozenset(),
    **dict.fromkeys(("policy check", "policy show", "policy explain"), frozenset()),
    **dict.fromkeys(("run", "serve", "work", "doctor"), frozenset({Need.DATABASE, Need.STRIPE})),
    **dict.fromkeys(("accounts link", "quote", "confirm"), frozenset({Need.DATABASE, Need.STRIPE})),
    **dict.fromkeys(("catalog diff", "catalog push", "adopt"), frozenset({Need.DATABASE, Need.STRIPE})),
    **dict.fromkeys(("backfill", "catch-up", "reconcile"), frozenset({Need.DATABASE, Need.STRIPE})),
    **dict.fromkeys(("drift show", "drift repair"), frozenset({Need.DATABASE, Need.STRIPE})),
    "changes resolve": frozenset({Need.DATABASE, Need.STRIPE}),
}
NEEDS_DATABASE: Final = frozenset({Need.DATABASE})
# Shorter ones can be guessed, given the time.
SECRET_LENGTH: Final = 16


def _split(value: object) -> object:
    """Turn `a, b` into `("a", "b")`: several secrets are valid while one is being replaced."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _host_and_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with https:// (or http:// on this machine)")
    return value.rstrip("/")


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SECRET_LENGTH:
        raise ValueError(f"must have at least {SECRET_LENGTH} characters")
    return value


def _existing_file(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("names no file")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_secret)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]


class Settings(BaseSettings):
    """The whole configuration. Make one with `Settings.for_command`; attributes of type SecretStr hide."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, case_sensitive=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    stripe_api_key: SecretStr | None = Field(None, validation_alias="STRIPE_API_KEY")
    stripe_api_base: WebAddress = Field(STRIPE_API_BASE, validation_alias="STRIPE_API_BASE")
    stripe_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), validation_alias="STRIPE_WEBHOOK_SECRET"
    )
    http: Annotated[str, AfterValidator(_host_and_port)] = Field(
        "127.0.0.1:8080", validation_alias="PRORATA_HTTP"
    )
    public_url: WebAddress | None = Field(None, validation_alias="PRORATA_PUBLIC_URL")
    data_dir: Path = Field(Path(".prorata"), validation_alias="PRORATA_DATA_DIR")
    catalog: ExistingFile | None = Field(None, validation_alias="PRORATA_CATALOG")
    policy: ExistingFile | None = Field(None, validation_alias="PRORATA_POLICY")
    session_secret: LongSecret | None = Field(None, validation_alias="PRORATA_SESSION_SECRET")
    jwt_issuer: str | None = Field(None, validation_alias="PRORATA_JWT_ISSUER")
    jwt_audience: str | None = Field(None, validation_alias="PRORATA_JWT_AUDIENCE")
    jwt_jwks_url: WebAddress | None = Field(None, validation_alias="PRORATA_JWT_JWKS_URL")
    jwt_secret: LongSecret | None = Field(None, validation_alias="PRORATA_JWT_SECRET")
    bootstrap_key: LongSecret | None = Field(None, validation_alias="PRORATA_BOOTSTRAP_KEY")
    smtp_url: SecretStr | None = Field(None, validation_alias="PRORATA_SMTP_URL")
    mail_from: str | None = Field(None, validation_alias="PRORATA_MAIL_FROM")
    support_email: str | None = Field(None, validation_alias="PRORATA_SUPPORT_EMAIL")
    stripe_rate: float = Field(20.0, gt=0, le=1000, validation_alias="PRORATA_STRIPE_RATE")
    quote_ttl_seconds: int = Field(600, ge=10, le=86_400, validation_alias="PRORATA_QUOTE_TTL_SECONDS")
    keep_events_days: int = Field(45, ge=36, le=3650, validation_alias="PRORATA_KEEP_EVENTS_DAYS")
    keep_answers_days: int = Field(30, ge=2, le=3650, validation_alias="PRORATA_KEEP_ANSWERS_DAYS")
    keep_quotes_days: int = Field(90, ge=7, le=3650, validation_alias="PRORATA_KEEP_QUOTES_DAYS")
    log_format: Literal["json", "console"] | None = Field(None, validation_alias="PRORATA_LOG_FORMAT")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(lambda value: str(value).upper())
    ] = Field("INFO", validation_alias="PRORATA_LOG_LEVEL")
    failpoints: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), validation_alias="PRORATA_FAILPOINTS"
    )

    # Said once at the start, by the command: misspelt variables and the like. Not read from the environment.
    warnings: tuple[str, ...] = Field((), exclude=True)

    @classmethod
    def for_command(cls, command: str) -> Self:
        """Read the environment for one command, such as `serve` or `catalog push`.

        For commands that need the database and have no DATABASE_URL, `database_url` becomes the address of
        the embedded server that runs for PRORATA_DATA_DIR. Raises ConfigError with every problem at once.
        """
        environ = dict(os.environ)
        problems: list[str] = []
        settings: Self | None = None
        try:
            settings = cls()
        except ValidationError as error:
            problems += [_explain(problem["loc"], problem["msg"]) for problem in error.errors()]
        problems += config_rules.check(environ)
        needs = NEEDS.get(command, NEEDS_DATABASE)
        found = _embedded_url(environ) if Need.DATABASE in needs and not environ.get("DATABASE_URL") else None
        problems += _unmet(needs, environ, found)
        if settings is None or problems:
            raise ConfigError(problems)
        updates: dict[str, object] = {"warnings": tuple(config_rules.warnings(environ, known_variables()))}
        if found is not None:
            updates["database_url"] = SecretStr(found)
        return settings.model_copy(update=updates)

    @property
    def dsn(self) -> str:
        """The database's address in plain text; settings read for a command that needs it have one."""
        if self.database_url is None:
            raise LookupError("the settings were read for a command that needs no database")
        return self.database_url.get_secret_value()

    @property
    def http_host(self) -> str:
        """The host part of PRORATA_HTTP, without brackets."""
        return self.http.rpartition(":")[0].strip("[]")

    @property
    def http_port(self) -> int:
        """The port part of PRORATA_HTTP; 0 lets the system choose."""
        return int(self.http.rpartition(":")[2])

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        key = self.stripe_api_key
        return key is not None and config_rules.is_live(key.get_secret_value())


def environment_without(*prefixes: str) -> dict[str, str]:
    """The caller's environment for a process of ours, without what we tell that process ourselves."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def known_variables() -> list[str]:
    """Return the names of all variables, in the order of the class."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return [alias for alias in aliases if isinstance(alias, str)]


def _explain(location: tuple[int | str, ...], message: str) -> str:
    return f"{location[0]}: {message.removeprefix('Value error, ')}"


def _embedded_url(environ: Mapping[str, str]) -> str | None:
    return find_running(Path(environ.get("PRORATA_DATA_DIR") or ".prorata"))


def _unmet(needs: frozenset[Need], environ: Mapping[str, str], embedded_url: str | None) -> list[str]:
    problems = []
    if Need.DATABASE in needs and not environ.get("DATABASE_URL") and embedded_url is None:
        folder = environ.get("PRORATA_DATA_DIR") or ".prorata"
        problems.append(
            f"DATABASE_URL: is missing, and no embedded PostgreSQL runs for {folder}; `prorata up` starts one"
        )
    if Need.STRIPE in needs and not environ.get("STRIPE_API_KEY"):
        problems.append(
            "STRIPE_API_KEY: is missing; only `prorata demo` and `prorata up` work without, on a local Stripe"
        )
    return problems
