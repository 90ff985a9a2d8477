"""The story: its steps in order, and how it is told, timed and summed up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sync.clock import monotonic
from worker.demo.checks import Checks
from worker.demo.screen import Screen
from worker.demo.stage import Stage, opened
from worker.demo.steps import bundle, catalog, confirm, crash, decline, lost_webhook, purchase, quote, start

if TYPE_CHECKING:
    from worker.config import Settings

Tell = Callable[[Stage], Awaitable[None]]

STEPS: Final[tuple[tuple[str, Tell], ...]] = (
    ("Everything starts, on this machine", start.tell),
    ("The catalog goes to Stripe", catalog.tell),
    ("Acme buys Marketing Plus", purchase.tell),
    ("In mid-month: a quote, and nothing else yet", quote.tell),
    ("Ada confirms: exactly the quote is charged", confirm.tell),
    ("A declined card changes nothing", decline.tell),
    ("From Marketing to the bundle", bundle.tell),
    ("A worker is killed between Stripe's answer and our commit", crash.tell),
    ("A lost webhook is found", lost_webhook.tell),
)
LAST_TITLE: Final = "The end, and what next"
NEXT: Final = (
    ("make up", "keep all of this running, and try `prorata quote` yourself"),
    ("README.md", '"With a Stripe test account": the same on yours'),
    ("prorata --help", "every command"),
)


@dataclass(slots=True)
class Outcome:
    """How it went. `error` is what stopped the story, if anything did; `seconds` are by step."""

    checks: Checks = field(default_factory=Checks)
    seconds: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def good(self) -> bool:
        """Whether every step was told and every check held."""
        return self.error is None and len(self.seconds) == len(STEPS) and not self.checks.failed

    def to_json(self) -> dict[str, Any]:
        """The summary of `--json`."""
        told = enumerate(zip(STEPS, self.seconds, strict=False), 1)
        return {
            "ok": self.good,
            "seconds": round(sum(self.seconds), 2),
            "checks": {
                "held": len(self.checks.all) - len(self.checks.failed),
                "failed": len(self.checks.failed),
            },
            "error": self.error,
            "steps": [
                {
                    "number": number,
                    "title": title,
                    "seconds": round(seconds, 2),
                    "checks": [check.to_json() for check in self.checks.of(number)],
                }
                for number, ((title, _), seconds) in told
            ],
        }


async def perform(settings: Settings, folder: Path, screen: Screen) -> Outcome:
    """Tell the whole story. Whatever stops it early is in the outcome; what cannot even start raises."""
    outcome = Outcome()
    _open_curtain(screen)
    async with AsyncExitStack() as stack:
        began = monotonic()
        screen.title(1, STEPS[0][0])
        with screen.waiting("starting PostgreSQL, the local Stripe and our own processes"):
            stage = await stack.enter_async_context(opened(settings, folder, screen, outcome.checks))
        screen.row("started in", f"{monotonic() - began:.1f} s")
        for number, (title, tell) in enumerate(STEPS, 1):
            stage.step = number
            if number > 1:
                began = monotonic()
                screen.title(number, title)
            outcome.error = await _told(stage, tell)
            outcome.seconds.append(monotonic() - began)
            if outcome.error is not None:
                break
    _close_curtain(screen, outcome, folder)
    return outcome


async def _told(stage: Stage, tell: Tell) -> str | None:
    """Tell one step; returns what went wrong, in one line."""
    try:
        await tell(stage)
    except Exception as error:  # the story ends here, and the summary says why
        return f"{type(error).__name__}: {error}"
    return None


def _open_curtain(screen: Screen) -> None:
    screen.loud(
        "PRORATA DEMO: all of it on this machine.",
        "No real Stripe, no account, NO REAL MONEY: Stripe is a local twin.",
    )


def _close_curtain(screen: Screen, outcome: Outcome, folder: Path) -> None:
    screen.title(len(STEPS) + 1, LAST_TITLE)
    total, failed = len(outcome.checks.all), len(outcome.checks.failed)
    seconds = f"{sum(outcome.seconds):.0f} s"
    if outcome.good:
        for command, words in NEXT:
            screen.row(command, words)
        screen.line()
        screen.line(f"all {total} checks held, in {seconds}", "bold green")
        return
    if outcome.error is not None:
        screen.line(f"  FAILED in step {len(outcome.seconds)}: {outcome.error}", "bold red")
    for trouble in _troubles(folder):
        screen.row("logged", trouble)
    screen.row("logs", str(folder))
    screen.line()
    screen.line(f"only {total - failed} of {total} checks held, in {seconds}", "bold red")


def _troubles(folder: Path) -> list[str]:
    """The last error that each of our processes logged, or died with."""
    found = []
    for path in sorted(folder.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        errors = [line for line in lines if '"level":"error"' in line or line.startswith("prorata: ")]
        found += [f"{path.name}: {line}" for line in errors[-1:]]
    return found
