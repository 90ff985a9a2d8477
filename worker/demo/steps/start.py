"""What runs, and where."""

from __future__ import annotations

from urllib.parse import urlsplit

from worker.demo.stage import Stage


async def tell(stage: Stage) -> None:
    """Show the four processes and check that they are there, and local."""
    here, screen = stage.here, stage.screen
    screen.row("PostgreSQL", stage.server)
    screen.row("local Stripe", f"{here.stripe_url}  (prorata twin)")
    screen.row("our API", f"{here.http_url}  (prorata serve; webhooks too)")
    screen.row("inbox and jobs", f"process {stage.work.process.pid}  (prorata work)")
    ready = await stage.doors.get("/readyz")
    stage.check("the API says that it is ready", "ok", ready["checks"]["database"])
    stage.check(
        "what we call Stripe is this machine",
        "127.0.0.1",
        urlsplit(here.settings["STRIPE_API_BASE"]).hostname,
    )
    stage.check("every process runs", [], [child.name for child in here.children if not child.runs])
