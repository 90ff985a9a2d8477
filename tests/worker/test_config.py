"""The environment: every problem at once, no secret ever shown, no silent fallback."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker import config
from worker.config import ConfigError, Settings

URL = "postgresql://somebody:hush@127.0.0.1/prorata"
TEST_KEY = "sk_test_123"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look for embedded servers in an empty folder."""
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables of the environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def problems(command: str = "serve") -> list[str]:
    """Return the problems that are reported for a command."""
    with pytest.raises(ConfigError) as caught:
        Settings.for_command(command)
    return list(caught.value.problems)


def test_all_problems_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run reports wrong values, broken rules and what is missing."""
    given(monkeypatch, PRORATA_HTTP="8080", PRORATA_STRIPE_RATE="fast", PRORATA_SMTP_URL="ftp://x")

    names = {problem.split(":")[0] for problem in problems()}

    assert names == {
        "PRORATA_HTTP",
        "PRORATA_STRIPE_RATE",
        "PRORATA_SMTP_URL",
        "PRORATA_MAIL_FROM",
        "DATABASE_URL",
        "STRIPE_API_KEY",
    }


def test_problems_do_not_repeat_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret is named, not shown."""
    given(
        monkeypatch,
        STRIPE_API_KEY="oops-hush",
        PRORATA_SESSION_SECRET="hush",
        DATABASE_URL="mysql://u:hush@h",
    )

    assert "hush" not in "\n".join(problems())


def test_secrets_are_hidden_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings by accident shows no secret."""
    given(monkeypatch, DATABASE_URL=URL, STRIPE_API_KEY="sk_test_hush", STRIPE_WEBHOOK_SECRET="whsec_hush")
    given(monkeypatch, PRORATA_JWT_SECRET="hush" * 4, PRORATA_JWT_ISSUER="a", PRORATA_JWT_AUDIENCE="b")

    assert "hush" not in repr(Settings.for_command("serve")) + str(Settings.for_command("serve"))


def test_webhook_secrets_may_be_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a secret is being replaced both are valid."""
    given(monkeypatch, DATABASE_URL=URL, STRIPE_API_KEY=TEST_KEY, STRIPE_WEBHOOK_SECRET="whsec_a, whsec_b,")

    secrets = [secret.get_secret_value() for secret in Settings.for_command("serve").stripe_webhook_secrets]
    assert secrets == ["whsec_a", "whsec_b"]


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as absent, and the documented defaults hold."""
    given(monkeypatch, PRORATA_HTTP="", STRIPE_API_BASE="")
    settings = Settings.for_command("demo")

    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert (settings.stripe_rate, settings.quote_ttl_seconds) == (20.0, 600)
    assert settings.data_dir == Path(".prorata")


@pytest.mark.parametrize("command", ["serve", "work", "run"])
def test_production_never_falls_back(command: str) -> None:
    """Without a key and a database the production commands start nothing."""
    names = [problem.split(":")[0] for problem in problems(command)]

    assert names == ["DATABASE_URL", "STRIPE_API_KEY"]


@pytest.mark.parametrize("command", ["demo", "up", "twin"])
def test_local_commands_need_nothing(command: str) -> None:
    """On a laptop nothing has to be set."""
    assert Settings.for_command(command).stripe_api_key is None


def test_running_embedded_server_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DATABASE_URL a command finds the server that another one started."""
    monkeypatch.setattr(config, "find_running", lambda folder: URL if folder == Path("data") else None)
    given(monkeypatch, PRORATA_DATA_DIR="data")

    found = Settings.for_command("migrate").database_url
    assert found is not None
    assert found.get_secret_value() == URL


def test_live_key_goes_to_stripe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live key is never sent to another address."""
    given(monkeypatch, DATABASE_URL=URL, STRIPE_API_KEY="sk_live_1", STRIPE_API_BASE="https://example.com")

    assert problems() == [
        "STRIPE_API_BASE: is not Stripe's own address, so STRIPE_API_KEY must be a test key"
    ]


def test_key_is_not_sent_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http is for this machine alone."""
    given(monkeypatch, DATABASE_URL=URL, STRIPE_API_KEY=TEST_KEY, STRIPE_API_BASE="http://10.0.0.1:12111")
    assert problems()[0].startswith("STRIPE_API_BASE: plain http")

    given(monkeypatch, STRIPE_API_BASE="http://127.0.0.1:12111/")
    assert Settings.for_command("serve").stripe_api_base == "http://127.0.0.1:12111"


@pytest.mark.parametrize(("key", "live"), [("sk_live_1", True), ("rk_live_1", True), ("rk_test_1", False)])
def test_livemode_is_the_keys(monkeypatch: pytest.MonkeyPatch, key: str, live: bool) -> None:
    """Whether real money moves is read off the key."""
    given(monkeypatch, DATABASE_URL=URL, STRIPE_API_KEY=key)

    assert Settings.for_command("serve").livemode is live


def test_misspelt_variable_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown variable of ours is named, with the one that was probably meant."""
    given(monkeypatch, PRORATA_STRIPE_RAT="5", PRORATA_TEST_ANYTHING="1")

    assert Settings.for_command("demo").warnings == (
        "PRORATA_STRIPE_RAT: is no variable of Prorata; did you mean PRORATA_STRIPE_RATE?",
    )


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"PRORATA_JWT_ISSUER": "a"}, "PRORATA_JWT_ISSUER: needs PRORATA_JWT_JWKS_URL or PRORATA_JWT_SECRET"),
        ({"PRORATA_JWT_SECRET": "x" * 16}, "PRORATA_JWT_ISSUER: and PRORATA_JWT_AUDIENCE are both needed"),
        ({"PRORATA_BOOTSTRAP_KEY": "x" * 16}, "PRORATA_BOOTSTRAP_KEY: must begin with prk_"),
        ({"PRORATA_SESSION_SECRET": "short"}, "PRORATA_SESSION_SECRET: must have at least 16 characters"),
        ({"PRORATA_CATALOG": "nowhere.toml"}, "PRORATA_CATALOG: names no file"),
        ({"PRORATA_PUBLIC_URL": "example.com"}, "PRORATA_PUBLIC_URL: must be an address"),
        ({"STRIPE_API_KEY": "pk_test_1"}, "STRIPE_API_KEY: must be a secret or restricted key"),
        ({"PRORATA_LOG_FORMAT": "xml"}, "PRORATA_LOG_FORMAT: Input should be 'json' or 'console'"),
    ],
)
def test_wrong_value_is_explained(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str
) -> None:
    """Each wrong value has a sentence that says what is right."""
    given(monkeypatch, **variables)

    (found,) = problems("demo")
    assert found.startswith(problem)
